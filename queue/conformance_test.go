//go:build linux

package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

// TestConformanceQueue has a subtest for each thing that users of queues rely on
// and that no other test here shows. Those that bear an id in their comment
// show the rest.
func TestConformanceQueue(t *testing.T) {
	for name, f := range map[string]func(t *testing.T){
		"QUE-01": putInEveryWay, "QUE-02": fullInEveryWay, "QUE-03": getInEveryWay, "QUE-04": childDrains,
		"QUE-05": timeIsUp, "QUE-06": parentThenChild, "QUE-07": lengths, "QUE-11": sixteenMebibytes,
		"QUE-15": shutdownEverywhere, "QUE-16": nested, "QUE-17": blockedWake,
		"SQU-01": emptyOrNot, "RTF-01": neverEarly,
	} {
		t.Run(name, f)
	}
}

// numbers is a queue of up to six numbers that children can have.
func numbers(t *testing.T, capacity int) *queue.Queue[int] {
	t.Helper()
	return mustCreate[int](t, shmtest.Segment(t, shm.Spec{}), queue.Spec{Cap: capacity})
}

func wantLen(t *testing.T, q *queue.Queue[int], n int) {
	t.Helper()
	if q.Len() != n {
		t.Errorf("%d messages, want %d", q.Len(), n)
	}
}

// fill puts 1 to 6 in six ways.
func fill(t *testing.T, q *queue.Queue[int]) {
	t.Helper()
	ctx := within(t)
	must(t, q.Put(ctx, 1))
	must(t, q.TryPut(2))
	_, err := q.PutBatch(ctx, []int{3})
	must(t, err)
	must(t, q.PutFunc(ctx, func(x *int) error { *x = 4; return nil }))
	l, err := q.Reserve(ctx)
	must(t, err)
	*l.Value() = 5
	must(t, l.Publish())
	l, err = q.TryReserve()
	must(t, err)
	*l.Value() = 6
	must(t, l.Publish())
}

func putInEveryWay(t *testing.T) {
	q := numbers(t, 6)
	wantLen(t, q, 0)
	fill(t, q)
	wantLen(t, q, q.Cap())
}

// brief is a context that ends soon, or has ended.
func brief(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// notBefore checks that a call that waits for what does not come ends by its
// deadline, and not before.
func notBefore(t *testing.T, what string, d time.Duration, call func(ctx context.Context) error) {
	t.Helper()
	start := time.Now()
	err := call(brief(t, d))
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took < d {
		t.Errorf("%s: %v after %v, want the deadline after %v", what, err, took, d)
	}
}

func putters(q *queue.Queue[int]) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Put":      func(ctx context.Context) error { return q.Put(ctx, 7) },
		"PutBatch": func(ctx context.Context) error { _, err := q.PutBatch(ctx, []int{7}); return err },
		"PutFunc":  func(ctx context.Context) error { return q.PutFunc(ctx, func(*int) error { return nil }) },
		"Reserve":  func(ctx context.Context) error { _, err := q.Reserve(ctx); return err },
	}
}

func getters(q *queue.Queue[int]) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Get":      func(ctx context.Context) error { _, err := q.Get(ctx); return err },
		"GetBatch": func(ctx context.Context) error { _, err := q.GetBatch(ctx, make([]int, 2)); return err },
		"GetFunc":  func(ctx context.Context) error { return q.GetFunc(ctx, func(*int) error { return nil }) },
		"Receive":  func(ctx context.Context) error { _, err := q.Receive(ctx); return err },
	}
}

func fullInEveryWay(t *testing.T) {
	q := numbers(t, 6)
	fill(t, q)
	wantError(t, q.TryPut(7), queue.ErrFull)
	_, err := q.TryReserve()
	wantError(t, err, queue.ErrFull)
	for name, put := range putters(q) {
		notBefore(t, name, 10*time.Millisecond, put)
	}
	wantLen(t, q, 6)
	for i := range 6 {
		if x, err := q.TryGet(); x != i+1 || err != nil {
			t.Errorf("got %d, %v", x, err)
		}
	}
	must(t, q.TryPut(7)) // no claim is left
}

func getInEveryWay(t *testing.T) {
	q := numbers(t, 6)
	fill(t, q)
	ctx := within(t)
	var got []int
	add := func(x int, err error) {
		t.Helper()
		must(t, err)
		got = append(got, x)
	}
	add(q.Get(ctx))
	add(q.TryGet())
	batch := make([]int, 1)
	_, err := q.GetBatch(ctx, batch)
	add(batch[0], err)
	must(t, q.GetFunc(ctx, func(x *int) error { add(*x, nil); return nil }))
	d, err := q.Receive(ctx)
	must(t, err)
	add(*d.Value(), d.Ack())
	d, err = q.TryReceive()
	must(t, err)
	add(*d.Value(), d.Ack())
	if !slices.Equal(got, []int{1, 2, 3, 4, 5, 6}) {
		t.Errorf("got %v", got)
	}
	wantError(t, tryGet(q), queue.ErrEmpty)
	_, err = q.TryReceive()
	wantError(t, err, queue.ErrEmpty)
	for name, get := range getters(q) {
		notBefore(t, name, 10*time.Millisecond, get)
	}
}

// conforms is what the children below are told.
type conforms struct {
	Q, Other *queue.Queue[int]
	From, N  int
}

var (
	// conformsPuts puts N numbers.
	conformsPuts = process.Func("queue-puts", func(ctx context.Context, a conforms) error {
		for i := range a.N {
			if err := a.Q.Put(ctx, a.From+i); err != nil {
				return err
			}
		}
		return nil
	})
	// conformsMoves gets N numbers and puts them into the other queue.
	conformsMoves = process.Func("queue-moves", func(ctx context.Context, a conforms) error {
		for range a.N {
			x, err := a.Q.Get(ctx)
			if err != nil {
				return err
			}
			if err := a.Other.Put(ctx, x); err != nil {
				return err
			}
		}
		return nil
	})
	// conformsEnds is at its good end when a call says that the queue is shut down.
	conformsEnds = process.Func("queue-ends", func(ctx context.Context, a conforms) error {
		fmt.Println("begins")
		var err error
		switch a.From {
		case 0:
			_, err = a.Q.Get(ctx)
		case 1:
			err = a.Q.Put(ctx, 1)
		case 2:
			_, err = a.Q.Receive(ctx)
		}
		if !errors.Is(err, queue.ErrShutdown) {
			return fmt.Errorf("it ends with %w", err)
		}
		return nil
	})
	// conformsPass puts a number and lets a child of its own put the next one.
	conformsPass = process.Func("queue-pass", func(ctx context.Context, a conforms) error {
		if err := a.Q.Put(ctx, a.From); err != nil {
			return err
		}
		return conformsPuts.Run(ctx, conforms{Q: a.Q, From: a.From + 1, N: 1})
	})
	// conformsWorks acknowledges what it gets, until it gets a zero.
	conformsWorks = process.Func("queue-works", func(ctx context.Context, a conforms) error {
		for {
			d, err := a.Q.Receive(ctx)
			if err != nil {
				return err
			}
			if *d.Value() == 0 {
				return d.Ack()
			}
			if err := errors.Join(a.Other.Put(ctx, *d.Value()), d.Ack()); err != nil {
				return err
			}
		}
	})
	conformsJoins = process.Func("queue-joins", func(ctx context.Context, a conforms) error {
		fmt.Println("begins")
		return a.Q.Join(ctx)
	})
)

func run(t *testing.T, f *process.Function[conforms], a conforms) {
	t.Helper()
	must(t, f.Run(within(t), a))
}

func childDrains(t *testing.T) {
	q := numbers(t, 6)
	other := numbers(t, 6)
	fill(t, q)
	run(t, conformsMoves, conforms{Q: q, Other: other, N: 6})
	wantLen(t, q, 0)
	wantLen(t, other, 6)
	must(t, q.TryPut(1))
}

// A context that is done is an error whether or not the call would have waited,
// and nothing was put or taken.
func timeIsUp(t *testing.T) {
	q := numbers(t, 2)
	for _, d := range []time.Duration{0, -time.Second} {
		for n := range 3 {
			for name, call := range putters(q) {
				notBefore(t, name, d, call)
			}
			for name, call := range getters(q) {
				notBefore(t, name, d, call)
			}
			wantLen(t, q, n)
			if n < 2 {
				must(t, q.TryPut(n))
			}
		}
		for i := range 2 {
			if x, err := q.TryGet(); x != i || err != nil {
				t.Errorf("got %d, %v", x, err)
			}
		}
	}
}

func parentThenChild(t *testing.T) {
	q := numbers(t, 20)
	for i := range 10 {
		must(t, q.TryPut(i))
	}
	run(t, conformsPuts, conforms{Q: q, From: 10, N: 10})
	for i := range 20 {
		if x, err := q.TryGet(); x != i || err != nil {
			t.Errorf("got %d, %v; want %d", x, err, i)
		}
	}
	wantError(t, tryGet(q), queue.ErrEmpty)
}

func lengths(t *testing.T) {
	q := numbers(t, 2)
	wantLen(t, q, 0)
	for n := range 2 {
		must(t, q.TryPut(n))
		wantLen(t, q, n+1)
	}
	for n := range 2 {
		must(t, tryGet(q))
		wantLen(t, q, 1-n)
	}
}

func sixteenMebibytes(t *testing.T) {
	const size = 16 << 20
	q := mustCreate[[]byte](t, shmtest.Segment(t, shm.Spec{}), queue.Spec{Cap: 2, MaxSize: size, Heap: size})
	b := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	must(t, q.Put(within(t), b))
	got, err := q.Get(within(t))
	if err != nil || !bytes.Equal(got, b) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	wantError(t, q.Put(within(t), append(b, 0)), queue.ErrTooLarge)
	must(t, q.TryPut(b))
}

// talk starts children that say that they begin.
func talk(t *testing.T, f *process.Function[conforms], all ...conforms) []*process.Child {
	t.Helper()
	var children []*process.Child
	for _, a := range all {
		children = append(children, startTalking(t, f, a))
	}
	return children
}

// asleep waits until n wait for something of q's segment.
func asleep(t *testing.T, q *queue.Queue[int], n int) {
	t.Helper()
	ctx := within(t)
	for {
		holds, err := q.Segment().Holds()
		must(t, err)
		waiting := 0
		for _, h := range holds {
			if h.Waiting {
				waiting += h.Count
			}
		}
		if waiting >= n {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%d wait, want %d", waiting, n)
		}
	}
}

// Conformance: RQU-05.
func shutdownEverywhere(t *testing.T) {
	empty, full := numbers(t, 2), numbers(t, 1)
	must(t, full.TryPut(1))
	children := talk(t, conformsEnds, conforms{Q: empty, From: 0}, conforms{Q: empty, From: 2}, conforms{Q: full, From: 1})
	asleep(t, empty, 2)
	asleep(t, full, 1)
	must(t, empty.Shutdown())
	must(t, full.Shutdown())
	must(t, process.Wait(within(t), children...))
	must(t, empty.Join(within(t)))
	wantLen(t, empty, 0)
	run(t, conformsEnds, conforms{Q: empty}) // who comes later is told too
	wantError(t, empty.TryPut(1), queue.ErrShutdown)
	if x, err := full.TryGet(); x != 1 || err != nil { // what was there can be had
		t.Errorf("got %d, %v", x, err)
	}
	wantError(t, tryGet(full), queue.ErrShutdown)
}

func nested(t *testing.T) {
	q := numbers(t, 2)
	run(t, conformsPass, conforms{Q: q, From: 1})
	a, err := q.TryGet()
	must(t, err)
	b, err := q.TryGet()
	must(t, err)
	if a+b != 3 {
		t.Errorf("got %d and %d", a, b)
	}
}

func blockedWake(t *testing.T) {
	q, other := numbers(t, 10), numbers(t, 10)
	const n = 1000
	child, err := conformsMoves.Start(within(t), conforms{Q: q, Other: other, N: n})
	must(t, err)
	asleep(t, q, 1) // the getter, until the first put
	put := mustBlock(t, func() error {
		for i := range n {
			if err := q.Put(within(t), i); err != nil {
				return err
			}
		}
		return nil
	})
	asleep(t, other, 1) // the putter, until the first get
	for i := range n {
		if x, err := other.Get(within(t)); x != i || err != nil {
			t.Fatalf("got %d, %v; want %d", x, err, i)
		}
	}
	must(t, put())
	must(t, child.Wait(within(t)))
}

func neverEarly(t *testing.T) {
	empty, full := numbers(t, 1), numbers(t, 1)
	must(t, full.TryPut(1))
	for range 20 {
		const d = 3 * time.Millisecond
		for name, call := range putters(full) {
			notBefore(t, name, d, call)
		}
		for name, call := range getters(empty) {
			notBefore(t, name, d, call)
		}
		notBefore(t, "Join", d, full.Join)
		notBefore(t, "All", d, func(ctx context.Context) error {
			for _, err := range empty.All(ctx) {
				return err
			}
			return fs.ErrInvalid
		})
	}
}

func emptyOrNot(t *testing.T) {
	q := numbers(t, 4)
	wantLen(t, q, 0)
	run(t, conformsPuts, conforms{Q: q, N: 1})
	wantLen(t, q, 1)
	must(t, tryGet(q))
	wantLen(t, q, 0)
}
