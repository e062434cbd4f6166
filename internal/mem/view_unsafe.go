package mem

import (
	"fmt"
	"unsafe"
)

// Region is a bounded range of bytes: of a segment's mapping, or of the Go heap
// in tests. It is a view: copying it copies no bytes. The zero Region is empty.
type Region struct {
	base unsafe.Pointer
	size int64
}

// FromBytes returns the Region of b, whose first byte must be aligned to 8.
func FromBytes(b []byte) Region {
	if len(b) == 0 {
		return Region{}
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	if uintptr(p)%8 != 0 {
		panic("mem: region is not aligned to 8 bytes")
	}
	return Region{base: p, size: int64(len(b))}
}

// Heap returns a zeroed Region of n bytes of the Go heap, aligned to CacheLine,
// for tests: there the race detector sees what it cannot see in a mapping.
func Heap(n int64) Region {
	words := make([]uint64, (Align(n, 8)+CacheLine)/8)
	p := unsafe.Pointer(unsafe.SliceData(words))
	pad := uintptr(Align(int64(uintptr(p)), CacheLine)) - uintptr(p)
	return Region{base: unsafe.Add(p, pad), size: n}
}

// Len returns the number of bytes.
func (r Region) Len() int64 { return r.size }

// Sub returns the n bytes of r from off on.
func (r Region) Sub(off, n int64) (Region, error) {
	if off < 0 || n < 0 || off > r.size || n > r.size-off {
		return Region{}, r.outside(off, n)
	}
	return Region{base: unsafe.Add(r.base, off), size: n}, nil
}

// Bytes returns the n bytes of r from off on as a slice whose capacity ends there.
func (r Region) Bytes(off, n int64) ([]byte, error) {
	s, err := r.Sub(off, n)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(s.base), int(n)), nil
}

// At returns the T that lies in r at off. T must have no pointers. It fails if
// the T would lie outside of r or be misaligned.
func At[T any](r Region, off int64) (*T, error) {
	s, err := Slice[T](r, off, 1)
	if err != nil {
		return nil, err
	}
	return unsafe.SliceData(s), nil
}

// Slice returns the n Ts that lie in r from off on. T must have no pointers. It
// fails if they would lie outside of r or be misaligned.
func Slice[T any](r Region, off, n int64) ([]T, error) {
	var zero T
	size := int64(unsafe.Sizeof(zero))
	if n < 0 || off < 0 || off > r.size || (size > 0 && n > (r.size-off)/size) {
		return nil, r.outside(off, n)
	}
	p := unsafe.Add(r.base, off)
	if uintptr(p)%unsafe.Alignof(zero) != 0 {
		return nil, fmt.Errorf("mem: %T at %d is misaligned", zero, off)
	}
	return unsafe.Slice((*T)(p), int(n)), nil
}

func (r Region) outside(off, n int64) error {
	return fmt.Errorf("mem: %d at %d lie outside of a region of %d bytes", n, off, r.size)
}

// Offset returns where p lies in r, for error messages; -1 if it does not.
func Offset[T any](r Region, p *T) int64 {
	off := int64(uintptr(unsafe.Pointer(p)) - uintptr(r.base))
	if off < 0 || off >= r.size {
		return -1
	}
	return off
}
