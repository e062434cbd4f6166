package condition

import (
	"structs"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// header begins a condition. Two sets of slots follow, one bit each: those that
// have ever waited, and those whose bell a Broadcast has left to ring. Then comes a
// place for each slot from 0 to Slots.
//
//	offset size field meaning
//	0 4 cursor the slot that was signalled last
//	4 124 - zero
type header struct {
	_      structs.HostLayout
	cursor satomic.Uint32
	_      [124]byte
}

// place is what one slot has of a condition.
//
//	offset size field meaning
//	0 8 counts low half: how many wait; high half: signals that are not used up
//	8 4 bell futex word: its waiters, see event
//	12 52 - zero
type place struct {
	_      structs.HostLayout
	counts satomic.Uint64
	bell   satomic.Uint32
	_      [52]byte
}

const (
	headerSize = 128
	placeSize  = 64
)

var (
	_ = [1]struct{}{}[unsafe.Sizeof(header{})-headerSize]
	_ = [1]struct{}{}[unsafe.Sizeof(place{})-placeSize]
	_ = [1]struct{}{}[unsafe.Offsetof(place{}.bell)-8]
)

// geometry says where the parts of a condition lie.
type geometry struct {
	words       int64 // of each set
	everOff     int64
	dueOff      int64
	placesOff   int64
	slots, size int64
}

func geometryOf(slots uint32) geometry {
	n := int64(slots) + 1
	g := geometry{words: (n + 63) / 64, everOff: headerSize, slots: n}
	g.dueOff = g.everOff + 8*g.words
	g.placesOff = mem.Align(g.dueOff+8*g.words, mem.CacheLine)
	g.size = g.placesOff + placeSize*n
	return g
}

// counts is the value of place.counts.
type counts uint64

const (
	oneWaiting = 1
	oneSignal  = 1 << 32
	plausible  = 1 << 24 // goroutines of one process
	maxSlots   = 1<<12 - 1
)

func (c counts) waiting() uint32 { return uint32(c) }
func (c counts) signals() uint32 { return uint32(c >> 32) }
