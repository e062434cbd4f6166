package mem

import (
	"sync/atomic"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Number is the types of the numbers that have the operations of sync/atomic.
// A number lies in shared memory aligned to its size, and no other code reads or
// writes it. What depends on its type only is decided by the compiler, which
// inlines all these functions but AddFloat.
type Number interface {
	~int32 | ~int64 | ~uint32 | ~uint64 | ~int | ~uint | ~float32 | ~float64
}

// Where satomic adds nothing, the functions that matter most call sync/atomic
// themselves: see there for what a call costs that is taken in.

// LoadNumber returns the number at p.
func LoadNumber[T Number](p *T) T {
	if unsafe.Sizeof(*p) == 8 {
		var w uint64
		if satomic.Direct {
			w = atomic.LoadUint64((*uint64)(unsafe.Pointer(p)))
		} else {
			w = (*satomic.Uint64)(unsafe.Pointer(p)).Load()
		}
		return *(*T)(unsafe.Pointer(&w))
	}
	var w uint32
	if satomic.Direct {
		w = atomic.LoadUint32((*uint32)(unsafe.Pointer(p)))
	} else {
		w = (*satomic.Uint32)(unsafe.Pointer(p)).Load()
	}
	return *(*T)(unsafe.Pointer(&w))
}

// StoreNumber sets the number at p to x.
func StoreNumber[T Number](p *T, x T) {
	switch {
	case satomic.Direct && unsafe.Sizeof(*p) == 8:
		atomic.StoreUint64((*uint64)(unsafe.Pointer(p)), *(*uint64)(unsafe.Pointer(&x)))
	case satomic.Direct:
		atomic.StoreUint32((*uint32)(unsafe.Pointer(p)), *(*uint32)(unsafe.Pointer(&x)))
	case unsafe.Sizeof(*p) == 8:
		(*satomic.Uint64)(unsafe.Pointer(p)).Store(*(*uint64)(unsafe.Pointer(&x)))
	default:
		(*satomic.Uint32)(unsafe.Pointer(p)).Store(*(*uint32)(unsafe.Pointer(&x)))
	}
}

// SwapNumber sets the number at p to x and returns what it was.
func SwapNumber[T Number](p *T, x T) T {
	if unsafe.Sizeof(*p) == 8 {
		var w uint64
		if satomic.Direct {
			w = atomic.SwapUint64((*uint64)(unsafe.Pointer(p)), *(*uint64)(unsafe.Pointer(&x)))
		} else {
			w = (*satomic.Uint64)(unsafe.Pointer(p)).Swap(*(*uint64)(unsafe.Pointer(&x)))
		}
		return *(*T)(unsafe.Pointer(&w))
	}
	var w uint32
	if satomic.Direct {
		w = atomic.SwapUint32((*uint32)(unsafe.Pointer(p)), *(*uint32)(unsafe.Pointer(&x)))
	} else {
		w = (*satomic.Uint32)(unsafe.Pointer(p)).Swap(*(*uint32)(unsafe.Pointer(&x)))
	}
	return *(*T)(unsafe.Pointer(&w))
}

// CompareAndSwapNumber sets the number at p to x if it is old, bit by bit, and
// reports whether it was.
func CompareAndSwapNumber[T Number](p *T, old, x T) bool {
	switch {
	case satomic.Direct && unsafe.Sizeof(*p) == 8:
		return atomic.CompareAndSwapUint64((*uint64)(unsafe.Pointer(p)), *(*uint64)(unsafe.Pointer(&old)), *(*uint64)(unsafe.Pointer(&x)))
	case satomic.Direct:
		return atomic.CompareAndSwapUint32((*uint32)(unsafe.Pointer(p)), *(*uint32)(unsafe.Pointer(&old)), *(*uint32)(unsafe.Pointer(&x)))
	case unsafe.Sizeof(*p) == 8:
		return (*satomic.Uint64)(unsafe.Pointer(p)).CompareAndSwap(*(*uint64)(unsafe.Pointer(&old)), *(*uint64)(unsafe.Pointer(&x)))
	}
	return (*satomic.Uint32)(unsafe.Pointer(p)).CompareAndSwap(*(*uint32)(unsafe.Pointer(&old)), *(*uint32)(unsafe.Pointer(&x)))
}

// IsFloat reports whether a T has a fraction.
func IsFloat[T Number]() bool { return T(1)/T(2) != 0 }

// AddInteger adds delta to the number at p, which is no float, and returns the sum.
func AddInteger[T Number](p *T, delta T) T {
	if unsafe.Sizeof(*p) == 8 {
		var w uint64
		if satomic.Direct {
			w = atomic.AddUint64((*uint64)(unsafe.Pointer(p)), *(*uint64)(unsafe.Pointer(&delta)))
		} else {
			w = (*satomic.Uint64)(unsafe.Pointer(p)).Add(*(*uint64)(unsafe.Pointer(&delta)))
		}
		return *(*T)(unsafe.Pointer(&w))
	}
	var w uint32
	if satomic.Direct {
		w = atomic.AddUint32((*uint32)(unsafe.Pointer(p)), *(*uint32)(unsafe.Pointer(&delta)))
	} else {
		w = (*satomic.Uint32)(unsafe.Pointer(p)).Add(*(*uint32)(unsafe.Pointer(&delta)))
	}
	return *(*T)(unsafe.Pointer(&w))
}

// AddFloat is AddInteger for floats.
func AddFloat[T Number](p *T, delta T) T {
	for {
		old := LoadNumber(p)
		if sum := old + delta; CompareAndSwapNumber(p, old, sum) {
			return sum
		}
	}
}

// AndNumber clears the bits of the number at p that are not in mask, and returns
// what it was.
func AndNumber[T Number](p *T, mask T) T {
	if unsafe.Sizeof(*p) == 8 {
		w := (*satomic.Uint64)(unsafe.Pointer(p)).And(*(*uint64)(unsafe.Pointer(&mask)))
		return *(*T)(unsafe.Pointer(&w))
	}
	w := (*satomic.Uint32)(unsafe.Pointer(p)).And(*(*uint32)(unsafe.Pointer(&mask)))
	return *(*T)(unsafe.Pointer(&w))
}

// OrNumber sets the bits of mask in the number at p, and returns what it was.
func OrNumber[T Number](p *T, mask T) T {
	if unsafe.Sizeof(*p) == 8 {
		w := (*satomic.Uint64)(unsafe.Pointer(p)).Or(*(*uint64)(unsafe.Pointer(&mask)))
		return *(*T)(unsafe.Pointer(&w))
	}
	w := (*satomic.Uint32)(unsafe.Pointer(p)).Or(*(*uint32)(unsafe.Pointer(&mask)))
	return *(*T)(unsafe.Pointer(&w))
}

// SameNumber reports whether a and b have the same bits: NaN is the same as NaN.
func SameNumber[T Number](a, b T) bool { return a == b || (a != a && b != b) }
