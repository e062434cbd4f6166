package barrier

import (
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// KindID is the number of the kind "barrier" in the directory.
const KindID = 10

// Kind returns the kind of object "barrier". Its Spec[0] is the number of parties.
func Kind() *object.Kind {
	return &object.Kind{
		ID:       KindID,
		Name:     "barrier",
		Size:     size,
		Format:   func(r mem.Region, shape object.Shape) error { _, err := Attach(r, shape); return err },
		Attach:   func(r mem.Region, shape object.Shape) (object.Core, error) { return Attach(r, shape) },
		Describe: func(shape object.Shape) string { return fmt.Sprintf("parties=%d", shape.Spec[0]) },
	}
}

func size(shape object.Shape) (int64, error) {
	if n := shape.Spec[0]; n < 1 || n > maxParties {
		return 0, fmt.Errorf("lock: %d parties, want 1 to %d: %w", n, maxParties, fs.ErrInvalid)
	}
	return headerSize + joinedSize*(int64(shape.Slots)+1), nil
}

// Core is a barrier in a region, as any participant sees it.
type Core struct {
	head    *header
	joined  []satomic.Uint64 // by slot
	parties int
}

// Attach returns the barrier in r. Zeros are one at rest.
func Attach(r mem.Region, shape object.Shape) (*Core, error) {
	if _, err := size(shape); err != nil {
		return nil, err
	}
	head, err := mem.At[header](r, 0)
	if err != nil {
		return nil, err
	}
	joined, err := mem.Slice[satomic.Uint64](r, headerSize, int64(shape.Slots)+1)
	if err != nil {
		return nil, err
	}
	return &Core{head: head, joined: joined, parties: int(shape.Spec[0])}, nil
}

// Repair is object.Core's: it breaks the generation that d waited in.
func (c *Core) Repair(d object.Dead) {
	if d.Slot != 0 && int(d.Slot) < len(c.joined) {
		if j := c.joined[d.Slot].Load(); j != 0 { // pairs with: barrier.joined (announce)
			c.breakJoined(j)
			c.joined[d.Slot].Store(0)
		}
	}
	cell.RepairEvent(&c.head.bell)
}

// breakJoined breaks the generation that j, of joined, names, if it gathers and
// anybody waits in it.
func (c *Core) breakJoined(j uint64) {
	for {
		p := c.load()
		if p.generation().joins() != j || p.broken() || p.arrived() == 0 || c.swap(p, p|brokenBit) {
			return
		}
	}
}

// Leave is object.Core's. Goroutines that wait give up themselves.
func (c *Core) Leave(uint32) {}

// Check is object.Core's.
func (c *Core) Check(func(slot uint32) bool) []error {
	var errs []error
	if p := c.load(); p.arrived() >= c.parties {
		errs = append(errs, c.corrupt(p))
	}
	for slot := range c.joined {
		if j := c.joined[slot].Load(); j&^joinedBits != 0 || j != 0 && j&1 == 0 {
			off := int64(headerSize + joinedSize*slot)
			errs = append(errs, mem.Corrupt("barrier.joined", off, fmt.Sprintf("%#x", j), "a generation"))
		}
	}
	return errs
}

// corrupt says what is wrong with p, in which too many have arrived.
func (c *Core) corrupt(p phase) error {
	return mem.Corrupt("barrier.phase", offsetPhase, fmt.Sprintf("%d arrived", p.arrived()), fmt.Sprintf("less than %d", c.parties))
}

// Holds is object.Core's. Nobody holds anything.
func (c *Core) Holds(func(object.Hold) bool) {}

// State is object.Core's.
func (c *Core) State() string {
	p := c.load()
	if p.broken() {
		return "broken"
	}
	return fmt.Sprintf("%d of %d wait", p.arrived(), c.parties)
}
