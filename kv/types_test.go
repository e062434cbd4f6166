package kv_test

import (
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/kv"
	"github.com/shoal-ipc/shoal/shm"
)

type name string

type point struct{ X, Y int32 }

type mark struct {
	N  uint64
	On bool
	F  float64
}

type person struct {
	Name   string
	Born   time.Time
	Labels map[string]int
}

// TestTypes takes keys and values of many types through every operation.
func TestTypes(t *testing.T) {
	born := time.Date(1815, 12, 10, 0, 0, 0, 0, time.UTC)
	ada := person{"ada", born, map[string]int{"a": 1, "b": 2}}
	t.Run("string to fixed", func(t *testing.T) { operations(t, "k", "other", mark{1, true, 0.5}, mark{2, false, -1}) })
	t.Run("named string to string", func(t *testing.T) { operations(t, name(""), name("x"), "one", "") })
	t.Run("number to bytes", func(t *testing.T) { operations(t, 7, -7, []byte("one"), []byte{}) })
	t.Run("struct to number", func(t *testing.T) { operations(t, point{1, 2}, point{2, 1}, 1.5, -0.5) })
	t.Run("bool to CBOR", func(t *testing.T) { operations(t, true, false, ada, person{Name: "x", Born: born}) })
	t.Run("string to binary", func(t *testing.T) { operations(t, "k", "o", *newURL("a"), *newURL("b")) })
	t.Run("array to nothing", func(t *testing.T) {
		m := create[[3]uint16, struct{}](t, heap(t), kv.Spec{})
		must(t, m.Store(t.Context(), [3]uint16{1, 2, 3}, struct{}{}))
		if got := all(t, m); len(got) != 1 {
			t.Errorf("a set is %v", got)
		}
	})
	t.Run("nothing to number", func(t *testing.T) {
		m := create[struct{}, int](t, heap(t), kv.Spec{Cap: 1})
		must(t, m.Store(t.Context(), struct{}{}, 5))
		if x, err := m.Load(struct{}{}); x != 5 || err != nil {
			t.Errorf("%d, %v", x, err)
		}
	})
}

// link encodes itself.
type link struct{ to *string }

func newURL(to string) *link { return &link{&to} }

func (l link) MarshalBinary() ([]byte, error) { return []byte("to:" + *l.to), nil }

func (l *link) UnmarshalBinary(b []byte) error {
	to, ok := strings.CutPrefix(string(b), "to:")
	if !ok {
		return errors.New("no link")
	}
	l.to = &to
	return nil
}

// operations does everything with a map of two entries.
func operations[K comparable, V any](t *testing.T, key, other K, x, y V) {
	seg := heap(t)
	m := create[K, V](t, seg, kv.Spec{Cap: 2})
	p := open[K, V](t, peer(t, seg))
	stores(t, m, p, key, other, x, y)
	swaps(t, m, p, key, x, y)
	deletes(t, m, p, key, x, y)
	must(t, m.Delete(t.Context(), other))
	must(t, m.Delete(t.Context(), other))
	if m.Len() != 0 || m.Cap() != 2 || len(all(t, p)) != 0 {
		t.Errorf("%d entries of %d", m.Len(), m.Cap())
	}
	must(t, seg.Check())
}

func same(x, y any) bool { return reflect.DeepEqual(x, y) }

// is checks the value of a key.
func is[K comparable, V any](t *testing.T, m *kv.Map[K, V], key K, want V) {
	t.Helper()
	if got, err := m.Load(key); !same(got, want) || err != nil {
		t.Fatalf("Load: %v, %v, want %v", got, err, want)
	}
}

func stores[K comparable, V any](t *testing.T, m, p *kv.Map[K, V], key, other K, x, y V) {
	t.Helper()
	_, err := m.Load(key)
	want(t, "Load of none", err, kv.ErrNotFound)
	must(t, m.Store(t.Context(), key, x))
	is(t, p, key, x)
	got, loaded, err := p.LoadOrStore(t.Context(), key, y)
	if !same(got, x) || !loaded || err != nil {
		t.Fatalf("LoadOrStore: %v, %v, %v", got, loaded, err)
	}
	got, loaded, err = p.LoadOrStore(t.Context(), other, y)
	if !same(got, y) || loaded || err != nil {
		t.Fatalf("LoadOrStore of a new key: %v, %v, %v", got, loaded, err)
	}
	if got := all(t, m); len(got) != 2 || !same(got[key], x) || !same(got[other], y) {
		t.Fatalf("all is %v", got)
	}
}

func swaps[K comparable, V any](t *testing.T, m, p *kv.Map[K, V], key K, x, y V) {
	t.Helper()
	for _, step := range []struct{ old, next V }{{y, x}, {x, y}, {x, y}, {y, x}} {
		before, err := m.Load(key)
		must(t, err)
		swapped, err := p.CompareAndSwap(t.Context(), key, step.old, step.next)
		if swapped != same(before, step.old) || err != nil {
			t.Fatalf("CompareAndSwap of %v from %v: %v, %v", before, step.old, swapped, err)
		}
	}
	is(t, m, key, x)
	must(t, m.Update(t.Context(), key, func(v *V, found bool) error {
		if !found || !same(*v, x) {
			t.Errorf("Update of %v, %v", *v, found)
		}
		*v = y
		return nil
	}))
	is(t, p, key, y)
}

func deletes[K comparable, V any](t *testing.T, m, p *kv.Map[K, V], key K, x, y V) {
	t.Helper()
	for _, step := range []struct {
		old  V
		done bool
	}{{x, false}, {y, true}, {y, false}} {
		if deleted, err := m.CompareAndDelete(t.Context(), key, step.old); deleted != step.done || err != nil {
			t.Errorf("CompareAndDelete: %v, %v", deleted, err)
		}
	}
	if swapped, err := m.CompareAndSwap(t.Context(), key, y, x); swapped || err != nil {
		t.Errorf("CompareAndSwap of none: %v, %v", swapped, err)
	}
	must(t, m.Update(t.Context(), key, func(v *V, found bool) error {
		if found || !reflect.ValueOf(v).Elem().IsZero() {
			t.Errorf("Update of none: %v, %v", *v, found)
		}
		*v = x
		return nil
	}))
	got, err := p.LoadAndDelete(t.Context(), key)
	if !same(got, x) || err != nil {
		t.Errorf("LoadAndDelete: %v, %v", got, err)
	}
	_, err = p.LoadAndDelete(t.Context(), key)
	want(t, "LoadAndDelete of none", err, kv.ErrNotFound)
}

func TestSpec(t *testing.T) {
	for _, tt := range []struct {
		given, want kv.Spec
		make        func(t *testing.T, spec kv.Spec) kv.Spec
	}{
		{kv.Spec{}, kv.Spec{Cap: 1024, KeySize: 64, ValueSize: 256}, made[string, any]},
		{kv.Spec{Cap: 5, KeySize: 9, ValueSize: 10}, kv.Spec{Cap: 5, KeySize: 9, ValueSize: 10}, made[string, string]},
		{kv.Spec{}, kv.Spec{Cap: 1024, KeySize: 8, ValueSize: 24}, made[point, mark]},
		{kv.Spec{KeySize: 8, ValueSize: 24}, kv.Spec{Cap: 1024, KeySize: 8, ValueSize: 24}, made[point, mark]},
	} {
		if got := tt.make(t, tt.given); got != tt.want {
			t.Errorf("%+v became %+v", tt.given, got)
		}
	}
}

func made[K comparable, V any](t *testing.T, spec kv.Spec) kv.Spec {
	t.Helper()
	return create[K, V](t, heap(t), spec).Spec()
}

func TestTypesThatCannotBe(t *testing.T) {
	seg := heap(t)
	for _, tt := range []struct {
		path, reason string
		err          error
	}{
		{"", "float64", fails[float64, int](t, seg)},
		{"F", "float32", fails[struct{ F float32 }, int](t, seg)},
		{"A[]", "complex64", fails[struct{ A [2]complex64 }, int](t, seg)},
		{"In.D", "1 bytes of padding before", fails[struct {
			In struct {
				A, B, C uint8
				D       uint32
			}
		}, int](t, seg)},
		{"", "7 bytes of padding at its end", fails[struct {
			A uint64
			B bool
		}, int](t, seg)},
		{"_", "blank", fails[struct {
			A uint64
			_ [8]byte
		}, int](t, seg)},
		{"", "interface", fails[any, int](t, seg)},
		{"", "pointer", fails[*int, int](t, seg)},
		{"S", "string", fails[struct{ S string }, int](t, seg)},
		{"", "", fails[int, chan int](t, seg)},
	} {
		var e *shm.TypeError
		if !errors.As(tt.err, &e) || e.Path != tt.path || !strings.Contains(e.Reason, tt.reason) {
			t.Errorf("%q, %q: %v", tt.path, tt.reason, tt.err)
		}
	}
	if objects, err := seg.Objects(); err != nil || len(objects) != 0 {
		t.Errorf("made %v, %v", objects, err)
	}
}

func fails[K comparable, V any](t *testing.T, seg *shm.Segment) error {
	t.Helper()
	_, err := kv.Create[K, V](t.Context(), seg, "m", kv.Spec{})
	return err
}

type marks1 struct {
	N uint64
	_ [8]byte
}

type marks2 struct {
	N    uint64
	More int64
}

func TestIncompatible(t *testing.T) {
	ctx, seg := t.Context(), heap(t)
	create[string, marks1](t, seg, kv.Spec{Cap: 3})
	_, err := kv.Open[string, marks2](ctx, seg, "m")
	must(t, err) // room for a later version
	for what, err := range map[string]error{
		"other key":          opens[point, marks1](t, seg),
		"other value":        opens[string, uint32](t, seg),
		"encoded value":      opens[string, string](t, seg),
		"another name of it": opens[name, uint64](t, seg),
	} {
		var e *shm.IncompatibleError
		if !errors.As(err, &e) || e.Field != "type" || !strings.Contains(e.Have, "string -> struct(16)") || !strings.Contains(e.Want, " -> ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, opens[name, marks1](t, seg)) // strings are strings
	_, err = kv.OpenOrCreate[string, marks1](ctx, seg, "m", kv.Spec{Cap: 4})
	var e *shm.IncompatibleError
	if !errors.As(err, &e) || e.Field != "Cap" || e.Have != "3" || e.Want != "4" {
		t.Errorf("another Cap: %v", err)
	}
	create2, err := kv.Create[string, string](ctx, seg, "texts", kv.Spec{KeySize: 10, ValueSize: 20})
	must(t, err)
	for field, spec := range map[string]kv.Spec{"KeySize": {KeySize: 11}, "ValueSize": {ValueSize: 21}} {
		_, err := kv.OpenOrCreate[string, string](ctx, seg, create2.Name(), spec)
		if !errors.As(err, &e) || e.Field != field {
			t.Errorf("another %s: %v", field, err)
		}
	}
	_, err = kv.Create[string, string](ctx, seg, "m", kv.Spec{})
	want(t, "Create again", err, fs.ErrExist)
	_, err = kv.Create[string, string](ctx, seg, "big", kv.Spec{Cap: 1 << 20, ValueSize: 1 << 10})
	want(t, "Create of one that is too large", err, shm.ErrNoSpace)
}

func opens[K comparable, V any](t *testing.T, seg *shm.Segment) error {
	t.Helper()
	_, err := kv.Open[K, V](t.Context(), seg, "m")
	return err
}
