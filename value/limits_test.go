package value_test

import (
	"errors"
	"io/fs"
	"sync"
	"testing"

	"github.com/shoal-ipc/shoal/internal/stage"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

func TestClosed(t *testing.T) {
	seg := heap(t)
	v := mustCreate(t, seg, "v", 1)
	a, err := value.CreateAtomic(t.Context(), seg, "a", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := seg.Close(); err != nil {
		t.Fatal(err)
	}
	if v.Name() != "v" || a.Name() != "a" {
		t.Errorf("names %q, %q", v.Name(), a.Name())
	}
	for _, v := range []*value.Value[int]{v, {}} {
		panics(t, fs.ErrClosed, func() { v.Load() })
		for _, err := range []error{
			v.Store(t.Context(), 1),
			v.Update(t.Context(), func(*int) error { t.Error("called"); return nil }),
			second(v.Wait(t.Context(), func(int) bool { return true })),
		} {
			if !errors.Is(err, fs.ErrClosed) {
				t.Errorf("got %v", err)
			}
		}
		n := 0
		for _, err := range v.Watch(t.Context()) {
			if n++; !errors.Is(err, fs.ErrClosed) {
				t.Errorf("got %v", err)
			}
		}
		if n != 1 {
			t.Errorf("Watch yielded %d times", n)
		}
	}
	for _, a := range []*value.Atomic[int]{a, {}} {
		writes(a, func(f func()) { panics(t, fs.ErrClosed, f) })
		panics(t, fs.ErrClosed, func() { a.Load() })
		if _, err := a.Wait(t.Context(), func(int) bool { return true }); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
	var zero value.Value[int]
	if _, err := zero.MarshalText(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("MarshalText of zero: %v", err)
	}
	if _, err := value.Open[int](t.Context(), seg, "v"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Open in a closed segment: %v", err)
	}
}

// writes calls do with each method of a that writes.
func writes(a *value.Atomic[int], do func(func())) {
	do(func() { a.Store(1) })
	do(func() { a.Add(1) })
	do(func() { a.Swap(1) })
	do(func() { a.CompareAndSwap(1, 2) })
	do(func() { value.And(a, 1) })
	do(func() { value.Or(a, 1) })
}

// panics calls f, which must panic with an error that is want.
func panics(t *testing.T, want error, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if err, ok := recover().(error); !ok || !errors.Is(err, want) {
			t.Errorf("panicked with %v, want %v", err, want)
		}
	}()
	f()
}

func TestReadOnly(t *testing.T) {
	dir, _, v, n := shared(t)
	seg, err := shm.Open(t.Context(), "s", &shm.Options{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seg.Close() })
	if _, err := value.Create(t.Context(), seg, "new", 1); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Create: %v", err)
	}
	r := mustOpen[block](t, seg, "v")
	if r.Load() != alike(7) {
		t.Errorf("got %d", r.Load()[0])
	}
	for _, err := range []error{
		r.Store(t.Context(), alike(1)),
		r.Update(t.Context(), func(*block) error { t.Error("called"); return nil }),
	} {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := value.CreateAtomic(t.Context(), v.Segment(), "i", 3); err != nil {
		t.Fatal(err)
	}
	a, err := value.OpenAtomic[int](t.Context(), seg, "i")
	if err != nil {
		t.Fatal(err)
	}
	writes(a, func(f func()) { panics(t, fs.ErrPermission, f) })
	if a.Load() != 3 {
		t.Errorf("got %d", a.Load())
	}
	ra, err := value.OpenAtomic[int64](t.Context(), seg, "n")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		if b, err := r.Wait(soon(t), func(b block) bool { return b[0] == 8 }); err != nil || b.torn() {
			t.Errorf("got %v, %v", b[0], err)
		}
	})
	all.Go(func() {
		if _, err := ra.Wait(soon(t), func(x int64) bool { return x == 6 }); err != nil {
			t.Error(err)
		}
	})
	if err := v.Store(t.Context(), alike(8)); err != nil {
		t.Error(err)
	}
	n.Add(1)
	all.Wait()
}

// Conformance: SHM-07.
func TestTexts(t *testing.T) {
	_, seg, v, n := shared(t)
	var w value.Value[block]
	text, err := v.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Segment().Close() })
	if err := w.Store(t.Context(), alike(1)); err != nil || v.Load() != alike(1) || w.Name() != "v" {
		t.Errorf("%d, %v, %q", v.Load()[0], err, w.Name())
	}
	text, err = n.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var m value.Atomic[int64]
	if err := m.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	if m.Add(1) != 6 || n.Load() != 6 {
		t.Errorf("got %d", n.Load())
	}
	var wrong value.Value[int64]
	if err := wrong.UnmarshalText(text); !errors.Is(err, shm.ErrIncompatible) {
		t.Errorf("another kind: %v", err)
	}
	for _, bad := range []string{"", "x", "#", "#v"} {
		if err := w.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was opened", bad)
		}
	}
	if err := seg.Remove(t.Context(), "v"); err != nil || v.Load() != alike(1) {
		t.Errorf("after Remove: %v", err)
	}
}

func TestAllocatesNothing(t *testing.T) {
	ctx, seg := t.Context(), heap(t)
	v := mustCreate(t, seg, "v", point{})
	a, err := value.CreateAtomic(ctx, seg, "a", 0.5)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(){
		"Load":   func() { v.Load() },
		"Store":  func() { _ = v.Store(ctx, point{1, 2}) },
		"Update": func() { _ = v.Update(ctx, func(p *point) error { p.X++; return nil }) },
		"Add":    func() { a.Add(a.Load()) },
		"Swap":   func() { a.CompareAndSwap(a.Swap(1), 1) },
	} {
		f()
		if n := stage.Allocs(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
