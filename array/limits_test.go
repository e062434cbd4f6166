package array_test

import (
	"errors"
	"io/fs"
	"runtime"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/shm"
)

func TestClosed(t *testing.T) {
	seg := heap(t)
	a := mustCreate[int32](t, seg, "a", 4)
	p := mustCreate[[3]byte](t, seg, "p", 4)
	n, err := array.CreateAtomic[int32](t.Context(), seg, "n", array.Spec{Len: 4})
	if err != nil {
		t.Fatal(err)
	}
	view := a.View()
	if err := seg.Close(); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	view[0] = 7
	if view[0] != 7 || a.Name() != "a" || a.Spec().Len != 4 {
		t.Error("View, Name or Spec")
	}
	for _, a := range []*array.Array[int32]{a, {}} {
		if a.Len() != 0 {
			t.Errorf("Len is %d", a.Len())
		}
		for name, f := range map[string]func(){
			"At": func() { a.At(0) }, "Set": func() { a.Set(0, 1) }, "View": func() { a.View() },
			"CopyIn": func() { a.CopyIn(0, []int32{1}) }, "CopyOut": func() { a.CopyOut(0, []int32{1}) },
			"All": func() {
				for range a.All() {
					t.Error("All yields")
				}
			},
		} {
			panics(t, name, fs.ErrClosed, f)
		}
		for _, err := range []error{
			a.Do(t.Context(), func([]int32) error { t.Error("called"); return nil }),
			a.Mutex().Lock(t.Context()),
		} {
			if !errors.Is(err, fs.ErrClosed) {
				t.Errorf("got %v", err)
			}
		}
	}
	panics(t, "Set", fs.ErrClosed, func() { p.Set(0, [3]byte{}) })
	for _, n := range []*array.Atomic[int32]{n, {}} {
		if n.Len() != 0 {
			t.Errorf("Len is %d", n.Len())
		}
		atomically(n, func(name string, f func()) { panics(t, name, fs.ErrClosed, f) })
		panics(t, "Load", fs.ErrClosed, func() { n.Load(0) })
		panics(t, "All", fs.ErrClosed, func() {
			for range n.All() {
				t.Error("All yields")
			}
		})
	}
	var zero array.Array[int32]
	if _, err := zero.MarshalText(); !errors.Is(err, fs.ErrClosed) || zero.Spec() != (array.Spec{}) {
		t.Errorf("zero: %v, %v", err, zero.Spec())
	}
}

// atomically calls do with each method of n that writes.
func atomically(n *array.Atomic[int32], do func(string, func())) {
	do("Store", func() { n.Store(0, 1) })
	do("Add", func() { n.Add(0, 1) })
	do("Swap", func() { n.Swap(0, 1) })
	do("CompareAndSwap", func() { n.CompareAndSwap(0, 1, 2) })
}

// panics calls f, which must panic with an error that is want.
func panics(t *testing.T, name string, want error, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if err, ok := recover().(error); !ok || !errors.Is(err, want) {
			t.Errorf("%s panicked with %v, want %v", name, err, want)
		}
	}()
	f()
}

func TestReadOnly(t *testing.T) {
	dir, writable, a, _ := shared(t)
	if _, err := array.CreateAtomic[int32](t.Context(), writable, "n", array.Spec{Len: 2}); err != nil {
		t.Fatal(err)
	}
	seg, err := shm.Open(t.Context(), "s", &shm.Options{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seg.Close() })
	r, p := mustOpen[int32](t, seg, "a"), mustOpen[[3]byte](t, seg, "pixels")
	n, err := array.OpenAtomic[int32](t.Context(), seg, "n")
	if err != nil {
		t.Fatal(err)
	}
	view := r.View()
	if r.At(3) != 3 || view[4] != 4 || r.Len() != 10 || p.At(0) != gray(0) || n.Load(1) != 0 {
		t.Errorf("got %d, %v", r.At(3), view)
	}
	view[4] = 44
	if a.At(4) != 4 {
		t.Error("View of a read-only segment is no copy")
	}
	panics(t, "Set", fs.ErrPermission, func() { r.Set(0, 1) })
	panics(t, "CopyIn", fs.ErrPermission, func() { r.CopyIn(0, []int32{1}) })
	panics(t, "parts Set", fs.ErrPermission, func() { p.Set(0, gray(1)) })
	atomically(n, func(name string, f func()) { panics(t, name, fs.ErrPermission, f) })
	if err := r.Do(t.Context(), func([]int32) error { t.Error("called"); return nil }); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Do: %v", err)
	}
}
