package rw

import (
	"structs"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// header begins a lock. A set follows, one bit for each slot that has ever read;
// then, on the next line, the reads of each slot from 0 to Slots.
//
//	offset size field meaning
//	0 64 lock mutex of the writers, with marks
//	64 4 bell futex word: a writer that waits for readers, see event
//	68 60 - zero
type header struct {
	_    structs.HostLayout
	lock robust.Words
	bell satomic.Uint32
	_    [60]byte
}

// reads is how many readers one slot has.
//
//	offset size field meaning
//	0 4 count readers, and who is about to look whether it may be one
//	4 60 - zero
type reads struct {
	_     structs.HostLayout
	count satomic.Uint32
	_     [60]byte
}

const (
	headerSize = 128
	readsSize  = 64
	maxSlots   = 1<<12 - 1
	plausible  = 1 << 24 // readers of one process
)

var (
	_ = [1]struct{}{}[unsafe.Sizeof(header{})-headerSize]
	_ = [1]struct{}{}[unsafe.Sizeof(reads{})-readsSize]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.bell)-robust.WordsSize]
)

// geometry says where the parts of a lock lie.
type geometry struct {
	words    int64 // of the set
	readsOff int64
	size     int64
}

func geometryOf(slots uint32) geometry {
	n := int64(slots) + 1
	g := geometry{words: (n + 63) / 64}
	g.readsOff = mem.Align(headerSize+8*g.words, mem.CacheLine)
	g.size = g.readsOff + readsSize*n
	return g
}
