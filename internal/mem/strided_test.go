package mem_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/internal/mem"
)

func TestStridedExpect(t *testing.T) {
	r := mem.Heap(1 << 10)
	s, err := mem.NewStrided[uint64](r, 8, 24, 40)
	if err != nil {
		t.Fatal(err)
	}
	if s.Stride() != 24 {
		t.Errorf("%d bytes apart, want 24", s.Stride())
	}
	for i := range s.Len() {
		*s.At(i) = uint64(i)
	}
	for _, n := range []uint32{0, 1, 40, 1 << 31} { // what lies outside is left alone
		for _, i := range []uint32{0, 39, 40, 1<<32 - 1} {
			s.Expect(i, n)
		}
	}
	for i := range s.Len() {
		if *s.At(i) != uint64(i) {
			t.Errorf("number %d has become %d", i, *s.At(i))
		}
	}
}
