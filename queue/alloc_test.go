package queue_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/stage"
	"github.com/shoal-ipc/shoal/queue"
)

// measure reports what one round of f allocates.
func measure(t *testing.T, name string, f func() error) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Helper()
		run := func() {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}
		run() // the first time makes room
		if n := stage.Allocs(200, run); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func measureAll[T any](t *testing.T, spec queue.Spec, x T, change func(*T) error) {
	t.Helper()
	q, err := queue.Create[T](t.Context(), onHeap(t), "q", spec)
	must(t, err)
	ctx := within(t)
	measure(t, "Put and Get", func() error {
		if err := q.Put(ctx, x); err != nil {
			return err
		}
		_, err := q.Get(ctx)
		return err
	})
	measure(t, "TryPut and TryGet", func() error {
		if err := q.TryPut(x); err != nil {
			return err
		}
		_, err := q.TryGet()
		return err
	})
	src, dst := []T{x, x, x}, make([]T, 3)
	measure(t, "batches", func() error {
		if _, err := q.PutBatch(ctx, src); err != nil {
			return err
		}
		_, err := q.GetBatch(ctx, dst)
		return err
	})
	measureHolds(t, q, change)
}

func measureHolds[T any](t *testing.T, q *queue.Queue[T], change func(*T) error) {
	t.Helper()
	ctx := within(t)
	measure(t, "functions", func() error {
		if err := q.PutFunc(ctx, change); err != nil {
			return err
		}
		return q.GetFunc(ctx, change)
	})
	measure(t, "loans and deliveries", func() error {
		l, err := q.Reserve(ctx)
		if err != nil {
			return err
		}
		defer l.Abandon()
		if err := change(l.Value()); err != nil {
			return err
		}
		if err := l.Publish(); err != nil {
			return err
		}
		d, err := q.Receive(ctx)
		if err != nil {
			return err
		}
		defer d.Nack()
		if err := change(d.Value()); err != nil {
			return err
		}
		return d.Ack()
	})
	if err := q.Shutdown(); err != nil {
		t.Error(err)
	}
}

func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	type large struct {
		N    int
		Rest [5000]byte
	}
	t.Run("int", func(t *testing.T) { measureAll(t, queue.Spec{}, 7, func(x *int) error { *x++; return nil }) })
	t.Run("struct", func(t *testing.T) { measureAll(t, queue.Spec{}, point{}, func(x *point) error { x.X++; return nil }) })
	t.Run("SPSC", func(t *testing.T) {
		measureAll(t, queue.Spec{Mode: queue.SPSC}, point{}, func(x *point) error { x.X++; return nil })
	})
	t.Run("large, SPSC", func(t *testing.T) {
		measureAll(t, queue.Spec{Mode: queue.SPSC, SlotSize: 8000}, large{}, func(x *large) error { x.N++; return nil })
	})
	t.Run("large", func(t *testing.T) { measureAll(t, queue.Spec{}, large{}, func(x *large) error { x.N++; return nil }) })
	t.Run("cell", func(t *testing.T) {
		measureAll(t, queue.Spec{SlotSize: 8000}, large{}, func(x *large) error { x.N++; return nil })
	})
	// What bytes are got into is memory of the caller's own; the rest is free.
	bytes, err := queue.Create[[]byte](t.Context(), onHeap(t), "q", queue.Spec{})
	must(t, err)
	measureHolds(t, bytes, func(b *[]byte) error { *b = (*b)[:10]; return nil })
}
