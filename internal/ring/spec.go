package ring

import (
	"fmt"
	"io/fs"
	"math"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
)

// Modes of a queue, as stored.
const (
	MPMC = 1 // any number of producers and consumers
	SPSC = 2 // one process puts, one gets
)

// Spec is the geometry of a queue, with every field set.
type Spec struct {
	Cap      int64 // slots
	Mode     int64
	SlotSize int64 // bytes of a message for which there is room in each slot
	MaxSize  int64 // bytes of the largest message
	Heap     int64 // bytes for messages longer than SlotSize
	Granule  int64 // bytes of a piece of Heap; 0 chooses
}

// Limits of a Spec.
const (
	MaxCap     = 1 << 20
	MaxMessage = math.MaxInt32
	MaxHeap    = 1 << 44

	maxGranules = 1 << 16
	maxSlots    = ownerMask

	// inlineLimit is the longest message that is copied into its slot. A longer
	// one is built in the heap: copying it once more would cost more than
	// taking a block does.
	inlineLimit = 1024
	// blockAlign is what sizes of cells and granules are multiples of.
	blockAlign = mem.CacheLine
	// granulesPerMessage is how many granules the largest message has, if the
	// Spec does not say.
	granulesPerMessage = 512
)

// Pack returns s as the directory stores it.
func (s Spec) Pack() object.Spec {
	return object.Spec{uint64(s.Cap), uint64(s.Mode), uint64(s.SlotSize), uint64(s.MaxSize), uint64(s.Heap), uint64(s.Granule)}
}

// Unpack returns what Pack packed.
func Unpack(o object.Spec) Spec {
	return Spec{
		Cap: int64(o[0]), Mode: int64(o[1]), SlotSize: int64(o[2]),
		MaxSize: int64(o[3]), Heap: int64(o[4]), Granule: int64(o[5]),
	}
}

// Validate returns s with Granule chosen, or an error that is fs.ErrInvalid.
func (s Spec) Validate() (Spec, error) {
	bad := func(format string, args ...any) (Spec, error) {
		return Spec{}, fmt.Errorf("queue: %s: %w", fmt.Sprintf(format, args...), fs.ErrInvalid)
	}
	switch {
	case s.Cap < 1 || s.Cap > MaxCap:
		return bad("Cap is %d, want 1 to %d", s.Cap, MaxCap)
	case s.Mode != MPMC && s.Mode != SPSC:
		return bad("%d is no Mode", s.Mode)
	case s.SlotSize < 1 || s.SlotSize > MaxMessage:
		return bad("SlotSize is %d, want 1 to %d", s.SlotSize, MaxMessage)
	case s.MaxSize < s.SlotSize || s.MaxSize > MaxMessage:
		return bad("MaxSize is %d, want SlotSize (%d) to %d", s.MaxSize, s.SlotSize, MaxMessage)
	case s.Heap < 0 || s.Heap > MaxHeap:
		return bad("Heap is %d, want 0 to %d", s.Heap, int64(MaxHeap))
	case s.MaxSize > s.SlotSize && s.Heap < s.MaxSize:
		return bad("Heap is %d: no room for one message of MaxSize (%d)", s.Heap, s.MaxSize)
	case s.Granule < 0 || s.Granule > MaxHeap:
		return bad("Granule is %d", s.Granule)
	}
	if s.Granule == 0 {
		s.Granule = s.MaxSize / granulesPerMessage
	}
	s.Granule = mem.Align(max(s.Granule, 256, (s.Heap+maxGranules-1)/maxGranules), blockAlign)
	return s, nil
}

// geometry says where everything lies. It is computed, never read from shared memory.
type geometry struct {
	spec     Spec
	slots    uint32 // participants
	n        uint32 // slots of the ring
	loans    uint32 // slots of loans, which follow
	inline   uint32 // bytes of a message in its slot
	cells    uint32
	granules uint32
	cellSize int64

	stride     int64 // of slots
	asidesAt   int64
	ownersAt   int64
	cellsAt    int64
	granulesAt int64
	size       int64
}

func newGeometry(shape object.Shape) (geometry, error) {
	spec, err := Unpack(shape.Spec).Validate()
	if err != nil {
		return geometry{}, err
	}
	if shape.Slots < 1 || shape.Slots > maxSlots {
		return geometry{}, fmt.Errorf("queue: %d participant slots, want 1 to %d: %w", shape.Slots, maxSlots, fs.ErrInvalid)
	}
	g := geometry{spec: spec, slots: shape.Slots, n: uint32(spec.Cap)}
	g.loans = min(g.n, maxLoans)
	g.inline = uint32(min(spec.SlotSize, inlineLimit))
	if spec.SlotSize > inlineLimit {
		g.cells = g.n
		g.cellSize = mem.Align(spec.SlotSize, blockAlign)
	}
	if spec.MaxSize > spec.SlotSize {
		g.granules = uint32((spec.Heap + spec.Granule - 1) / spec.Granule)
		// What is rounded up must not make the largest message too large.
		g.granules = max(g.granules, uint32((spec.MaxSize+spec.Granule-1)/spec.Granule))
	}
	g.stride = mem.Align(slotHeadSize+int64(g.inline), slotAlign(spec.Mode))
	g.asidesAt = headerSize + g.stride*int64(g.all())
	g.ownersAt = g.asidesAt + asideSize*int64(g.loans)
	g.cellsAt = mem.Align(g.ownersAt+8*int64(g.cells+g.granules), mem.CacheLine)
	g.granulesAt = g.cellsAt + g.cellSize*int64(g.cells)
	g.size = g.granulesAt + spec.Granule*int64(g.granules)
	return g, nil
}

// slotAlign is what the distance of slots is a multiple of.
func slotAlign(mode int64) int64 {
	if mode == SPSC {
		return 8
	}
	return mem.CacheLine
}

// all returns the number of all slots.
func (g *geometry) all() uint32 { return g.n + g.loans }

// payloadAt returns where the inline message of a slot lies in the region.
func (g *geometry) payloadAt(i uint32) int64 {
	return headerSize + g.stride*int64(i) + slotHeadSize
}

// blockAt returns where block b, the number of its first owner word, begins.
func (g *geometry) blockAt(b uint32) int64 {
	if b < g.cells {
		return g.cellsAt + g.cellSize*int64(b)
	}
	return g.granulesAt + g.spec.Granule*int64(b-g.cells)
}

// room returns the bytes of the block that begins at owner word b and has run pieces.
func (g *geometry) room(b, run uint32) int64 {
	if b < g.cells {
		return g.cellSize
	}
	return g.spec.Granule * int64(run)
}
