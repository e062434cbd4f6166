package mem

import (
	"fmt"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/bare"
)

// Strided is n Ts at a fixed distance from each other in a region: what does not
// fill the distance belongs to somebody else. It is checked once, when it is
// made. The zero Strided is empty.
type Strided[T any] struct {
	base   unsafe.Pointer
	stride uintptr
	n      uint32
}

// NewStrided returns the n Ts that lie in r at off, off+stride, and so on. T must
// have no pointers. It fails if one of them would lie outside of r, be
// misaligned, or overlap the next.
func NewStrided[T any](r Region, off, stride int64, n uint32) (Strided[T], error) {
	var zero T
	size, align := int64(unsafe.Sizeof(zero)), unsafe.Alignof(zero)
	if n == 0 {
		return Strided[T]{}, nil
	}
	if off < 0 || off > r.size || stride < max(size, 1) || size > r.size-off || int64(n-1) > (r.size-off-size)/stride {
		return Strided[T]{}, r.outside(off, int64(n))
	}
	p := unsafe.Add(r.base, off)
	if uintptr(p)%align != 0 || uintptr(stride)%align != 0 {
		return Strided[T]{}, fmt.Errorf("mem: %T at %d is misaligned", zero, off)
	}
	return Strided[T]{base: p, stride: uintptr(stride), n: n}, nil
}

// Len returns the number of Ts.
func (s *Strided[T]) Len() uint32 { return s.n }

// At returns T number i. It panics if there is none.
func (s *Strided[T]) At(i uint32) *T {
	if i >= s.n {
		panicStrided()
	}
	return (*T)(unsafe.Add(s.base, uintptr(i)*s.stride))
}

// Stride returns how many bytes the Ts lie apart.
func (s *Strided[T]) Stride() uintptr { return s.stride }

// Expect tells the processor that the caller is about to read and then write up to
// n Ts from number i on, and what lies between them, if it can make use of that.
func (s *Strided[T]) Expect(i, n uint32) {
	if i < s.n {
		bare.Expect((*byte)(unsafe.Add(s.base, uintptr(i)*s.stride)), uintptr(min(n, s.n-i))*s.stride)
	}
}

// panicStrided is apart so that At is small enough to be part of its caller.
func panicStrided() { panic("mem: index out of range") }

// Rows is n rows of bytes at a fixed distance from each other in a region. It is
// checked once, when it is made. The zero Rows is empty.
type Rows struct {
	first Strided[byte]
	size  int
}

// NewRows returns the n rows of size bytes that lie in r at off, off+stride, and
// so on. It fails if one of them would lie outside of r, or overlap the next.
func NewRows(r Region, off, stride int64, n uint32, size int64) (Rows, error) {
	if size < 1 || size > stride {
		return Rows{}, r.outside(off, size)
	}
	first, err := NewStrided[byte](r, off, stride, n)
	if err == nil && n > 0 {
		_, err = r.Sub(off+int64(n-1)*stride, size)
	}
	return Rows{first: first, size: int(size)}, err
}

// At returns row number i. It panics if there is none.
func (s *Rows) At(i uint32) []byte { return unsafe.Slice(s.first.At(i), s.size) }
