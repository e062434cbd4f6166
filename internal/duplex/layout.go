package duplex

import (
	"structs"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

const (
	headerSize = 2*mem.CacheLine + 2*waySize
	waySize    = 5 * mem.CacheLine
	offsetWays = 2 * mem.CacheLine

	offsetPen  = 128 // in a way
	offsetOpen = 192
	offsetRead = 256
	offsetEye  = 384
	offsetData = 512
	offsetRoom = 576
)

// end is whose one end of the pipe is, on lines of its own: it is read by every
// operation and written when the end goes elsewhere or is closed.
//
//	offset size field   meaning
//	0      8    owner   who has the end, and what became of it (type title)
//	8      120  -       zero
type end struct {
	_     structs.HostLayout
	owner satomic.Uint64
	_     [120]byte
}

// way is one direction. Its bytes lie in a ring of their own.
//
//	offset size field     meaning
//	0      8    writePos  how many bytes were ever written; the writer's
//	8      120  -         zero
//	128    64   pen       mutex of who writes
//	192    4    open      1 while a message is there in part; changed by who has pen
//	196    60   -         zero
//	256    8    readPos   how many bytes were ever read; the reader's
//	264    120  -         zero
//	384    64   eye       mutex of who reads
//	448    64   -         zero
//	512    4    data      the word on which readers sleep (see bell.go)
//	516    60   -         zero
//	576    4    room      the word on which writers sleep
//	580    60   -         zero
type way struct {
	_        structs.HostLayout
	writePos satomic.Uint64
	_        [120]byte
	pen      robust.Words
	open     satomic.Uint32
	_        [60]byte
	readPos  satomic.Uint64
	_        [120]byte
	eye      robust.Words
	_        [64]byte
	data     satomic.Uint32
	_        [60]byte
	room     satomic.Uint32
	_        [60]byte
}

// header is the beginning of every pipe. The rings of the two directions follow.
//
//	offset size field  meaning
//	0      256  ends   end a, end b
//	256    1280 ways   from a to b, from b to a
type header struct {
	_    structs.HostLayout
	ends [2]end
	ways [2]way
}

var (
	_ = [1]struct{}{}[unsafe.Sizeof(header{})-headerSize]
	_ = [1]struct{}{}[unsafe.Sizeof(end{})-mem.CacheLine]
	_ = [1]struct{}{}[unsafe.Sizeof(way{})-waySize]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.ways)-offsetWays]
	_ = [1]struct{}{}[unsafe.Offsetof(way{}.pen)-offsetPen]
	_ = [1]struct{}{}[unsafe.Offsetof(way{}.open)-offsetOpen]
	_ = [1]struct{}{}[unsafe.Offsetof(way{}.readPos)-offsetRead]
	_ = [1]struct{}{}[unsafe.Offsetof(way{}.eye)-offsetEye]
	_ = [1]struct{}{}[unsafe.Offsetof(way{}.data)-offsetData]
	_ = [1]struct{}{}[unsafe.Offsetof(way{}.room)-offsetRoom]
	_ = [1]struct{}{}[offsetPen%robust.WordsSize]
	_ = [1]struct{}{}[offsetEye%robust.WordsSize]
)
