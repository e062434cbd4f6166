package cell

import (
	"structs"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// valueHeader begins a value. Two copies of the T follow, each a whole number of
// words: in the rest of the header's first line if they fit there, so that a
// reader touches one line only, else behind the header, each on lines of its own.
//
//	offset size field meaning
//	0 8 version number of publications; its lowest bit chooses the current copy; commit word of Store
//	8 8 busy the version that is being written, or was written last
//	16 4 event futex word: waiters, see event
//	20 4 pad -
//	24 104 inline the two copies, if they fit
//	128 64 lock of the writers
//	192 64 pad2 -
type valueHeader struct {
	_       structs.HostLayout
	version satomic.Uint64
	busy    satomic.Uint64
	event   satomic.Uint32
	pad     uint32
	inline  [13]satomic.Uint64
	lock    robust.Words
	pad2    [64]byte
}

const (
	valueHeaderSize = 256
	inlineOff       = 24
	inlineSize      = 104
	// copyAlign is what the place of a copy behind the header is a multiple of.
	copyAlign = 64
	// maxValueSize keeps sums of sizes far from overflowing.
	maxValueSize = 1 << 40
)

// atomicWords is an atomic.
//
//	offset size field meaning
//	0 8 value the number; one of 32 bits takes the first half
//	8 4 event futex word: waiters, see event
//	12 4 pad -
type atomicWords struct {
	_     structs.HostLayout
	value satomic.Uint64
	event satomic.Uint32
	pad   uint32
}

const atomicSize = 16

var (
	_ = [1]struct{}{}[unsafe.Sizeof(valueHeader{})-valueHeaderSize]
	_ = [1]struct{}{}[unsafe.Offsetof(valueHeader{}.inline)-inlineOff]
	_ = [1]struct{}{}[unsafe.Sizeof(valueHeader{}.inline)-inlineSize]
	_ = [1]struct{}{}[unsafe.Offsetof(valueHeader{}.lock)-mem.CacheLine]
	_ = [1]struct{}{}[unsafe.Sizeof(atomicWords{})-atomicSize]
	_ = [1]struct{}{}[unsafe.Sizeof(Words[int32]{})-atomicSize]
	_ = [1]struct{}{}[unsafe.Sizeof(Words[int64]{})-atomicSize]
	_ = [1]struct{}{}[unsafe.Offsetof(Words[int32]{}.Event)-unsafe.Offsetof(atomicWords{}.event)]
	_ = [1]struct{}{}[unsafe.Offsetof(Words[int64]{}.Event)-unsafe.Offsetof(atomicWords{}.event)]
)

// copies says where the two copies of a value of size bytes lie.
type copies struct {
	first, second int64
	end           int64 // size of the region
}

func placeCopies(size int64) copies {
	if n := mem.Align(size, 8); 2*n <= inlineSize {
		return copies{first: inlineOff, second: inlineOff + n, end: valueHeaderSize}
	}
	n := mem.Align(size, copyAlign)
	return copies{first: valueHeaderSize, second: valueHeaderSize + n, end: valueHeaderSize + 2*n}
}
