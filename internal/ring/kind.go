package ring

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// KindID is the number of the kind "queue" in the directory.
const KindID = 12

// What package queue returns; it exports them under these names.
var (
	ErrFull     = errors.New("queue: full")
	ErrEmpty    = errors.New("queue: empty")
	ErrTooLarge = errors.New("queue: message too large")
	ErrSettled  = errors.New("queue: already settled")
	ErrShutdown = fmt.Errorf("queue: shut down: %w", fs.ErrClosed)
)

// Kind returns the kind of object "queue". Its Spec is what Spec.Pack returns.
func Kind() *object.Kind {
	return &object.Kind{
		ID:       KindID,
		Name:     "queue",
		Size:     size,
		Format:   format,
		Attach:   func(r mem.Region, shape object.Shape) (object.Core, error) { return Attach(r, shape) },
		Describe: describe,
	}
}

func size(shape object.Shape) (int64, error) {
	g, err := newGeometry(shape)
	return g.size, err
}

// format has nothing to do: a region of zeros is an empty queue.
func format(r mem.Region, shape object.Shape) error {
	_, err := Attach(r, shape)
	return err
}

func describe(shape object.Shape) string {
	s := Unpack(shape.Spec)
	mode := "MPMC"
	if s.Mode == SPSC {
		mode = "SPSC"
	}
	return fmt.Sprintf("cap=%d mode=%s slotsize=%d maxsize=%d heap=%d", s.Cap, mode, s.SlotSize, s.MaxSize, s.Heap)
}

// Ring is a queue in a region, as any participant sees it.
type Ring struct {
	geometry
	region mem.Region
	head   *header
	slots  mem.Strided[slotHead]
	asides []aside // of the slots of loans
	owners []satomic.Uint64
	// payloads are what lies inline in each slot.
	payloads mem.Rows
}

// Attach returns the queue in r.
func Attach(r mem.Region, shape object.Shape) (*Ring, error) {
	g, err := newGeometry(shape)
	if err != nil {
		return nil, err
	}
	ring := &Ring{geometry: g}
	if ring.region, err = r.Sub(0, g.size); err != nil {
		return nil, err
	}
	if ring.head, err = mem.At[header](r, 0); err != nil {
		return nil, err
	}
	if ring.slots, err = mem.NewStrided[slotHead](ring.region, headerSize, g.stride, g.all()); err != nil {
		return nil, err
	}
	if ring.payloads, err = mem.NewRows(ring.region, g.payloadAt(0), g.stride, g.all(), int64(g.inline)); err != nil {
		return nil, err
	}
	if ring.asides, err = mem.Slice[aside](ring.region, g.asidesAt, int64(g.loans)); err != nil {
		return nil, err
	}
	if ring.owners, err = mem.Slice[satomic.Uint64](ring.region, g.ownersAt, int64(g.cells+g.granules)); err != nil {
		return nil, err
	}
	return ring, nil
}

// aside returns what belongs to slot i of a loan.
func (r *Ring) aside(i uint32) *aside { return &r.asides[i-r.n] }

// next returns the position after pos.
func (r *Ring) next(pos uint64) uint64 {
	if pos++; indexOf(pos) < r.n {
		return pos
	}
	return lapOf(pos-1) + 1<<lapShift
}

// skip returns the position from which to go on when the slot of pos has the
// word x of a later lap. By the order of claims no position that lies a whole
// ring before x is of interest any more, so a walker that was asleep for many
// laps does not walk through them all.
func (r *Ring) skip(pos, x uint64) uint64 {
	laps := ahead(x, pos) - 1
	if stateOf(x) == free {
		laps-- // of the lap before x's only the end is known
	}
	return r.next(pos + uint64(max(laps, 0))<<lapShift)
}

// later returns the later one of two hints.
func later(local, shared uint64) uint64 {
	if before(shared, local) {
		return local
	}
	return shared
}

// start returns the later one of two hints, if it is a position.
func (r *Ring) start(local, shared uint64) (uint64, error) {
	w := later(local, shared)
	if indexOf(w) >= r.n {
		return 0, r.badPosition(w)
	}
	return w, nil
}

func (r *Ring) badPosition(w uint64) error {
	return mem.Corrupt("queue position", -1, fmt.Sprintf("slot %d", indexOf(w)), fmt.Sprintf("less than %d", r.n))
}

// advance moves a hint on to pos, if it is behind.
func advance(hint *satomic.Uint64, pos uint64) {
	if old := hint.Load(); before(old, pos) {
		hint.CompareAndSwap(old, pos)
	}
}

// badSlot reports a slot's word that cannot be what it is at position pos.
func (r *Ring) badSlot(i uint32, x, pos uint64, want string) error {
	got := fmt.Sprintf("%s, %d laps ahead of position %d", stateName(x), ahead(x, pos), indexOf(pos))
	return mem.Corrupt("slot word", headerSize+r.stride*int64(i), got, want)
}
