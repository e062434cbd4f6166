package permit

import (
	"structs"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

const (
	headerSize  = 256
	accountSize = 64
	offsetTally = 0
	offsetQueue = 8
	offsetBulk  = 128
)

// header is the beginning of every semaphore; those of kind Bounded go on with
// an account for each slot from 0 to Slots. Every participant writes every word.
//
//	offset size field   meaning
//	0      8    tally   the free permits; Bounded: and the last participant's change not yet booked (type tally); Signal: and the reserved ones (type stock)
//	8      8    queue   who has waited long, and for how many (type claim)
//	16     4    bell    the word that waiters sleep on (see bell.go)
//	20     108  -       zero
//	128    64   bulk    mutex of the one participant that gathers several permits
//	192    64   -       zero
type header struct {
	_     structs.HostLayout
	tally satomic.Uint64
	queue satomic.Uint64
	bell  satomic.Uint32
	_     [108]byte
	bulk  robust.Words
	_     [64]byte
}

// account is what the books say that one slot holds, on a line of its own: its
// owner reads it whenever it releases, others write it rarely.
//
//	offset size field   meaning
//	0      8    entry   permits held, and the number of the last change booked (type entry)
//	8      56   -       zero
type account struct {
	_     structs.HostLayout
	entry satomic.Uint64
	_     [56]byte
}

var (
	_ = [1]struct{}{}[unsafe.Sizeof(header{})-headerSize]
	_ = [1]struct{}{}[unsafe.Sizeof(account{})-accountSize]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.tally)-offsetTally]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.queue)-offsetQueue]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.bell)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.bulk)-offsetBulk]
	_ = [1]struct{}{}[unsafe.Offsetof(account{}.entry)-0]
	_ = [1]struct{}{}[offsetBulk%robust.WordsSize]
)
