package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"testing"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

type point struct {
	X, Y int32
	On   bool
	Name [5]byte
}

type person struct {
	Name  string
	Age   int
	Notes map[string]any
}

// version is a type with its own encoding; "bad" has none, "worse" cannot be decoded.
type version struct{ text string }

var errBad = errors.New("bad version")

func (v version) MarshalBinary() ([]byte, error) {
	if v.text == "bad" {
		return nil, errBad
	}
	return []byte("v" + v.text), nil
}

func (v *version) UnmarshalBinary(b []byte) error {
	if len(b) == 0 || b[0] != 'v' || string(b) == "vworse" {
		return errBad
	}
	v.text = string(b[1:])
	return nil
}

// exchange puts and gets xs in every way that there is.
func exchange[T any](t *testing.T, seg *shm.Segment, spec queue.Spec, xs ...T) {
	t.Helper()
	ctx := within(t)
	q, err := queue.Create[T](ctx, seg, fmt.Sprintf("%s-%d", reflect.TypeFor[T]().Kind(), reflect.TypeFor[T]().Size()+uintptr(len(xs))), spec)
	must(t, err)
	same := func(how string, got, want T) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: got %.60v, want %.60v", how, got, want)
		}
	}
	for _, x := range xs {
		must(t, q.Put(ctx, x))
		must(t, q.TryPut(x))
		got, err := q.Get(ctx)
		must(t, err)
		same("Get", got, x)
		got, err = q.TryGet()
		must(t, err)
		same("TryGet", got, x)

		must(t, q.PutFunc(ctx, func(p *T) error { *p = x; return nil }))
		must(t, q.GetFunc(ctx, func(p *T) error { same("GetFunc", *p, x); return nil }))

		l, err := q.Reserve(ctx)
		must(t, err)
		*l.Value() = x
		must(t, l.Publish())
		wantError(t, l.Publish(), queue.ErrSettled)
		l.Abandon()
		d, err := q.Receive(ctx)
		must(t, err)
		same("Receive", *d.Value(), x)
		d.Nack()
		wantError(t, d.Ack(), queue.ErrSettled)
		d, err = q.TryReceive()
		must(t, err)
		same("Receive again", *d.Value(), x)
		if d.Attempt() != 2 {
			t.Fatalf("attempt %d", d.Attempt())
		}
		must(t, d.Ack())
		d.Nack()
		wantError(t, d.Ack(), queue.ErrSettled)
	}
	n, err := q.PutBatch(ctx, xs)
	if err != nil || n != len(xs) {
		t.Fatal(n, err)
	}
	dst := make([]T, len(xs)+3)
	n, err = q.GetBatch(ctx, dst)
	if err != nil || n != len(xs) {
		t.Fatal(n, err)
	}
	for i, x := range xs {
		same("GetBatch", dst[i], x)
	}
	_, err = q.PutBatch(ctx, xs)
	must(t, err)
	must(t, q.Shutdown())
	i := 0
	for x, err := range q.All(ctx) {
		must(t, err)
		same("All", x, xs[i])
		i++
	}
	if i != len(xs) || q.Len() != 0 {
		t.Fatalf("All yielded %d of %d, %d left", i, len(xs), q.Len())
	}
}

// Conformance: QUE-10, JQU-02.
func TestExchange(t *testing.T) {
	forEachBacking(t, func(t *testing.T, seg *shm.Segment) {
		small := queue.Spec{Cap: 8}
		long := bytes.Repeat([]byte("0123456789"), 5000)
		exchange[int64](t, seg, small, 0, 1, -1<<60)
		exchange(t, seg, small, point{1, 2, true, [5]byte{1, 2}}, point{})
		exchange(t, seg, small, struct{}{})
		exchange(t, seg, small, [300]uint16{7, 9}, [300]uint16{})
		exchange(t, seg, small, [3000]uint32{7, 9}, [3000]uint32{})
		exchange(t, seg, queue.Spec{Cap: 8, SlotSize: 20000}, [4000]uint32{7, 9}, [4000]uint32{1})
		exchange(t, seg, small, []byte{}, []byte("a"), long[:256], long[:257], long[:2000], long)
		exchange(t, seg, queue.Spec{Cap: 8, SlotSize: 5000, MaxSize: 100000}, [][]byte{{}, []byte("a"), long[:256], long[:2000], long}...)
		exchange(t, seg, small, "", "a", string(long[:256]), string(long[:2000]), string(long))
		exchange(t, seg, small, version{"1"}, version{""}, version{string(long)})
		exchange(t, seg, small, person{"ann", 3, map[string]any{"a": "b"}}, person{}, person{string(long), 1, nil})
		exchange[any](t, seg, small, nil, "text", int64(5), []any{"a", int64(1)}, map[string]any{"k": true})
		exchange(t, seg, queue.Spec{Mode: queue.SPSC}, 1.5, 0)
	})
}

func spec(capacity int, mode queue.Mode, slot, most, heap int) queue.Spec {
	return queue.Spec{Cap: capacity, Mode: mode, SlotSize: slot, MaxSize: most, Heap: heap}
}

// Conformance: QUE-08, RQU-08.
func TestSpecs(t *testing.T) {
	seg := onHeap(t)
	ctx := within(t)
	for i, c := range []struct{ spec, want queue.Spec }{
		{queue.Spec{}, spec(64, queue.MPMC, 256, 1<<20, 4<<20)},
		{queue.Spec{SlotSize: 1000}, spec(64, queue.MPMC, 1000, 1<<20, 4<<20)},
		{queue.Spec{Cap: 3, MaxSize: 2000}, spec(3, queue.MPMC, 256, 2000, 8000)},
		{queue.Spec{Cap: 3, MaxSize: 2000, Heap: 3000}, spec(3, queue.MPMC, 256, 2000, 3000)},
		{queue.Spec{Cap: 3, SlotSize: 2 << 20, Mode: queue.SPSC}, spec(3, queue.SPSC, 2<<20, 2<<20, 0)},
	} {
		q, err := queue.Create[string](ctx, seg, fmt.Sprint("s", i), c.spec)
		must(t, err)
		if q.Spec() != c.want || q.Cap() != c.want.Cap {
			t.Errorf("%+v makes %+v, want %+v", c.spec, q.Spec(), c.want)
		}
	}
	fixed, err := queue.Create[int32](ctx, seg, "f", queue.Spec{})
	must(t, err)
	if want := spec(64, queue.MPMC, 4, 4, 0); fixed.Spec() != want {
		t.Errorf("Spec is %+v, want %+v", fixed.Spec(), want)
	}
	large, err := queue.Create[[3 << 20]byte](ctx, seg, "l", queue.Spec{Cap: 2})
	must(t, err)
	if want := spec(2, queue.MPMC, 256, 3<<20, 12<<20); large.Spec() != want {
		t.Errorf("Spec is %+v, want %+v", large.Spec(), want)
	}
	for _, bad := range []queue.Spec{
		{Cap: -1},
		{SlotSize: -1},
		{MaxSize: -1},
		{Heap: -1},
		{Mode: 9},
		{MaxSize: 100},
		{MaxSize: 1 << 20, Heap: 1 << 19},
		{Cap: 1 << 30},
		{SlotSize: 1 << 40},
	} {
		_, err := queue.Create[string](ctx, seg, "bad", bad)
		wantError(t, err, fs.ErrInvalid)
	}
	_, err = queue.Create[int64](ctx, seg, "bad", queue.Spec{SlotSize: 4, MaxSize: 4})
	wantError(t, err, fs.ErrInvalid)
	_, err = queue.Create[func()](ctx, seg, "bad", queue.Spec{})
	wantError(t, err, shm.ErrType)
}

func TestOpen(t *testing.T) {
	forEachBacking(t, func(t *testing.T, seg *shm.Segment) {
		ctx := within(t)
		_, err := queue.Open[int](ctx, seg, "q")
		wantError(t, err, fs.ErrNotExist)
		q, err := queue.OpenOrCreate[int](ctx, seg, "q", queue.Spec{Cap: 5})
		must(t, err)
		must(t, q.Put(ctx, 7))
		_, err = queue.Create[int](ctx, seg, "q", queue.Spec{})
		wantError(t, err, fs.ErrExist)
		r, err := queue.OpenOrCreate[int](ctx, seg, "q", queue.Spec{Cap: 5})
		must(t, err)
		if x, err := r.Get(ctx); x != 7 || err != nil {
			t.Fatal(x, err)
		}
		for _, spec := range []queue.Spec{{Cap: 6}, {Mode: queue.SPSC}, {SlotSize: 100}, {MaxSize: 1 << 20}, {Heap: 1 << 20}} {
			_, err = queue.OpenOrCreate[int](ctx, seg, "q", spec)
			wantError(t, err, shm.ErrIncompatible)
		}
		_, err = queue.Open[string](ctx, seg, "q")
		var differs *shm.IncompatibleError
		if !errors.As(err, &differs) || differs.Field != "type" {
			t.Fatal(err)
		}
		_, err = queue.Open[uint64](ctx, seg, "q")
		wantError(t, err, shm.ErrIncompatible)
	})
}

// Conformance: QUE-12.
func TestErrors(t *testing.T) {
	seg := onHeap(t)
	ctx := within(t)
	q := mustCreate[version](t, seg, queue.Spec{Cap: 2, MaxSize: 1000})
	wantError(t, q.Put(ctx, version{"bad"}), errBad)
	wantError(t, q.TryPut(version{"bad"}), errBad)
	wantError(t, q.PutFunc(ctx, func(v *version) error { v.text = "bad"; return nil }), errBad)
	big := version{string(make([]byte, 1000))}
	wantError(t, q.Put(ctx, big), queue.ErrTooLarge)
	wantError(t, q.TryPut(big), queue.ErrTooLarge)
	wantError(t, q.PutFunc(ctx, func(v *version) error { *v = big; return nil }), queue.ErrTooLarge)
	wantError(t, q.PutFunc(ctx, func(*version) error { return errBad }), errBad)

	l, err := q.Reserve(ctx)
	must(t, err)
	l.Value().text = "bad"
	wantError(t, l.Publish(), errBad)
	*l.Value() = big
	wantError(t, l.Publish(), queue.ErrTooLarge)
	l.Value().text = "good"
	must(t, l.Publish())

	must(t, q.Put(ctx, version{"worse"}))
	if x, err := q.Get(ctx); x.text != "good" || err != nil {
		t.Fatal(x, err)
	}
	_, err = q.Get(ctx)
	wantError(t, err, errBad)
	must(t, q.Put(ctx, version{"worse"}))
	_, err = q.Receive(ctx)
	wantError(t, err, errBad)
	must(t, q.Put(ctx, version{"worse"}))
	wantError(t, q.GetFunc(ctx, func(*version) error { t.Error("called"); return nil }), errBad)
	_, err = q.TryGet()
	wantError(t, err, queue.ErrEmpty)
	must(t, q.Join(ctx))

	must(t, q.Put(ctx, version{"1"}))
	must(t, q.Put(ctx, version{"2"}))
	wantError(t, q.TryPut(version{"3"}), queue.ErrFull)
	_, err = q.TryReserve()
	wantError(t, err, queue.ErrFull)
	done, cancel := context.WithCancel(ctx)
	cancel()
	for name, call := range map[string]func() error{
		"Put":      func() error { return q.Put(done, version{}) },
		"PutBatch": func() error { _, err := q.PutBatch(done, nil); return err },
		"Get":      func() error { _, err := q.Get(done); return err },
		"GetBatch": func() error { _, err := q.GetBatch(done, nil); return err },
		"PutFunc":  func() error { return q.PutFunc(done, nil) },
		"GetFunc":  func() error { return q.GetFunc(done, nil) },
		"Reserve":  func() error { _, err := q.Reserve(done); return err },
		"Receive":  func() error { _, err := q.Receive(done); return err },
		"Join":     func() error { return q.Join(done) },
		"Create":   func() error { _, err := queue.Create[int](done, seg, "new", queue.Spec{}); return err },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if q.Len() != 2 {
		t.Fatal("Len", q.Len())
	}
}
