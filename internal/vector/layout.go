package vector

import (
	"structs"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// header begins an array. The elements follow, without gaps, as Go has them in
// a slice; after them zero bytes up to a multiple of 8. An atomic array has no
// header.
//
//	offset size field meaning
//	0 64 lock the array's own mutex
//	64 64 pad -
//	128 64 partsLock of the writers of elements that no single store covers, see parts
//	192 8 sequence odd while such an element is being written; commit word of Set
//	200 8 index which one
//	208 8 bytes what it becomes, the first byte lowest
//	216 40 pad2 -
type header struct {
	_         structs.HostLayout
	lock      robust.Words
	pad       [64]byte
	partsLock robust.Words
	sequence  satomic.Uint64
	index     satomic.Uint64
	bytes     satomic.Uint64
	pad2      [40]byte
}

const (
	headerSize   = 256
	partsLockOff = 128
	sequenceOff  = 192
	indexOff     = 200
)

var (
	_ = [1]struct{}{}[unsafe.Sizeof(header{})-headerSize]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.lock)-0]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.partsLock)-partsLockOff]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.sequence)-sequenceOff]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.index)-indexOff]
)
