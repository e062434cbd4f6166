package mem_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

func TestCopyWords(t *testing.T) {
	copyWords[struct{}](t)
	copyWords[byte](t)
	copyWords[[3]byte](t)
	copyWords[[7]byte](t)
	copyWords[[8]byte](t)
	copyWords[[9]byte](t)
	copyWords[[23]uint16](t)
	copyWords[[100]byte](t)
	copyWords[[5]uint64](t)
}

func copyWords[T comparable](t *testing.T) {
	t.Helper()
	n := mem.WordsOf(mem.SizeOf[T]())
	words := make([]satomic.Uint64, n+1)
	words[n].Store(42)
	var x, y T
	for i := range mem.BytesOf(&x) {
		mem.BytesOf(&x)[i] = byte(i*7 + 1)
	}
	mem.CopyIn(words[:n], &x)
	mem.CopyOut(&y, words[:n])
	if x != y {
		t.Errorf("%T: %v became %v", x, x, y)
	}
	if words[n].Load() != 42 {
		t.Errorf("%T: the word behind was overwritten", x)
	}
	if allocs := testing.AllocsPerRun(10, func() { mem.CopyIn(words[:n], &x); mem.CopyOut(&y, words[:n]) }); allocs != 0 {
		t.Errorf("%T: %v allocations", x, allocs)
	}
}
