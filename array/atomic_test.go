package array_test

import (
	"sync"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

func TestAtomics(t *testing.T) {
	seg := heap(t)
	operations[int32](t, seg, "int32")
	operations[int64](t, seg, "int64")
	operations[uint](t, seg, "uint")
	operations[float32](t, seg, "float32")
	operations[float64](t, seg, "float64")
}

func operations[T interface {
	~int32 | ~int64 | ~uint | ~float32 | ~float64
}](t *testing.T, seg *shm.Segment, name string,
) {
	t.Helper()
	a, err := array.CreateAtomic[T](t.Context(), seg, name, array.Spec{Len: 3, OnDeath: lock.Release})
	if err != nil {
		t.Fatal(err)
	}
	b, err := array.OpenOrCreateAtomic[T](t.Context(), peer(t, seg), name, array.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	if a.Len() != 3 || b.Spec() != (array.Spec{Len: 3, OnDeath: lock.Release}) {
		t.Errorf("%s: %d, %v", name, a.Len(), b.Spec())
	}
	minus := T(0)
	minus -= 2
	a.Store(1, 5)
	for _, tt := range []struct {
		what      string
		got, want T
	}{
		{"Load", b.Load(1), 5},
		{"Add", a.Add(1, 3), 8},
		{"Add of less", b.Add(1, minus), 6},
		{"Swap", a.Swap(1, 9), 6},
	} {
		if tt.got != tt.want {
			t.Errorf("%s %s: got %v, want %v", name, tt.what, tt.got, tt.want)
		}
	}
	if a.CompareAndSwap(1, 8, 1) || !b.CompareAndSwap(1, 9, 1) {
		t.Errorf("%s CompareAndSwap left %v", name, a.Load(1))
	}
	for i, x := range b.All() {
		if want := T(i % 2); x != want {
			t.Errorf("%s: element %d is %v", name, i, x)
		}
	}
	for range b.All() {
		break
	}
}

func TestAtomicAddIsExact(t *testing.T) {
	seg := heap(t)
	n, err := array.CreateAtomic[uint32](t.Context(), seg, "n", array.Spec{Len: 3})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		m, err := array.OpenAtomic[uint32](t.Context(), peer(t, seg), "n")
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for k := range 6000 {
				m.Add(k%3, 1)
			}
		})
	}
	all.Wait()
	for i, x := range n.All() {
		if x != 8000 {
			t.Errorf("element %d is %d", i, x)
		}
	}
}
