package queue

import (
	"fmt"

	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/ring"
)

// Mode says how many use a queue.
type Mode uint8

const (
	// MPMC queues have any number of producers and consumers.
	MPMC Mode = ring.MPMC
	// SPSC queues have one process that puts and one that gets. A second one is
	// refused with fs.ErrPermission, until the first has closed the segment or died.
	SPSC Mode = ring.SPSC
)

func (m Mode) String() string {
	switch m {
	case MPMC:
		return "MPMC"
	case SPSC:
		return "SPSC"
	}
	return "unset"
}

// Spec is the geometry of a queue. A zero field means the default at creation,
// and "any" at opening. For a T of fixed layout all messages have its size, so
// there the defaults leave out what would never be used.
type Spec struct {
	// Cap is how many messages fit; default 64. Messages that were received and
	// not acknowledged, and loans, count.
	Cap int
	// Mode; default MPMC.
	Mode Mode
	// SlotSize is the number of bytes of an encoded message for which there is
	// room in each of the Cap places; default 256, or the size of a T of fixed
	// layout if that is less.
	SlotSize int
	// MaxSize is the number of bytes of the largest encoded message; default the
	// larger of 1 MiB and SlotSize, or the larger of T's size and SlotSize.
	MaxSize int
	// Heap is the number of bytes for messages longer than SlotSize, set aside at
	// creation; at least MaxSize; default 4*MaxSize, or none if there are none.
	Heap int
}

const (
	defaultCap      = 64
	defaultSlotSize = 256
	defaultMaxSize  = 1 << 20
	defaultHeap     = 4 // times MaxSize
)

func (s Spec) geometry() ring.Spec {
	return ring.Spec{
		Cap: int64(s.Cap), Mode: int64(s.Mode), SlotSize: int64(s.SlotSize),
		MaxSize: int64(s.MaxSize), Heap: int64(s.Heap),
	}
}

// specOf returns the Spec that is stored.
func specOf(g ring.Spec) Spec {
	return Spec{
		Cap: int(g.Cap), Mode: Mode(g.Mode), SlotSize: int(g.SlotSize), MaxSize: int(g.MaxSize), Heap: int(g.Heap),
	}
}

// withDefaults returns the geometry that s creates; fixed is the size of all
// messages, or -1 if they differ.
func (s Spec) withDefaults(fixed int64) (ring.Spec, error) {
	g := s.geometry()
	orElse := func(p *int64, x int64) {
		if *p == 0 {
			*p = x
		}
	}
	orElse(&g.Cap, defaultCap)
	orElse(&g.Mode, ring.MPMC)
	if fixed >= 0 {
		orElse(&g.SlotSize, max(min(fixed, defaultSlotSize), 1))
		orElse(&g.MaxSize, max(fixed, g.SlotSize))
	} else {
		orElse(&g.SlotSize, defaultSlotSize)
		orElse(&g.MaxSize, max(defaultMaxSize, g.SlotSize))
	}
	if g.MaxSize > g.SlotSize {
		orElse(&g.Heap, defaultHeap*g.MaxSize)
		if fixed > g.SlotSize {
			g.Granule = fixed // one piece each: nothing is wasted, and a block is taken by one step
		}
	}
	g, err := g.Validate()
	if err == nil && fixed > g.MaxSize {
		g.MaxSize = 0
		_, err = g.Validate()
	}
	return g, err
}

// request describes the queue that is wanted.
func request[T any](c *codec.Codec[T], name string, spec Spec) (object.Request, error) {
	fixed := int64(-1)
	if l := c.Layout(); l != nil {
		fixed = l.Size
	}
	g, err := spec.withDefaults(fixed)
	if err != nil {
		return object.Request{}, err
	}
	return object.Request{
		Name: name,
		Kind: ring.Kind(),
		Type: c.Name(),
		Spec: g.Pack(),
		Match: func(typ string, stored object.Spec) *object.Mismatch {
			if d := handle.MatchType(typ, c.Name()); d != nil {
				return d
			}
			return spec.differs(specOf(ring.Unpack(stored)))
		},
	}, nil
}

// differs returns the first field of s that is set and not as stored, or nil.
func (s Spec) differs(stored Spec) *object.Mismatch {
	for _, f := range []struct {
		name       string
		have, want int
	}{
		{"Cap", stored.Cap, s.Cap},
		{"SlotSize", stored.SlotSize, s.SlotSize},
		{"MaxSize", stored.MaxSize, s.MaxSize},
		{"Heap", stored.Heap, s.Heap},
	} {
		if f.want != 0 && f.want != f.have {
			return &object.Mismatch{Field: f.name, Have: fmt.Sprint(f.have), Want: fmt.Sprint(f.want)}
		}
	}
	if s.Mode != 0 && s.Mode != stored.Mode {
		return &object.Mismatch{Field: "Mode", Have: stored.Mode.String(), Want: s.Mode.String()}
	}
	return nil
}
