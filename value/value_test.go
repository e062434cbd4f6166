package value_test

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// peer returns another participant of the heap segment seg.
func peer(t testing.TB, seg *shm.Segment) *shm.Segment {
	t.Helper()
	p, err := object.Inside().HeapPeer(seg)
	if err != nil {
		t.Fatal(err)
	}
	s := p.(*shm.Segment) //nolint:errcheck // the door's contract
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustCreate[T any](t testing.TB, seg *shm.Segment, name string, x T) *value.Value[T] {
	t.Helper()
	v, err := value.Create(t.Context(), seg, name, x)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustOpen[T any](t testing.TB, seg *shm.Segment, name string) *value.Value[T] {
	t.Helper()
	v, err := value.Open[T](t.Context(), seg, name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

type point struct{ X, Y float64 }

// Conformance: RNM-01.
func TestVerbs(t *testing.T) {
	ctx, seg := t.Context(), heap(t)
	v := mustCreate(t, seg, "p", point{1, 2})
	if v.Load() != (point{1, 2}) || v.Name() != "p" || v.Segment() != seg {
		t.Errorf("%v, %q, %v", v.Load(), v.Name(), v.Segment())
	}
	if _, err := value.Create(ctx, seg, "p", point{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create again: %v", err)
	}
	if _, err := value.Open[point](ctx, seg, "q"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of none: %v", err)
	}
	other := peer(t, seg)
	w, err := value.OpenOrCreate(ctx, other, "p", point{9, 9})
	if err != nil || w.Load() != (point{1, 2}) {
		t.Errorf("OpenOrCreate: %v, %v", w, err)
	}
	if err := w.Store(ctx, point{3, 4}); err != nil || v.Load() != (point{3, 4}) {
		t.Errorf("after Store by another: %v, %v", v.Load(), err)
	}
	if u, err := value.OpenOrCreate(ctx, seg, "new", 42); err != nil || u.Load() != 42 {
		t.Errorf("OpenOrCreate of none: %v", err)
	}
	for _, name := range []string{"", "a b", strings.Repeat("x", 65)} {
		if _, err := value.Create(ctx, seg, name, 1); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := value.Create(done, seg, "late", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Create with a done context: %v", err)
	}
}

// Conformance: RNM-04.
func TestTypesThatDiffer(t *testing.T) {
	ctx, seg := t.Context(), heap(t)
	mustCreate(t, seg, "p", point{})
	mustCreate(t, seg, "n", int64(1))
	if _, err := value.CreateAtomic(ctx, seg, "a", 1); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		err               error
		field, have, want string
	}{
		{second(value.Open[struct{ X, Z float64 }](ctx, seg, "p")), "type", "Y float64 @8", "Z float64 @8"},
		{second(value.OpenOrCreate(ctx, seg, "p", [3]int32{})), "type", "struct(16)", "[3]int32"},
		{second(value.Open[uint64](ctx, seg, "n")), "type", "int64", "uint64"},
		{second(value.Open[int64](ctx, seg, "a")), "kind", "atomic", "value"},
		{second(value.OpenAtomic[int64](ctx, seg, "n")), "kind", "value", "atomic"},
		{second(value.OpenAtomic[float64](ctx, seg, "a")), "type", "int64", "float64"},
	} {
		var e *shm.IncompatibleError
		if !errors.As(tt.err, &e) || !errors.Is(tt.err, shm.ErrIncompatible) {
			t.Errorf("got %v", tt.err)
			continue
		}
		if e.Field != tt.field || !strings.Contains(e.Have, tt.have) || !strings.Contains(e.Want, tt.want) || e.Object == "" {
			t.Errorf("got %#v, want %s, %s, %s", e, tt.field, tt.have, tt.want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestTypesThatCannotBeShared(t *testing.T) {
	ctx, seg := t.Context(), heap(t)
	type row struct{ Cols [2]struct{ Name string } }
	for _, tt := range []struct {
		err  error
		path string
	}{
		{second(value.Create(ctx, seg, "x", row{})), "Cols[].Name"},
		{second(value.Create(ctx, seg, "x", (*int)(nil))), ""},
		{second(value.Create(ctx, seg, "x", struct{ Mu sync.Mutex }{})), "Mu"},
		{second(value.Open[[]byte](ctx, seg, "x")), ""},
	} {
		var e *shm.TypeError
		if !errors.As(tt.err, &e) || !errors.Is(tt.err, shm.ErrType) || e.Path != tt.path {
			t.Errorf("got %v, want a TypeError at %q", tt.err, tt.path)
		}
	}
	if _, err := value.Open[int](ctx, seg, "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was made: %v", err)
	}
}

func TestTypesEvolveInBlankBytes(t *testing.T) {
	type v1 struct {
		ID uint32
		_  [12]byte
	}
	type v2 struct {
		ID    uint32
		Flags [4]bool
		Price float64
	}
	ctx, seg := t.Context(), heap(t)
	old := mustCreate(t, seg, "order", v1{ID: 1})
	current := mustOpen[v2](t, peer(t, seg), "order")
	if x := current.Load(); x != (v2{ID: 1}) {
		t.Errorf("the new program reads %v", x)
	}
	if err := current.Store(ctx, v2{ID: 2, Price: 9.5}); err != nil || old.Load().ID != 2 {
		t.Errorf("the old program reads %v, %v", old.Load().ID, err)
	}
	// What the old program leaves in the blank bytes is no bool.
	x := v1{ID: 3}
	copy(mem.BytesOf(&x)[4:], []byte{0, 1, 2, 255})
	if err := old.Store(ctx, x); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		y := current.Load()
		if b := mem.BytesOf(&y.Flags); string(b) != "\x00\x01\x01\x01" {
			t.Errorf("bools are %v", b)
		}
		for y, err := range current.Watch(ctx) {
			if b := mem.BytesOf(&y.Flags); err != nil || string(b) != "\x00\x01\x01\x01" {
				t.Errorf("watched bools are %v, %v", b, err)
			}
			break
		}
		if err := current.Update(ctx, func(y *v2) error {
			if b := mem.BytesOf(&y.Flags); string(b) != "\x00\x01\x01\x01" {
				t.Errorf("updated bools are %v", b)
			}
			return errors.New("no")
		}); err == nil {
			t.Error("the error was lost")
		}
	}
}

// Conformance: VAL-03.
func TestValuesOfManyTypes(t *testing.T) {
	seg := heap(t)
	trip(t, seg, "bool", true)
	trip(t, seg, "int16", int16(-232))
	trip(t, seg, "byte", byte('x'))
	trip(t, seg, "uint64", uint64(1)<<34)
	trip(t, seg, "float32", float32(-4.25))
	trip(t, seg, "complex128", complex(1, -2))
	trip(t, seg, "duration", time.Second)
	trip(t, seg, "empty", struct{}{})
	trip(t, seg, "3 bytes", [3]byte{1, 2, 3})
	trip(t, seg, "mixed", struct {
		A int32
		B float64
		C int64
		D [2]bool
	}{2, 0.5, 1 << 33, [2]bool{true, false}})
	trip(t, seg, "large", alike(3))
}

func trip[T comparable](t *testing.T, seg *shm.Segment, name string, x T) {
	t.Helper()
	var zero T
	v := mustCreate(t, seg, strings.ReplaceAll(name, " ", "-"), zero)
	if v.Load() != zero {
		t.Errorf("%s is %v at first", name, v.Load())
	}
	for range 3 {
		if err := v.Store(t.Context(), x); err != nil || v.Load() != x {
			t.Errorf("%s: %v, %v", name, v.Load(), err)
		}
		if err := v.Store(t.Context(), zero); err != nil || v.Load() != zero {
			t.Errorf("%s: %v, %v", name, v.Load(), err)
		}
	}
}

func TestUpdateThatDoesNot(t *testing.T) {
	ctx, seg := t.Context(), heap(t)
	v := mustCreate(t, seg, "v", point{1, 2})
	failed := errors.New("failed")
	for name, f := range map[string]func(){
		"error": func() {
			if err := v.Update(ctx, func(p *point) error { p.X = 9; return failed }); !errors.Is(err, failed) {
				t.Errorf("got %v", err)
			}
		},
		"panic": func() {
			defer func() {
				if recover() != "oh" {
					t.Error("the panic was lost")
				}
			}()
			_ = v.Update(ctx, func(p *point) error { p.X = 9; panic("oh") })
		},
		"Goexit": func() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = v.Update(ctx, func(p *point) error { p.X = 9; runtime.Goexit(); return nil })
			}()
			<-done
		},
	} {
		f()
		if v.Load() != (point{1, 2}) {
			t.Errorf("%s: it is now %v", name, v.Load())
		}
		if err := v.Update(soon(t), func(p *point) error {
			if *p != (point{1, 2}) {
				t.Errorf("%s: the next Update begins with %v", name, *p)
			}
			return nil
		}); err != nil {
			t.Errorf("%s: the next Update: %v", name, err)
		}
	}
}

// Conformance: VAL-04.
func TestUpdateExcludes(t *testing.T) {
	seg := heap(t)
	v := mustCreate(t, seg, "v", point{})
	const rounds = 300
	var all sync.WaitGroup
	for _, s := range []*shm.Segment{seg, seg, peer(t, seg), peer(t, seg)} {
		u := mustOpen[point](t, s, "v")
		all.Go(func() {
			for range rounds {
				if err := u.Update(t.Context(), func(p *point) error { p.X++; p.Y--; return nil }); err != nil {
					t.Error(err)
				}
				if p := u.Load(); p.X != -p.Y {
					t.Errorf("torn: %v", p)
				}
			}
		})
	}
	all.Wait()
	if v.Load() != (point{4 * rounds, -4 * rounds}) {
		t.Errorf("%v after %d updates", v.Load(), 4*rounds)
	}
}

func TestStoreWaitsAndGivesUp(t *testing.T) {
	seg := heap(t)
	v := mustCreate(t, seg, "v", 1)
	other := mustOpen[int](t, peer(t, seg), "v")
	inside, leave := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		if err := v.Update(t.Context(), func(x *int) error { close(inside); <-leave; *x = 2; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := other.Store(ctx, 3); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Store: %v", err)
	}
	if err := other.Update(ctx, func(*int) error { t.Error("called"); return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Update with a done context: %v", err)
	}
	if other.Load() != 1 {
		t.Errorf("readers see %d during an update", other.Load())
	}
	all.Go(func() {
		if err := other.Store(t.Context(), 4); err != nil {
			t.Error(err)
		}
	})
	close(leave)
	all.Wait()
	if v.Load() != 4 {
		t.Errorf("got %d", v.Load())
	}
}

func TestWaitAndWatch(t *testing.T) {
	ctx, seg := soon(t), heap(t)
	v := mustCreate(t, seg, "v", 0)
	writer := mustOpen[int](t, peer(t, seg), "v")
	const last = 200
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			if x, err := v.Wait(ctx, func(x int) bool { return x >= n*10 }); err != nil || x < n*10 {
				t.Errorf("waited for %d, got %d, %v", n*10, x, err)
			}
		})
		all.Go(func() {
			before := -1
			for x, err := range v.Watch(ctx) {
				if err != nil {
					t.Error(err)
					return
				}
				if x <= before {
					t.Errorf("%d after %d", x, before)
				}
				if before = x; x == last {
					return
				}
			}
		})
	}
	for n := range last {
		if err := writer.Store(ctx, n+1); err != nil {
			t.Error(err)
		}
		if n%8 == 0 {
			runtime.Gosched()
		}
	}
	all.Wait()
	asked := 0
	if x, err := v.Wait(ctx, func(int) bool { asked++; return true }); x != last || err != nil || asked != 1 {
		t.Errorf("Wait for what is there: %d, %v, asked %d times", x, err, asked)
	}
}

func TestWaitEnds(t *testing.T) {
	seg := heap(t)
	v := mustCreate(t, seg, "v", 1)
	a, err := value.CreateAtomic(t.Context(), seg, "a", 1)
	if err != nil {
		t.Fatal(err)
	}
	waits := func(ctx context.Context) []error {
		_, e1 := v.Wait(ctx, func(int) bool { return false })
		_, e2 := a.Wait(ctx, func(int) bool { return false })
		var e3 error
		for x, err := range v.Watch(ctx) {
			if e3 = err; err != nil && x != 0 {
				t.Errorf("%d with an error", x)
			}
		}
		return []error{e1, e2, e3}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	for _, err := range waits(ctx) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	}
	for _, err := range []error{
		second(v.Wait(ctx, func(int) bool { t.Error("asked"); return true })),
		second(a.Wait(ctx, func(int) bool { t.Error("asked"); return true })),
		v.Store(ctx, 2),
	} {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a done context: %v", err)
		}
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for _, err := range waits(t.Context()) {
				if !errors.Is(err, fs.ErrClosed) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	if err := seg.Close(); err != nil {
		t.Error(err)
	}
	all.Wait()
}
