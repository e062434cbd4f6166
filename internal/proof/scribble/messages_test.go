package scribble_test

import (
	"context"
	"strings"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

const (
	queueCap  = 5
	queueSlot = 64
)

func jobSteps(name string, mode queue.Mode) func(context.Context, *shm.Segment) ([]step, error) {
	return func(ctx context.Context, seg *shm.Segment) ([]step, error) {
		q, err := queue.OpenOrCreate[pair](ctx, seg, name, queue.Spec{Cap: queueCap, SlotSize: queueSlot, MaxSize: 256, Heap: 4096, Mode: mode})
		if err != nil {
			return nil, err
		}
		return messageSteps(name, q, func() pair { return pair{A: 1} }), nil
	}
}

// byteSteps have messages that lie in slots, and others that lie in blocks.
func byteSteps(ctx context.Context, seg *shm.Segment) ([]step, error) {
	q, err := queue.OpenOrCreate[[]byte](ctx, seg, "bytes", queue.Spec{Cap: queueCap, SlotSize: queueSlot, MaxSize: 6 << 10, Heap: 24 << 10})
	if err != nil {
		return nil, err
	}
	n := 0
	return messageSteps("bytes", q, func() []byte {
		n = (n*7 + 13) % (6 << 10)
		return make([]byte, n)
	}), nil
}

// anySteps have messages that are encoded.
func anySteps(ctx context.Context, seg *shm.Segment) ([]step, error) {
	q, err := queue.OpenOrCreate[any](ctx, seg, "any", queue.Spec{Cap: queueCap, SlotSize: queueSlot, MaxSize: 2 << 10, Heap: 8 << 10})
	if err != nil {
		return nil, err
	}
	n := 0
	return messageSteps("any", q, func() any {
		n++
		return map[string]any{"n": n, "text": strings.Repeat("x", n%400), "list": []any{1, nil, true}}
	}), nil
}

func messageSteps[T any](name string, q *queue.Queue[T], next func() T) []step {
	return append(puttingSteps(name, q, next), gettingSteps(name, q)...)
}

func puttingSteps[T any](name string, q *queue.Queue[T], next func() T) []step {
	lend := func(l queue.Loan[T], err error) error {
		if err != nil {
			return err
		}
		defer l.Abandon()
		*l.Value() = next()
		return l.Publish()
	}
	return []step{
		{name + ".Put", func(ctx context.Context) error { return q.Put(ctx, next()) }},
		{name + ".TryPut", func(context.Context) error { return q.TryPut(next()) }},
		{name + ".PutBatch", func(ctx context.Context) error { return drop(q.PutBatch(ctx, []T{next(), next(), next()})) }},
		{name + ".PutFunc", func(ctx context.Context) error {
			return q.PutFunc(ctx, func(x *T) error { *x = next(); return nil })
		}},
		{name + ".PutFunc fails", func(ctx context.Context) error { return q.PutFunc(ctx, func(*T) error { return errNo }) }},
		{name + ".Reserve", func(ctx context.Context) error { return lend(q.Reserve(ctx)) }},
		{name + ".TryReserve", func(context.Context) error { return lend(q.TryReserve()) }},
		{name + ".Reserve for good", func(ctx context.Context) error { return drop(q.Reserve(ctx)) }},
		{name + ".Abandon", func(ctx context.Context) error {
			l, err := q.Reserve(ctx)
			if err == nil {
				l.Abandon()
			}
			return err
		}},
	}
}

func gettingSteps[T any](name string, q *queue.Queue[T]) []step {
	take := func(d queue.Delivery[T], err error) error {
		if err != nil {
			return err
		}
		defer d.Nack()
		_ = *d.Value()
		_ = d.Attempt()
		return d.Ack()
	}
	return []step{
		{name + ".Get", func(ctx context.Context) error { return drop(q.Get(ctx)) }},
		{name + ".TryGet", func(context.Context) error { return drop(q.TryGet()) }},
		{name + ".GetBatch", func(ctx context.Context) error { return drop(q.GetBatch(ctx, make([]T, 3))) }},
		{name + ".GetFunc", func(ctx context.Context) error { return q.GetFunc(ctx, func(*T) error { return nil }) }},
		{name + ".GetFunc fails", func(ctx context.Context) error { return q.GetFunc(ctx, func(*T) error { return errNo }) }},
		{name + ".Receive", func(ctx context.Context) error { return take(q.Receive(ctx)) }},
		{name + ".TryReceive", func(context.Context) error { return take(q.TryReceive()) }},
		{name + ".Receive for good", func(ctx context.Context) error { return drop(q.Receive(ctx)) }},
		{name + ".All", func(ctx context.Context) error {
			for _, err := range q.All(ctx) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{name + ".Deliveries", func(ctx context.Context) error {
			for d, err := range q.Deliveries(ctx) {
				if err != nil {
					return err
				}
				d.Nack()
				break
			}
			return nil
		}},
		{name + ".Ready", func(ctx context.Context) error {
			select {
			case <-q.Ready():
			case <-ctx.Done():
			}
			return nil
		}},
		{name + ".Join", func(ctx context.Context) error { return q.Join(ctx) }},
		{name + ".Len", call(q.Len)},
	}
}
