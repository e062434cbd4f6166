package array_test

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/stage"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

type point struct{ X, Y float64 }

// Conformance: RNM-01.
func TestVerbs(t *testing.T) {
	ctx, seg := t.Context(), heap(t)
	a := mustCreate[point](t, seg, "a", 3)
	if a.Len() != 3 || a.Name() != "a" || a.Segment() != seg || a.Spec() != (array.Spec{Len: 3, OnDeath: lock.Poison}) {
		t.Errorf("%d, %q, %v", a.Len(), a.Name(), a.Spec())
	}
	a.Set(1, point{1, 2})
	if _, err := array.Create[point](ctx, seg, "a", array.Spec{Len: 3}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create again: %v", err)
	}
	if _, err := array.Open[point](ctx, seg, "b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of none: %v", err)
	}
	for _, spec := range []array.Spec{{}, {Len: 3}, {OnDeath: lock.Poison}} {
		b, err := array.OpenOrCreate[point](ctx, peer(t, seg), "a", spec)
		if err != nil || b.At(1) != (point{1, 2}) || b.Len() != 3 {
			t.Errorf("OpenOrCreate %v: %v", spec, err)
		}
	}
	r, err := array.OpenOrCreate[byte](ctx, seg, "r", array.Spec{Len: 1, OnDeath: lock.Release})
	if err != nil || r.Spec() != (array.Spec{Len: 1, OnDeath: lock.Release}) || r.Mutex().Spec().OnDeath != lock.Release {
		t.Errorf("%v, %v", r.Spec(), err)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := array.Create[int](done, seg, "late", array.Spec{Len: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("Create with a done context: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// Conformance: ARR-04.
func TestSpecsThatCannotBe(t *testing.T) {
	ctx, seg := t.Context(), heap(t)
	for _, spec := range []array.Spec{{}, {Len: -1}, {Len: math.MinInt}, {Len: 1, OnDeath: 3}, {Len: math.MaxInt}} {
		for _, err := range []error{
			second(array.Create[int64](ctx, seg, "x", spec)),
			second(array.OpenOrCreate[int64](ctx, seg, "x", spec)),
			second(array.CreateAtomic[int64](ctx, seg, "x", spec)),
			second(array.OpenOrCreateAtomic[int64](ctx, seg, "x", spec)),
		} {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%v: %v", spec, err)
			}
		}
	}
	var space *shm.SpaceError
	if _, err := array.Create[int64](ctx, seg, "x", array.Spec{Len: 1 << 40}); !errors.As(err, &space) {
		t.Errorf("8 TiB: %v", err)
	}
	if _, err := array.Open[int64](ctx, seg, "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was made: %v", err)
	}
}

// Conformance: RNM-04.
func TestWhatDiffers(t *testing.T) {
	ctx, seg := t.Context(), heap(t)
	mustCreate[point](t, seg, "p", 4)
	if _, err := array.CreateAtomic[int64](ctx, seg, "n", array.Spec{Len: 4}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		err               error
		field, have, want string
	}{
		{second(array.Open[struct{ X, Z float64 }](ctx, seg, "p")), "type", "Y float64 @8", "Z float64 @8"},
		{second(array.Open[float64](ctx, seg, "p")), "type", "struct(16)", "float64"},
		{second(array.OpenOrCreate[point](ctx, seg, "p", array.Spec{Len: 5})), "Len", "4", "5"},
		{second(array.OpenOrCreate[point](ctx, seg, "p", array.Spec{OnDeath: lock.Release})), "OnDeath", "Poison", "Release"},
		{second(array.Open[int64](ctx, seg, "n")), "kind", "atomicarray", "array"},
		{second(array.OpenAtomic[uint64](ctx, seg, "n")), "type", "int64", "uint64"},
		{second(array.OpenOrCreateAtomic[int64](ctx, seg, "n", array.Spec{Len: 3})), "Len", "4", "3"},
	} {
		var e *shm.IncompatibleError
		if !errors.As(tt.err, &e) || !errors.Is(tt.err, shm.ErrIncompatible) {
			t.Errorf("got %v", tt.err)
			continue
		}
		if e.Field != tt.field || !strings.Contains(e.Have, tt.have) || !strings.Contains(e.Want, tt.want) {
			t.Errorf("got %#v, want %s, %s, %s", e, tt.field, tt.have, tt.want)
		}
	}
	var e *shm.TypeError
	if _, err := array.Create[struct{ S []int }](ctx, seg, "x", array.Spec{Len: 1}); !errors.As(err, &e) || e.Path != "S" {
		t.Errorf("got %v", err)
	}
}

// TestElements compares every way to reach elements of many sizes with a slice.
func TestElements(t *testing.T) {
	seg := heap(t)
	elements(t, seg, func(i int) uint8 { return uint8(i) })
	elements(t, seg, func(i int) bool { return i%2 == 0 })
	elements(t, seg, func(i int) int16 { return int16(-i) })
	elements(t, seg, func(i int) [3]byte { return [3]byte{byte(i), 1, 2} })
	elements(t, seg, func(i int) float32 { return float32(i) / 2 })
	elements(t, seg, func(i int) [5]int8 { return [5]int8{int8(i), 1, 2, 3, -4} })
	elements(t, seg, func(i int) [3]uint16 { return [3]uint16{uint16(i), 1, 2} })
	elements(t, seg, func(i int) [7]byte { return [7]byte{byte(i), 6: 9} })
	elements(t, seg, func(i int) uint64 { return uint64(i) << 60 })
	elements(t, seg, func(i int) struct{ A, B int32 } { return struct{ A, B int32 }{int32(i), -int32(i)} })
	elements(t, seg, func(i int) point { return point{float64(i), 0.5} })
	elements(t, seg, func(i int) [100]byte { return [100]byte{byte(i), 99: byte(i)} })
	elements(t, seg, func(int) struct{} { return struct{}{} })
}

func elements[T comparable](t *testing.T, seg *shm.Segment, f func(int) T) {
	t.Helper()
	const n = 37
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune("[]{ ;}", r) {
			return '-'
		}
		return r
	}, reflect.TypeFor[T]().String())
	a := mustCreate[T](t, seg, name, n)
	b := mustOpen[T](t, peer(t, seg), name)
	want := make([]T, n)
	same := func(what string) {
		t.Helper()
		got := make([]T, n)
		if k := b.CopyOut(0, got); k != n || !slices.Equal(got, want) {
			t.Errorf("%s %s: CopyOut %d %v", name, what, k, got)
		}
		for i, x := range b.All() {
			if x != want[i] || b.At(i) != want[i] {
				t.Errorf("%s %s: element %d is %v", name, what, i, x)
			}
		}
		if !slices.Equal(b.View(), want) {
			t.Errorf("%s %s: View %v", name, what, b.View())
		}
	}
	same("at first")
	for i := range want {
		want[i] = f(i)
		a.Set(i, want[i])
	}
	same("Set")
	for i := range want {
		want[i] = f(i + 1)
	}
	if k := a.CopyIn(0, want); k != n {
		t.Errorf("%s: CopyIn %d", name, k)
	}
	same("CopyIn")
	if k := a.CopyIn(n-3, []T{f(50), f(51), f(52), f(53)}); k != 3 {
		t.Errorf("%s: CopyIn at the end: %d", name, k)
	}
	want[n-3], want[n-2], want[n-1] = f(50), f(51), f(52)
	same("CopyIn at the end")
	short := make([]T, 5)
	if k := b.CopyOut(n-2, short); k != 2 || short[0] != want[n-2] || short[1] != want[n-1] {
		t.Errorf("%s: CopyOut at the end: %d %v", name, k, short)
	}
	a.View()[2] = f(60)
	want[2] = f(60)
	same("View")
	if a.CopyIn(n, want) != 0 || a.CopyOut(n, want) != 0 {
		t.Errorf("%s: copies beyond the end", name)
	}
	for range a.All() {
		break
	}
}

// Conformance: ARR-03.
func TestRange(t *testing.T) {
	seg := heap(t)
	before := mustCreate[int32](t, seg, "before", 4)
	a := mustCreate[int32](t, seg, "a", 4)
	p := mustCreate[[3]byte](t, seg, "p", 4)
	n, err := array.CreateAtomic[int32](t.Context(), seg, "n", array.Spec{Len: 4})
	if err != nil {
		t.Fatal(err)
	}
	after := mustCreate[int32](t, seg, "after", 4)
	for _, i := range []int{4, 5, -1, math.MaxInt, math.MinInt} {
		for name, f := range map[string]func(){
			"At": func() { a.At(i) }, "Set": func() { a.Set(i, 1) },
			"CopyIn": func() { a.CopyIn(i|1, []int32{1, 2}) }, "CopyOut": func() { a.CopyOut(i|1, make([]int32, 2)) },
			"parts At": func() { p.At(i) }, "parts Set": func() { p.Set(i, [3]byte{1}) },
			"Load": func() { n.Load(i) }, "Store": func() { n.Store(i, 1) }, "Add": func() { n.Add(i, 1) },
			"Swap": func() { n.Swap(i, 1) }, "CompareAndSwap": func() { n.CompareAndSwap(i, 0, 1) },
		} {
			func() {
				defer func() {
					if err, ok := recover().(runtime.Error); !ok || !strings.Contains(err.Error(), "out of range") {
						t.Errorf("%s(%d) panicked with %v", name, i, err)
					}
				}()
				f()
			}()
		}
	}
	for _, other := range []*array.Array[int32]{before, a, after} {
		for i, x := range other.All() {
			if x != 0 {
				t.Errorf("%s: element %d is %d", other.Name(), i, x)
			}
		}
	}
}

func TestNeverTorn(t *testing.T) {
	rounds := 5000
	if testing.Short() {
		rounds = 500
	}
	neverTorn(t, rounds, func(k byte) [2]byte { return [2]byte{k, k} })
	neverTorn(t, rounds, func(k byte) [3]byte { return [3]byte{k, k, k} })
	neverTorn(t, rounds, func(k byte) [4]byte { return [4]byte{k, k, k, k} })
	neverTorn(t, rounds, func(k byte) [7]byte { return [7]byte{k, k, k, k, k, k, k} })
	neverTorn(t, rounds, func(k byte) [8]byte { return [8]byte{k, k, k, k, k, k, k, k} })
}

func neverTorn[T comparable](t *testing.T, rounds int, alike func(byte) T) {
	t.Helper()
	seg := heap(t)
	const n = 9
	mustCreate[T](t, seg, "a", n)
	var writers, readers sync.WaitGroup
	var over atomic.Bool
	for k := range 2 {
		a := mustOpen[T](t, peer(t, seg), "a")
		writers.Go(func() {
			all := make([]T, n)
			for r := range rounds {
				a.Set((r+k)%n, alike(byte(r)))
				if r%16 == 0 {
					for i := range all {
						all[i] = alike(byte(r + i))
					}
					a.CopyIn(0, all)
				}
			}
		})
		readers.Go(func() {
			all := make([]T, n)
			for !over.Load() {
				a.CopyOut(0, all)
				for i, x := range a.All() {
					if x != alike(mem.BytesOf(&x)[0]) || all[i] != alike(mem.BytesOf(&all[i])[0]) {
						t.Errorf("%T %d is torn: %v, %v", x, i, x, all[i])
						return
					}
				}
				runtime.Gosched()
			}
		})
	}
	writers.Wait()
	over.Store(true)
	readers.Wait()
	if err := seg.Check(); err != nil {
		t.Error(err)
	}
}

func TestBoolsOfOthers(t *testing.T) {
	type v1 struct {
		ID byte
		_  [3]byte
	}
	type v2 struct {
		ID    byte
		Flags [3]bool
	}
	seg := heap(t)
	a := mustCreate[v1](t, seg, "a", 2)
	x := v1{ID: 1}
	copy(mem.BytesOf(&x)[1:], []byte{0, 2, 255})
	a.Set(1, x)
	b := mustOpen[v2](t, seg, "a")
	got := make([]v2, 2)
	b.CopyOut(0, got)
	at := b.At(1)
	for _, y := range []*v2{&at, &got[1]} {
		if string(mem.BytesOf(&y.Flags)) != "\x00\x01\x01" {
			t.Errorf("bools are %v", mem.BytesOf(&y.Flags))
		}
	}
}

func TestDo(t *testing.T) {
	ctx, seg := t.Context(), heap(t)
	mustCreate[int](t, seg, "a", 2)
	const rounds = 300
	var all sync.WaitGroup
	for _, s := range []*shm.Segment{seg, seg, peer(t, seg), peer(t, seg)} {
		a := mustOpen[int](t, s, "a")
		all.Go(func() {
			for range rounds {
				if err := a.Do(ctx, func(view []int) error {
					if view[0] != -view[1] {
						t.Errorf("got %v", view)
					}
					view[0]++
					view[1]--
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	a := mustOpen[int](t, seg, "a")
	if a.At(0) != 4*rounds {
		t.Errorf("%d of %d", a.At(0), 4*rounds)
	}
	failed := errors.New("failed")
	if err := a.Do(ctx, func([]int) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = a.Do(ctx, func([]int) error { panic("oh") })
	}()
	m := a.Mutex()
	if err := m.TryLock(); err != nil {
		t.Errorf("after a panic: %v", err)
	}
	if m == a.Mutex() || m.Name() != "a" {
		t.Errorf("Mutex is %q", m.Name())
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := a.Do(done, func([]int) error { t.Error("called"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := a.Mutex().Unlock(); err != nil {
		t.Errorf("another handle of the process cannot unlock: %v", err)
	}
}

func TestTexts(t *testing.T) {
	_, seg, a, _ := shared(t)
	n, err := array.CreateAtomic[int32](t.Context(), seg, "n", array.Spec{Len: 2})
	if err != nil {
		t.Fatal(err)
	}
	text, err := a.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var b array.Array[int32]
	if err := b.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Segment().Close() })
	b.Set(1, 100)
	if a.At(1) != 100 || b.Name() != "a" {
		t.Errorf("got %d", a.At(1))
	}
	if text, err = n.MarshalText(); err != nil {
		t.Fatal(err)
	}
	var m array.Atomic[int32]
	if err := m.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	if m.Add(1, 1); n.Load(1) != 1 {
		t.Errorf("got %d", n.Load(1))
	}
	if err := b.UnmarshalText(text); !errors.Is(err, shm.ErrIncompatible) {
		t.Errorf("another kind: %v", err)
	}
	// The array's mutex travels too.
	if err := a.Mutex().Lock(soon(t)); err != nil {
		t.Fatal(err)
	}
	if text, err = a.Mutex().MarshalText(); err != nil {
		t.Fatal(err)
	}
	var mu lock.Mutex
	if err := mu.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	if err := mu.Unlock(); err != nil {
		t.Errorf("it is another mutex: %v", err)
	}
}

func TestAllocatesNothing(t *testing.T) {
	ctx, seg := t.Context(), heap(t)
	a := mustCreate[point](t, seg, "a", 8)
	p := mustCreate[[5]byte](t, seg, "p", 8)
	n, err := array.CreateAtomic[float64](ctx, seg, "n", array.Spec{Len: 8})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]point, 8)
	for name, f := range map[string]func(){
		"At, Set": func() { a.Set(1, a.At(2)) },
		"parts":   func() { p.Set(1, p.At(2)) },
		"copies":  func() { a.CopyIn(0, buf[:a.CopyOut(0, buf)]) },
		"All": func() {
			for range a.All() {
				continue
			}
		},
		"View":   func() { a.View()[0].X++ },
		"Do":     func() { _ = a.Do(ctx, func(view []point) error { view[0].X++; return nil }) },
		"atomic": func() { n.Add(1, n.Load(2)) },
	} {
		if k := stage.Allocs(100, f); k != 0 {
			t.Errorf("%s: %v allocations", name, k)
		}
	}
}

// TestViewOfARemovedArray keeps a view for longer than any handle, while its array
// is removed and others are made.
// Conformance: SHM-09.
func TestViewOfARemovedArray(t *testing.T) {
	dir, seg, _, _ := shared(t)
	other, err := shm.Open(t.Context(), "s", &shm.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	view := mustCreate[int64](t, seg, "gone", 1000).View()
	for i := range view {
		view[i] = 42
	}
	if err := other.Remove(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	for range 3 { // for cleanups to run
		runtime.GC()
		runtime.Gosched()
	}
	for _, name := range []string{"x", "y", "z"} {
		a := mustCreate[int64](t, seg, name, 1000)
		for i := range a.Len() {
			a.Set(i, -1)
		}
	}
	for i, x := range view {
		if x != 42 {
			t.Fatalf("element %d of the view is another array's: %d", i, x)
		}
	}
}
