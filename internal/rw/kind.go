package rw

import (
	"fmt"
	"io/fs"
	"math/bits"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// KindID is the number of the kind "rwmutex" in the directory.
const KindID = 6

// Kind returns the kind of object "rwmutex". Its Spec[0] is the robust.Policy.
func Kind() *object.Kind {
	return &object.Kind{
		ID:       KindID,
		Name:     "rwmutex",
		Size:     size,
		Format:   func(r mem.Region, shape object.Shape) error { _, err := Attach(r, shape); return err },
		Attach:   func(r mem.Region, shape object.Shape) (object.Core, error) { return Attach(r, shape) },
		Describe: func(shape object.Shape) string { return "onDeath=" + robust.Policy(shape.Spec[0]).String() },
	}
}

func size(shape object.Shape) (int64, error) {
	if _, err := robust.PolicyOf(shape.Spec[0]); err != nil {
		return 0, err
	}
	if shape.Slots > maxSlots {
		return 0, fmt.Errorf("lock: %d participant slots, want at most %d: %w", shape.Slots, maxSlots, fs.ErrInvalid)
	}
	return geometryOf(shape.Slots).size, nil
}

// Core is a lock in a region, as any participant sees it.
type Core struct {
	head   *header
	ever   []satomic.Uint64 // set of the slots that have ever read
	reads  []reads          // by slot
	policy robust.Policy
	geo    geometry
}

// Attach returns the lock in r. Zeros are one at rest.
func Attach(r mem.Region, shape object.Shape) (*Core, error) {
	if _, err := size(shape); err != nil {
		return nil, err
	}
	c := &Core{policy: robust.Policy(shape.Spec[0]), geo: geometryOf(shape.Slots)}
	var err error
	if c.head, err = mem.At[header](r, 0); err != nil {
		return nil, err
	}
	if c.ever, err = mem.Slice[satomic.Uint64](r, headerSize, c.geo.words); err != nil {
		return nil, err
	}
	c.reads, err = mem.Slice[reads](r, c.geo.readsOff, int64(shape.Slots)+1)
	return c, err
}

func bit(slot uint32) uint64 { return 1 << (slot % 64) }

// Repair is object.Core's: a dead reader is forgotten, a dead writer is met by the
// policy.
func (c *Core) Repair(d object.Dead) {
	if d.Slot != 0 && int(d.Slot) < len(c.reads) {
		c.reads[d.Slot].count.Store(0)
		c.ever[d.Slot/64].And(^bit(d.Slot))
	}
	cell.RepairEvent(&c.head.bell)
	robust.RepairMarked(&c.head.lock, c.policy, d)
}

// Leave is object.Core's: what goroutines are in the middle of, they give back
// themselves.
func (c *Core) Leave(slot uint32) {
	if slot != 0 && int(slot) < len(c.reads) {
		c.reads[slot].count.Store(0)
	}
	cell.RepairEvent(&c.head.bell)
	robust.LeaveMarked(&c.head.lock, c.policy, slot, 0)
}

// read reports whether anybody reads, or is about to look whether it may.
func (c *Core) read() bool {
	for i := range c.ever {
		for x := c.ever[i].Load(); x != 0; x &= x - 1 {
			slot := 64*i + bits.TrailingZeros64(x)
			if slot < len(c.reads) && c.reads[slot].count.Load() != 0 { // pairs with: rw.reads (arrive)
				return true
			}
		}
	}
	return false
}

// Check is object.Core's.
func (c *Core) Check(live func(slot uint32) bool) []error {
	errs := robust.CheckMarked(&c.head.lock, c.policy, 0, live)
	for slot := range c.reads {
		n := c.reads[slot].count.Load()
		switch off := c.geo.readsOff + int64(slot)*readsSize; {
		case n > plausible:
			errs = append(errs, mem.Corrupt("rwmutex.reads", off, n, "fewer readers"))
		case n != 0 && (slot == 0 || !live(uint32(slot))) && c.reads[slot].count.Load() == n:
			errs = append(errs, mem.Corrupt("rwmutex.reads", off, n, "no readers of nobody"))
		}
	}
	return errs
}

// Holds is object.Core's.
func (c *Core) Holds(yield func(object.Hold) bool) {
	if slot, marks := c.head.lock.Owner(); slot != 0 && marks&robust.Inside != 0 {
		if !yield(object.Hold{Slot: slot, Count: 1, What: "lock"}) {
			return
		}
	}
	for slot := range c.reads {
		n := c.reads[slot].count.Load()
		if n != 0 && n <= plausible && !yield(object.Hold{Slot: uint32(slot), Count: int(n), What: "read lock"}) {
			return
		}
	}
}

// State is object.Core's.
func (c *Core) State() string {
	var readers uint64
	for slot := range c.reads {
		readers += uint64(c.reads[slot].count.Load())
	}
	switch slot, marks := c.head.lock.Owner(); {
	case marks&robust.Inside != 0:
		return fmt.Sprintf("locked by %d", slot)
	case marks&robust.Shut != 0:
		return fmt.Sprintf("%d waits for %d readers", slot, readers)
	case readers > 0:
		return fmt.Sprintf("%d readers", readers)
	case slot != 0:
		return "free"
	}
	return robust.State(&c.head.lock)
}
