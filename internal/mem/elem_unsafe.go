package mem

import (
	"sync/atomic"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// SizeOf returns the size of a T in bytes.
func SizeOf[T any]() int64 {
	var x T
	return int64(unsafe.Sizeof(x))
}

// Whole reports whether LoadElem and StoreElem never see or leave half a T.
func Whole[T any]() bool {
	size := SizeOf[T]()
	return size == 1 || size == 2 || size == 4 || size == 8
}

// LoadElem returns the T at p, which lies in shared memory. If Whole, p is
// aligned to its size and the load is atomic; what was stored before a StoreElem
// whose value it returns is seen afterwards.
func LoadElem[T any](p *T) T {
	switch unsafe.Sizeof(*p) {
	case 8:
		var w uint64
		if satomic.Direct {
			w = atomic.LoadUint64((*uint64)(unsafe.Pointer(p)))
		} else {
			w = (*satomic.Uint64)(unsafe.Pointer(p)).Load()
		}
		return *(*T)(unsafe.Pointer(&w))
	case 4:
		var w uint32
		if satomic.Direct {
			w = atomic.LoadUint32((*uint32)(unsafe.Pointer(p)))
		} else {
			w = (*satomic.Uint32)(unsafe.Pointer(p)).Load()
		}
		return *(*T)(unsafe.Pointer(&w))
	case 2:
		w := load16(unsafe.Pointer(p))
		return *(*T)(unsafe.Pointer(&w))
	case 1:
		w := load8(unsafe.Pointer(p))
		return *(*T)(unsafe.Pointer(&w))
	}
	return *p
}

// StoreElem sets the T at p, as LoadElem reads it.
func StoreElem[T any](p *T, x T) {
	if unsafe.Sizeof(*p) == 8 && plain {
		*(*uint64)(unsafe.Pointer(p)) = *(*uint64)(unsafe.Pointer(&x))
		return
	}
	switch unsafe.Sizeof(*p) {
	case 8:
		(*satomic.Uint64)(unsafe.Pointer(p)).Store(*(*uint64)(unsafe.Pointer(&x)))
	case 4:
		store32(unsafe.Pointer(p), *(*uint32)(unsafe.Pointer(&x)))
	case 2:
		store16(unsafe.Pointer(p), *(*uint16)(unsafe.Pointer(&x)))
	case 1:
		store8(unsafe.Pointer(p), *(*uint8)(unsafe.Pointer(&x)))
	default:
		satomic.Step()
		*p = x
		satomic.Step()
	}
}
