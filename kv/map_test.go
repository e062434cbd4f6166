package kv_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/stage"
	"github.com/shoal-ipc/shoal/kv"
	"github.com/shoal-ipc/shoal/shm"
)

// TestSpace has the numbers of what does not fit.
func TestSpace(t *testing.T) {
	ctx, seg := t.Context(), heap(t)
	m := create[string, string](t, seg, kv.Spec{Cap: 2, KeySize: 4, ValueSize: 5})
	must(t, m.Store(ctx, "a", "12345"))
	must(t, m.Store(ctx, "bbbb", ""))
	before := all(t, m)
	fill := func(x string) func(*string, bool) error {
		return func(s *string, _ bool) error { *s = x; return nil }
	}
	for _, tt := range []struct {
		what       string
		err        error
		need, free int64
		text       string
	}{
		{"Store", m.Store(ctx, "c", "1"), 1, 0, "need 1 more entry, have 0 (limit: Cap of 2 entries)"},
		{"Update", m.Update(ctx, "c", fill("1")), 1, 0, "Cap of 2 entries"},
		{"LoadOrStore", third(m.LoadOrStore(ctx, "c", "")), 1, 0, "Cap of 2 entries"},
		{"Store of a long value", m.Store(ctx, "a", "123456"), 6, 5, "need 6 bytes, have 5 (limit: ValueSize)"},
		{"Update to a long value", m.Update(ctx, "a", fill("1234567")), 7, 5, "ValueSize"},
		{"Store of a long key", m.Store(ctx, "12345", ""), 5, 4, "need 5 bytes, have 4 (limit: KeySize)"},
		{"Update of a long key", m.Update(ctx, "123456", fill("")), 6, 4, "KeySize"},
		{"LoadOrStore of a long key", third(m.LoadOrStore(ctx, "12345", "")), 5, 4, "KeySize"},
	} {
		var e *shm.SpaceError
		if !errors.As(tt.err, &e) || e.Need != tt.need || e.Free != tt.free || e.Object != "m" || !strings.Contains(e.Error(), tt.text) {
			t.Errorf("%s: %v", tt.what, tt.err)
		}
	}
	swapped, err := m.CompareAndSwap(ctx, "a", "12345", "123456")
	want(t, "CompareAndSwap to a long value", err, shm.ErrNoSpace)
	if after := all(t, m); swapped || !maps.Equal(after, before) {
		t.Errorf("swapped: %v; %v became %v", swapped, before, after)
	}
	_, err = m.Load("12345")
	want(t, "Load of a long key", err, kv.ErrNotFound)
	_, err = m.LoadAndDelete(ctx, "12345")
	want(t, "LoadAndDelete of a long key", err, kv.ErrNotFound)
	must(t, m.Delete(ctx, "12345"))
	must(t, second(m.CompareAndDelete(ctx, "12345", "")))
	must(t, second(m.CompareAndSwap(ctx, "12345", "", "x")))
	must(t, m.Delete(ctx, "a"))
	must(t, m.Store(ctx, "c", "1"))
	must(t, seg.Check())
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }

func TestUpdateThatFails(t *testing.T) {
	ctx, seg := t.Context(), heap(t)
	m := create[string, int](t, seg, kv.Spec{Cap: 4})
	texts, err := kv.Create[string, string](ctx, seg, "texts", kv.Spec{})
	must(t, err)
	must(t, m.Store(ctx, "a", 1))
	must(t, texts.Store(ctx, "a", "1"))
	mine := errors.New("mine")
	for _, key := range []string{"a", "new"} {
		want(t, "Update", m.Update(ctx, key, func(x *int, _ bool) error { *x = 9; return mine }), mine)
		want(t, "Update", texts.Update(ctx, key, func(x *string, _ bool) error { *x = "9"; return fs.ErrClosed }), fs.ErrClosed)
		func() {
			defer func() {
				if p := recover(); p != mine { //nolint:errorlint // that very one
					t.Errorf("panicked with %v", p)
				}
			}()
			_ = m.Update(ctx, key, func(x *int, _ bool) error { *x = 9; panic(mine) })
		}()
		ended := make(chan bool)
		go func() {
			defer close(ended)
			_ = m.Update(ctx, key, func(x *int, _ bool) error { *x = 9; runtime.Goexit(); return nil })
		}()
		<-ended
	}
	if got := all(t, m); !maps.Equal(got, map[string]int{"a": 1}) {
		t.Errorf("%v", got)
	}
	if got := all(t, texts); !maps.Equal(got, map[string]string{"a": "1"}) {
		t.Errorf("%v", got)
	}
	must(t, m.Store(ctx, "new", 2)) // nobody holds the lock
	must(t, texts.Store(ctx, "new", "2"))
}

func TestCloseInUpdate(t *testing.T) {
	ctx, seg := t.Context(), heap(t)
	p := peer(t, seg)
	m, q := create[string, int](t, seg, kv.Spec{Cap: 4}), open[string, int](t, p)
	must(t, m.Store(ctx, "a", 1))
	want(t, "Update", q.Update(ctx, "a", func(x *int, _ bool) error { *x = 9; return p.Close() }), fs.ErrClosed)
	is(t, m, "a", 1)
	must(t, m.Store(ctx, "a", 2))
	n := 0
	r := peer(t, seg)
	must(t, m.Store(ctx, "b", 2))
	var last error
	for _, err := range open[string, int](t, r).All() {
		n++
		must(t, r.Close())
		last = err
	}
	want(t, "All after Close", last, fs.ErrClosed)
	if n != 2 {
		t.Errorf("%d pairs", n)
	}
}

// TestOtherValues reads what an older version of a type has written.
func TestOtherValues(t *testing.T) {
	type one struct{ A, B string }
	type two struct {
		A string
		B int
	}
	type three struct{ A string }
	ctx, seg := t.Context(), heap(t)
	m := create[string, one](t, seg, kv.Spec{})
	must(t, m.Store(ctx, "k", one{"a", "b"}))
	is(t, open[string, three](t, seg), "k", three{"a"}) // by the names of fields
	p := open[string, two](t, seg)
	must(t, p.Store(ctx, "good", two{"a", 1}))
	_, err := p.Load("k")
	isDecoding(t, "Load", err)
	isDecoding(t, "LoadOrStore", third(p.LoadOrStore(ctx, "k", two{})))
	isDecoding(t, "Update", p.Update(ctx, "k", func(*two, bool) error { t.Error("called"); return nil }))
	isDecoding(t, "CompareAndSwap", second(p.CompareAndSwap(ctx, "k", two{}, two{})))
	isDecoding(t, "CompareAndDelete", second(p.CompareAndDelete(ctx, "k", two{})))
	isDecoding(t, "LoadAndDelete", second(p.LoadAndDelete(ctx, "k")))
	good, bad := 0, 0
	for e, err := range p.All() {
		switch {
		case err == nil && e.Key == "good":
			good++
		case err != nil && e.Key == "k":
			bad++
		}
	}
	if good != 1 || bad != 1 {
		t.Errorf("%d good ones, %d bad ones", good, bad)
	}
	for _, err := range p.All() {
		if err != nil {
			break // who breaks off gets no more
		}
	}
	is(t, m, "k", one{"a", "b"})
	must(t, p.Delete(ctx, "k"))
}

func isDecoding(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "decoding") {
		t.Errorf("%s: %v", what, err)
	}
}

// failing cannot be encoded if it is negative.
type failing struct{ n *int }

func (f failing) MarshalBinary() ([]byte, error) {
	if f.n == nil || *f.n < 0 {
		return nil, errNegative
	}
	return []byte{byte(*f.n)}, nil
}

func (f *failing) UnmarshalBinary(b []byte) error { n := int(b[0]); f.n = &n; return nil }

var errNegative = errors.New("negative")

func TestEncodingFails(t *testing.T) {
	ctx, m := t.Context(), create[string, failing](t, heap(t), kv.Spec{})
	one := 1
	must(t, m.Store(ctx, "a", failing{&one}))
	want(t, "Store", m.Store(ctx, "a", failing{}), errNegative)
	want(t, "LoadOrStore", third(m.LoadOrStore(ctx, "b", failing{})), errNegative)
	want(t, "CompareAndSwap", second(m.CompareAndSwap(ctx, "a", failing{&one}, failing{})), errNegative)
	want(t, "Update", m.Update(ctx, "a", func(x *failing, _ bool) error { *x = failing{}; return nil }), errNegative)
	if x, err := m.Load("a"); err != nil || *x.n != 1 || m.Len() != 1 {
		t.Errorf("%v, %v", x, err)
	}
}

func TestFloatsAndBools(t *testing.T) {
	ctx, m := t.Context(), create[bool, float64](t, heap(t), kv.Spec{Cap: 2})
	must(t, m.Store(ctx, true, math.NaN()))
	if swapped, err := m.CompareAndSwap(ctx, true, math.NaN(), 1); swapped || err != nil {
		t.Errorf("NaN is NaN: %v, %v", swapped, err)
	}
	must(t, m.Store(ctx, false, 0))
	if swapped, err := m.CompareAndSwap(ctx, false, math.Copysign(0, -1), 1); !swapped || err != nil {
		t.Errorf("0 is not -0: %v, %v", swapped, err)
	}
}

// TestText has a handle made of a text, and a zero one.
func TestText(t *testing.T) {
	ctx := t.Context()
	seg, err := shm.Create(ctx, "s", shm.Spec{}, &shm.Options{Dir: t.TempDir()})
	must(t, err)
	defer seg.Close()
	m := create[string, int](t, seg, kv.Spec{Cap: 9})
	must(t, m.Store(ctx, "a", 1))
	text, err := m.MarshalText()
	must(t, err)
	var p kv.Map[string, int]
	must(t, p.UnmarshalText(text))
	is(t, &p, "a", 1)
	if p.Cap() != 9 || p.Spec() != m.Spec() || p.Name() != "m" {
		t.Errorf("%d, %v, %q", p.Cap(), p.Spec(), p.Name())
	}
	must(t, p.Segment().Close())
	_, err = p.Load("a")
	want(t, "Load after Close", err, fs.ErrClosed)
	var zero kv.Map[string, int]
	want(t, "Store of a zero one", zero.Store(ctx, "a", 1), fs.ErrClosed)
	if err := zero.UnmarshalText([]byte("no text")); err == nil {
		t.Error("it unmarshals")
	}
	want(t, "Store with a context that is done", m.Store(done(), "a", 2), context.Canceled)
}

// TestManyGoroutines has participants use one map at once, where the race detector
// sees it.
func TestManyGoroutines(t *testing.T) {
	ctx, seg := t.Context(), heap(t)
	m := create[string, [6]int64](t, seg, kv.Spec{Cap: 32})
	rounds := 1500
	if race.Enabled || testing.Short() {
		rounds = 200
	}
	var workers sync.WaitGroup
	var sum atomic.Int64
	for w := range 4 {
		m := m
		if w%2 == 1 {
			m = open[string, [6]int64](t, peer(t, seg))
		}
		workers.Go(func() {
			for i := range rounds {
				key := fmt.Sprint("k", i%20)
				if err := m.Update(ctx, key, func(x *[6]int64, _ bool) error {
					for j := range x {
						x[j]++
					}
					return nil
				}); err != nil {
					t.Error(err)
				}
				sum.Add(1)
				if i%5 == w {
					x, err := m.LoadAndDelete(ctx, key)
					if err != nil && !errors.Is(err, kv.ErrNotFound) {
						t.Error(err)
					}
					sum.Add(-x[0])
				}
				for e, err := range m.All() {
					if err != nil || e.Value[0] != e.Value[5] {
						t.Errorf("%v, %v", e, err)
					}
				}
				if x, err := m.Load(key); err == nil && x[0] != x[5] {
					t.Errorf("torn: %v", x)
				}
			}
		})
	}
	workers.Wait()
	left := int64(0)
	for _, x := range all(t, m) {
		left += x[0]
	}
	if left != sum.Load() {
		t.Errorf("%d are left of %d", left, sum.Load())
	}
	must(t, seg.Check())
}

func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	ctx, seg := context.Background(), heap(t)
	m := create[string, point](t, seg, kv.Spec{})
	p, err := kv.Create[point, mark](ctx, seg, "p", kv.Spec{})
	must(t, err)
	add := func(x *point, _ bool) error { x.X++; return nil }
	if n := stage.Allocs(100, func() {
		_ = m.Store(ctx, "key", point{1, 2})
		_, _ = m.Load("key")
		_, _ = m.Load("none")
		_ = m.Update(ctx, "key", add)
		_, _, _ = m.LoadOrStore(ctx, "key", point{})
		_, _ = m.CompareAndSwap(ctx, "key", point{2, 2}, point{3, 3})
		_, _ = m.CompareAndDelete(ctx, "key", point{9, 9})
		_, _ = m.LoadAndDelete(ctx, "key")
		_ = m.Delete(ctx, "key")
		_ = p.Store(ctx, point{1, 2}, mark{N: 1})
		_, _ = p.Load(point{1, 2})
		for _, err := range p.All() {
			if err != nil {
				t.Error(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
