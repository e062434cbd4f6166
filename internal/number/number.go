// Package number has the operations of sync/atomic on numbers of any type in
// shared memory. A number is aligned to its size, and no other code reads or
// writes it. What depends on T only is decided when the program is compiled.
package number

import (
	"math"

	"github.com/shoal-ipc/shoal/internal/mem"
)

// Integer is what And and Or are for.
type Integer interface {
	~int32 | ~int64 | ~uint32 | ~uint64 | ~int | ~uint
}

// Number is what all others are for.
type Number interface {
	Integer | ~float32 | ~float64
}

// Load returns the number at p.
func Load[T Number](p *T) T {
	if wide[T]() {
		return from64[T](mem.Word64(p).Load())
	}
	return from32[T](mem.Word32(p).Load())
}

// Store sets the number at p to x.
func Store[T Number](p *T, x T) {
	if wide[T]() {
		mem.Word64(p).Store(to64(x))
		return
	}
	mem.Word32(p).Store(to32(x))
}

// Swap sets the number at p to x and returns what it was.
func Swap[T Number](p *T, x T) T {
	if wide[T]() {
		return from64[T](mem.Word64(p).Swap(to64(x)))
	}
	return from32[T](mem.Word32(p).Swap(to32(x)))
}

// CompareAndSwap sets the number at p to x if it is old, bit by bit, and reports
// whether it was.
func CompareAndSwap[T Number](p *T, old, x T) bool {
	if wide[T]() {
		return mem.Word64(p).CompareAndSwap(to64(old), to64(x))
	}
	return mem.Word32(p).CompareAndSwap(to32(old), to32(x))
}

// Add adds delta to the number at p and returns the sum.
func Add[T Number](p *T, delta T) T {
	if isFloat[T]() {
		return addFloat(p, delta)
	}
	if wide[T]() {
		return from64[T](mem.Word64(p).Add(to64(delta)))
	}
	return from32[T](mem.Word32(p).Add(to32(delta)))
}

func addFloat[T Number](p *T, delta T) T {
	for {
		old := Load(p)
		if sum := old + delta; CompareAndSwap(p, old, sum) {
			return sum
		}
	}
}

// And clears the bits of the number at p that are not in mask, and returns what
// it was.
func And[T Integer](p *T, mask T) T {
	if wide[T]() {
		return T(mem.Word64(p).And(uint64(mask)))
	}
	return T(mem.Word32(p).And(uint32(mask)))
}

// Or sets the bits of mask in the number at p, and returns what it was.
func Or[T Integer](p *T, mask T) T {
	if wide[T]() {
		return T(mem.Word64(p).Or(uint64(mask)))
	}
	return T(mem.Word32(p).Or(uint32(mask)))
}

// Same reports whether a and b have the same bits.
func Same[T Number](a, b T) bool {
	if wide[T]() {
		return to64(a) == to64(b)
	}
	return to32(a) == to32(b)
}

func wide[T Number]() bool { return mem.SizeOf[T]() == 8 }

func isFloat[T Number]() bool { return T(1)/T(2) != 0 }

func to64[T Number](x T) uint64 {
	if isFloat[T]() {
		return math.Float64bits(float64(x))
	}
	return uint64(x)
}

func from64[T Number](bits uint64) T {
	if isFloat[T]() {
		return T(math.Float64frombits(bits))
	}
	return T(bits)
}

func to32[T Number](x T) uint32 {
	if isFloat[T]() {
		return math.Float32bits(float32(x))
	}
	return uint32(x)
}

func from32[T Number](bits uint32) T {
	if isFloat[T]() {
		return T(math.Float32frombits(bits))
	}
	return T(bits)
}
