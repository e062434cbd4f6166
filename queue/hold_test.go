package queue_test

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// mustBlock starts f, which blocks until what the caller does next, and returns
// what waits for its end.
func mustBlock(t *testing.T, f func() error) (wait func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		t.Fatalf("did not block: %v", err)
	case <-time.After(10 * time.Millisecond):
	}
	return func() error {
		t.Helper()
		select {
		case err := <-done:
			return err
		case <-time.After(30 * time.Second):
			t.Fatal("hangs")
			return nil
		}
	}
}

func TestZero(t *testing.T) {
	var q queue.Queue[int]
	ctx := t.Context()
	for name, call := range calls(ctx, &q) {
		if err := call(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if q.Len() != 0 || q.Cap() != 0 || q.Name() != "" || q.Segment() != nil || q.Spec() != (queue.Spec{}) {
		t.Error("a zero queue has something")
	}
	if _, open := <-q.Ready(); open {
		t.Error("ready")
	}
	var l queue.Loan[int]
	wantError(t, l.Publish(), queue.ErrSettled)
	l.Abandon()
	*l.Value() = 7
	var d queue.Delivery[int]
	wantError(t, d.Ack(), queue.ErrSettled)
	d.Nack()
	if *d.Value() != 0 || d.Attempt() != 0 {
		t.Error("a zero delivery has something")
	}
}

// calls are all that can return an error.
func calls(ctx context.Context, q *queue.Queue[int]) map[string]func() error {
	return map[string]func() error{
		"Put":        func() error { return q.Put(ctx, 1) },
		"TryPut":     func() error { return q.TryPut(1) },
		"PutBatch":   func() error { _, err := q.PutBatch(ctx, []int{1}); return err },
		"Get":        func() error { _, err := q.Get(ctx); return err },
		"TryGet":     func() error { _, err := q.TryGet(); return err },
		"GetBatch":   func() error { _, err := q.GetBatch(ctx, make([]int, 1)); return err },
		"PutFunc":    func() error { return q.PutFunc(ctx, func(*int) error { panic("called") }) },
		"GetFunc":    func() error { return q.GetFunc(ctx, func(*int) error { panic("called") }) },
		"Reserve":    func() error { _, err := q.Reserve(ctx); return err },
		"TryReserve": func() error { _, err := q.TryReserve(); return err },
		"Receive":    func() error { _, err := q.Receive(ctx); return err },
		"TryReceive": func() error { _, err := q.TryReceive(); return err },
		"Shutdown":   q.Shutdown,
		"Join":       func() error { return q.Join(ctx) },
		"All": func() error {
			for _, err := range q.All(ctx) {
				return err
			}
			return nil
		},
		"Deliveries": func() error {
			for _, err := range q.Deliveries(ctx) {
				return err
			}
			return nil
		},
	}
}

// Conformance: QUE-09, QUE-14, SQU-02.
func TestClose(t *testing.T) {
	seg := onHeap(t)
	other := peer(t, seg)
	ctx := within(t)
	mine := mustCreate[int](t, seg, queue.Spec{Cap: 4})
	q := mustOpen[int](t, other)
	must(t, q.Put(ctx, 1))
	must(t, q.Put(ctx, 2))
	d, err := q.Receive(ctx)
	must(t, err)
	l, err := q.Reserve(ctx)
	must(t, err)
	ready := q.Ready()
	<-ready
	blocked := mustBlock(t, func() error { return mine.Join(ctx) })
	must(t, other.Close())
	must(t, other.Close())
	for name, call := range calls(ctx, q) {
		if err := call(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range ready {
	}
	if q.Len() != 0 || q.Cap() != 0 || q.Spec().Cap != 4 || q.Name() != "q" {
		t.Error("Len, Cap, Spec or Name after Close")
	}
	wantError(t, d.Ack(), fs.ErrClosed)
	d.Nack()
	wantError(t, l.Publish(), fs.ErrClosed)
	l.Abandon()
	_, _ = *d.Value(), *l.Value() // memory still
	if mine.Len() != 2 {
		t.Fatal("Len", mine.Len())
	}
	for i := range 2 {
		d, err := mine.Receive(ctx)
		must(t, err)
		if *d.Value() != i+1 || d.Attempt() != 2-i {
			t.Errorf("got %d, attempt %d", *d.Value(), d.Attempt())
		}
		must(t, d.Ack())
	}
	must(t, blocked())
}

func TestCloseEndsWaits(t *testing.T) {
	seg := onHeap(t)
	q := mustCreate[int](t, seg, queue.Spec{Cap: 1})
	other := peer(t, seg)
	r := mustOpen[int](t, other)
	ctx := within(t)
	get := mustBlock(t, func() error { _, err := r.Get(ctx); return err })
	receive := mustBlock(t, func() error { _, err := r.Receive(ctx); return err })
	must(t, other.Close())
	wantError(t, get(), fs.ErrClosed)
	wantError(t, receive(), fs.ErrClosed)
	must(t, q.Put(ctx, 1))
	put := mustBlock(t, func() error { return q.Put(ctx, 2) })
	reserve := mustBlock(t, func() error { _, err := q.Reserve(ctx); return err })
	join := mustBlock(t, func() error { return q.Join(ctx) })
	must(t, seg.Close())
	for _, wait := range []func() error{put, reserve, join} {
		if err := wait(); !errors.Is(err, fs.ErrClosed) || errors.Is(err, queue.ErrShutdown) {
			t.Error(err)
		}
	}
}

func TestReadOnly(t *testing.T) {
	seg, err := shm.Create(t.Context(), "s", shm.Spec{}, &shm.Options{Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { must(t, seg.Close()) })
	q := mustCreate[int](t, seg, queue.Spec{Cap: 4})
	must(t, q.Put(t.Context(), 5))
	f, err := seg.File()
	must(t, err)
	defer f.Close()
	looker, err := shm.FromFile(t.Context(), f, &shm.Options{ReadOnly: true})
	must(t, err)
	r := mustOpen[int](t, looker)
	if r.Len() != 1 || r.Cap() != 4 || r.Spec() != q.Spec() {
		t.Error("a reader sees something else")
	}
	for name, call := range calls(within(t), r) {
		if err := call(); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ready := r.Ready()
	must(t, looker.Close())
	if _, open := <-ready; open {
		t.Error("ready")
	}
}

// Conformance: JQU-03, RQU-06.
func TestShutdownAndJoin(t *testing.T) {
	forEachBacking(t, func(t *testing.T, seg *shm.Segment) {
		ctx := within(t)
		q := mustCreate[string](t, seg, queue.Spec{Cap: 4})
		must(t, q.Join(ctx))
		must(t, q.Put(ctx, "a"))
		l, err := q.Reserve(ctx)
		must(t, err)
		shut := make(chan struct{})
		get := mustBlock(t, func() error {
			for _, want := range []string{"a", "late"} {
				x, err := q.Get(ctx)
				if err != nil || x != want {
					return errors.Join(err, errors.New(x))
				}
				if want == "a" {
					if err := q.Shutdown(); err != nil {
						return err
					}
					close(shut)
				}
			}
			_, err := q.Get(ctx)
			return err
		})
		select {
		case <-shut:
		case <-ctx.Done():
			t.Fatal("it is not shut down")
		}
		wantError(t, q.Put(ctx, "no"), queue.ErrShutdown)
		_, err = q.Reserve(ctx)
		wantError(t, err, queue.ErrShutdown)
		wantError(t, q.PutFunc(ctx, nil), queue.ErrShutdown)
		*l.Value() = "late"
		must(t, l.Publish())
		wantError(t, get(), queue.ErrShutdown)
		wantError(t, tryGet(q), fs.ErrClosed)
		must(t, q.Shutdown())
		must(t, q.Join(ctx))
		for _, err := range q.All(ctx) {
			t.Error("yielded", err)
		}
		for _, err := range q.Deliveries(ctx) {
			t.Error("yielded", err)
		}
		for range q.Ready() {
		}
	})
}

// GetFunc and PutFunc settle themselves however the function ends.
func TestFuncsSettle(t *testing.T) {
	seg := onHeap(t)
	ctx := within(t)
	q := mustCreate[int](t, seg, queue.Spec{Cap: 1})
	ends := map[string]func(*int) error{
		"error":  func(*int) error { return errBad },
		"panic":  func(*int) error { panic("here") },
		"goexit": func(*int) error { runtime.Goexit(); return nil },
	}
	run := func(f func() error) {
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() { _ = recover() }()
			if err := f(); !errors.Is(err, errBad) {
				t.Errorf("ended with %v", err)
			}
		})
		wg.Wait()
	}
	for name, end := range ends {
		run(func() error { return q.PutFunc(ctx, end) })
		if q.Len() != 0 {
			t.Fatal(name, "put something")
		}
		must(t, q.TryPut(1))
		for range 3 {
			run(func() error { return q.GetFunc(ctx, end) })
		}
		d, err := q.TryReceive()
		must(t, err)
		if d.Attempt() != 4 {
			t.Errorf("%s: attempt %d", name, d.Attempt())
		}
		must(t, d.Ack())
	}
}

// Frames of a fixed layout and of bytes are built and read in shared memory.
func TestInPlace(t *testing.T) {
	seg := onHeap(t)
	ctx := within(t)
	type frame struct {
		N    int
		Data [4000]byte
	}
	frames, err := queue.Create[frame](ctx, seg, "frames", queue.Spec{Cap: 4})
	must(t, err)
	for i := range 10 { // more than there is room for: what is used comes back
		must(t, frames.PutFunc(ctx, func(f *frame) error {
			if *f != (frame{}) {
				t.Error("not zero")
			}
			f.N, f.Data[i] = i, 1
			return nil
		}))
		d, err := frames.Receive(ctx)
		must(t, err)
		if d.Value().N != i || d.Value().Data[i] != 1 {
			t.Error("another frame")
		}
		before := d.Value()
		d.Nack()
		d, err = frames.Receive(ctx)
		must(t, err)
		if d.Value() != before {
			t.Error("the message has moved")
		}
		must(t, d.Ack())
	}
	blobs, err := queue.Create[[]byte](ctx, seg, "blobs", queue.Spec{Cap: 4, SlotSize: 3000, MaxSize: 9000})
	must(t, err)
	for _, n := range []int{0, 1, 1024, 1025, 3000, 3001, 9000} {
		must(t, blobs.PutFunc(ctx, func(b *[]byte) error {
			if len(*b) != 3000 || cap(*b) != 3000 {
				t.Errorf("lent %d of %d bytes", len(*b), cap(*b))
			}
			if n > 3000 {
				*b = make([]byte, n)
			}
			*b = (*b)[:n]
			for i := range *b {
				(*b)[i] = byte(n + i)
			}
			return nil
		}))
		must(t, blobs.GetFunc(ctx, func(b *[]byte) error {
			if len(*b) != n || cap(*b) != n {
				t.Errorf("got %d of %d bytes, want %d", len(*b), cap(*b), n)
			}
			for i := range *b {
				if (*b)[i] != byte(n+i) {
					t.Fatalf("byte %d of %d is another", i, n)
				}
			}
			return nil
		}))
	}
	must(t, blobs.PutFunc(ctx, func(b *[]byte) error { // a part of what was lent
		copy((*b)[100:], "middle")
		*b = (*b)[100:2000]
		return nil
	}))
	b, err := blobs.Get(ctx)
	must(t, err)
	if len(b) != 1900 || string(b[:6]) != "middle" {
		t.Error("not the part")
	}
	wantError(t, blobs.PutFunc(ctx, func(b *[]byte) error { *b = make([]byte, 9001); return nil }), queue.ErrTooLarge)
}

// A bool that another process set to something else is true, wherever it is read.
func TestBools(t *testing.T) {
	seg := onHeap(t)
	ctx := within(t)
	type twoBools struct{ A, B bool }
	q := mustCreate[twoBools](t, seg, queue.Spec{Cap: 2})
	want := twoBools{true, false}
	check := func(x twoBools) {
		t.Helper()
		if x != want || x.A != want.A {
			t.Errorf("got %v", x)
		}
	}
	for range 2 {
		must(t, q.Port().TryPut([]byte{7, 0}))
	}
	x, err := q.Get(ctx)
	must(t, err)
	check(x)
	must(t, q.GetFunc(ctx, func(x *twoBools) error { check(*x); return nil }))
	must(t, q.Port().TryPut([]byte{3})) // not even as long as it should be
	_, err = q.TryGet()
	wantError(t, err, shm.ErrCorrupt)
	must(t, q.Port().TryPut([]byte{3}))
	_, err = q.TryReceive()
	wantError(t, err, shm.ErrCorrupt)
	wantError(t, tryGet(q), queue.ErrEmpty)
}

func tryGet[T any](q *queue.Queue[T]) error { _, err := q.TryGet(); return err }

func TestText(t *testing.T) {
	seg, err := shm.Anonymous(shm.Spec{})
	must(t, err)
	t.Cleanup(func() { must(t, seg.Close()) })
	q := mustCreate[string](t, seg, queue.Spec{Cap: 4})
	text, err := q.MarshalText()
	must(t, err)
	var r queue.Queue[string]
	must(t, r.UnmarshalText(text))
	must(t, q.Put(t.Context(), "x"))
	if x, err := r.Get(t.Context()); x != "x" || err != nil {
		t.Fatal(x, err)
	}
	var wrong queue.Queue[int]
	wantError(t, wrong.UnmarshalText(text), shm.ErrIncompatible)
	wantError(t, wrong.UnmarshalText([]byte("nonsense")), fs.ErrInvalid)
	must(t, r.Segment().Close())
}

func TestReadyMeansTry(t *testing.T) {
	seg := onHeap(t)
	ctx := within(t)
	q := mustCreate[int](t, seg, queue.Spec{Cap: 2})
	if first := q.Ready(); first != q.Ready() {
		t.Fatal("not the same channel")
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 100 {
			if err := q.Put(ctx, i); err != nil {
				t.Error(err)
			}
		}
		if err := q.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	next := 0
	for range q.Ready() {
		for {
			x, err := q.TryGet()
			if err != nil {
				break
			}
			if x != next {
				t.Fatalf("got %d, want %d", x, next)
			}
			next++
		}
	}
	if next != 100 {
		t.Fatalf("got %d messages", next)
	}
	wg.Wait()
}
