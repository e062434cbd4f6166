package value_test

import (
	"math"
	"runtime"
	"sync"
	"testing"

	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

func TestAtomics(t *testing.T) {
	type id uint32
	seg := heap(t)
	operations[int32](t, seg, "int32")
	operations[int64](t, seg, "int64")
	operations[uint32](t, seg, "uint32")
	operations[uint64](t, seg, "uint64")
	operations[int](t, seg, "int")
	operations[uint](t, seg, "uint")
	operations[float32](t, seg, "float32")
	operations[float64](t, seg, "float64")
	operations[id](t, seg, "id")
}

func operations[T value.Number](t *testing.T, seg *shm.Segment, name string) {
	t.Helper()
	a, err := value.CreateAtomic(t.Context(), seg, name, T(5))
	if err != nil {
		t.Fatal(err)
	}
	b, err := value.OpenOrCreateAtomic(t.Context(), peer(t, seg), name, T(77))
	if err != nil {
		t.Fatal(err)
	}
	minus := T(0)
	minus -= 2
	for _, tt := range []struct {
		what      string
		got, want T
	}{
		{"Load", b.Load(), 5},
		{"Add", a.Add(3), 8},
		{"Add of less", b.Add(minus), 6},
		{"Swap", a.Swap(9), 6},
		{"Load", b.Load(), 9},
	} {
		if tt.got != tt.want {
			t.Errorf("%s %s: got %v, want %v", name, tt.what, tt.got, tt.want)
		}
	}
	if a.CompareAndSwap(8, 1) || !b.CompareAndSwap(9, 1) || a.Load() != 1 {
		t.Errorf("%s CompareAndSwap left %v", name, a.Load())
	}
	a.Store(2)
	if b.Load() != 2 {
		t.Errorf("%s Store left %v", name, b.Load())
	}
}

func TestAtomicBits(t *testing.T) {
	seg := heap(t)
	a, err := value.CreateAtomic(t.Context(), seg, "a", int32(0b1100))
	if err != nil {
		t.Fatal(err)
	}
	if old := value.And(a, 0b0110); old != 0b1100 || a.Load() != 0b0100 {
		t.Errorf("And: %b, %b", old, a.Load())
	}
	if old := value.Or(a, 0b0011); old != 0b0100 || a.Load() != 0b0111 {
		t.Errorf("Or: %b, %b", old, a.Load())
	}
	if old := value.And(a, -1); old != 0b0111 || a.Load() != 0b0111 {
		t.Errorf("And with all: %b, %b", old, a.Load())
	}
	a.Store(math.MaxInt32)
	if x := a.Add(1); x != math.MinInt32 {
		t.Errorf("it wraps to %d", x)
	}
	f, err := value.CreateAtomic(t.Context(), seg, "f", math.NaN())
	if err != nil {
		t.Fatal(err)
	}
	if f.CompareAndSwap(0, 1) || !f.CompareAndSwap(math.NaN(), 1) || f.Load() != 1 {
		t.Errorf("NaN became %v", f.Load())
	}
}

func TestAddIsExact(t *testing.T) {
	seg := heap(t)
	n, err := value.CreateAtomic(t.Context(), seg, "n", uint32(0))
	if err != nil {
		t.Fatal(err)
	}
	f, err := value.CreateAtomic(t.Context(), seg, "f", 0.0)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		s := peer(t, seg)
		m, err := value.OpenAtomic[uint32](t.Context(), s, "n")
		if err != nil {
			t.Fatal(err)
		}
		g, err := value.OpenAtomic[float64](t.Context(), s, "f")
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for range 5000 {
				m.Add(1)
				g.Add(0.5)
			}
		})
	}
	all.Wait()
	if n.Load() != 20000 || f.Load() != 10000 {
		t.Errorf("got %d, %v", n.Load(), f.Load())
	}
}

// TestAtomicWakesAllWhoWait has goroutines of several participants wait for
// different numbers, which every kind of operation brings about.
func TestAtomicWakesAllWhoWait(t *testing.T) {
	seg := heap(t)
	writer, err := value.CreateAtomic(t.Context(), seg, "a", 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx := soon(t)
	var all sync.WaitGroup
	for _, s := range []*shm.Segment{peer(t, seg), peer(t, seg), seg} {
		a, err := value.OpenAtomic[int](t.Context(), s, "a")
		if err != nil {
			t.Fatal(err)
		}
		for n := range 30 {
			all.Go(func() {
				if x, err := a.Wait(ctx, func(x int) bool { return x >= n }); err != nil || x < n {
					t.Errorf("waited for %d, got %d, %v", n, x, err)
				}
			})
		}
	}
	for n := 1; n <= 30; n++ {
		switch n % 5 {
		case 0:
			writer.Store(n)
		case 1:
			writer.Add(1)
		case 2:
			writer.Swap(n)
		case 3:
			writer.CompareAndSwap(n-1, n)
		case 4:
			value.And(writer, 0)
			value.Or(writer, n)
		}
		runtime.Gosched()
	}
	all.Wait()
	if writer.Load() != 30 {
		t.Errorf("got %d", writer.Load())
	}
}

// TestAtomicPublishes checks, with the race detector, that what was done before a
// change is seen by who sees the change.
func TestAtomicPublishes(t *testing.T) {
	seg := heap(t)
	a, err := value.CreateAtomic(t.Context(), seg, "a", 0)
	if err != nil {
		t.Fatal(err)
	}
	var plain int
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := a.Wait(soon(t), func(x int) bool { return x == 1 }); err != nil || plain != 42 {
			t.Errorf("got %d, %v", plain, err)
		}
	})
	plain = 42
	a.Add(1)
	all.Wait()
}
