package barrier

import (
	"structs"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// header begins a barrier. A word for each slot from 0 to Slots follows, joined:
// the generation that the slot last came to, shifted left by one, plus 1.
//
//	offset size field meaning
//	0 8 phase the generation, its arrivals, broken (type phase); commit word of all operations
//	8 4 bell futex word: waiters, see event
//	12 4 - zero
//	16 128 ended for eras by number modulo 16: bit 0 set, bits 1 to 16 the era, the high half the round in which it was broken
//	144 112 - zero
type header struct {
	_     structs.HostLayout
	phase satomic.Uint64
	bell  satomic.Uint32
	_     [4]byte
	ended [eras]satomic.Uint64
	_     [112]byte
}

const (
	headerSize  = 256
	joinedSize  = 8
	eras        = 16 // that ended remembers
	offsetPhase = 0
)

var (
	_ = [1]struct{}{}[unsafe.Sizeof(header{})-headerSize]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.phase)-offsetPhase]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.ended)-16]
	_ = [1]struct{}{}[unsafe.Sizeof(satomic.Uint64{})-joinedSize]
)
