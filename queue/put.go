package queue

import (
	"context"

	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/internal/mem"
)

// Put waits for room and puts x. It fails with ctx.Err() (always if ctx is done,
// even if there is room), ErrShutdown, ErrTooLarge, the error of x's own
// encoding, fs.ErrClosed when the segment is closed here, fs.ErrPermission if it
// is read-only or the queue is SPSC and another process puts, or a
// *shm.CorruptError. Then x is not in the queue. If the process dies inside, x is
// in the queue as a whole or not at all.
func (q *Queue[T]) Put(ctx context.Context, x T) error {
	if !q.inline {
		if q.fixed {
			return q.putFixed(ctx, &x)
		}
		return q.putSlow(ctx, x)
	}
	m := q.use.Pin()
	if m == nil {
		return q.closed()
	}
	if q.straight && ctx.Err() == nil && q.port.PutAlone(&mem.BytesOf(&x)[0]) {
		q.exit(m)
		return nil
	}
	c, err := q.port.Claim(ctx)
	if err != nil {
		return q.fail(err)
	}
	if q.size < mem.Large {
		*q.slots.At(c.Index) = x
	} else {
		mem.Assign(q.slots.At(c.Index), &x)
	}
	q.port.Publish(c, q.size)
	q.exit(m)
	return nil
}

// TryPut is Put without waiting: it fails with ErrFull where Put would wait.
func (q *Queue[T]) TryPut(x T) error {
	if !q.inline {
		if q.fixed {
			return q.tryPutFixed(&x)
		}
		return q.tryPutSlow(x)
	}
	m := q.use.Pin()
	if m == nil {
		return q.closed()
	}
	if q.straight && q.port.PutAlone(&mem.BytesOf(&x)[0]) {
		q.exit(m)
		return nil
	}
	c, err := q.port.TryClaim()
	if err != nil {
		return q.fail(err)
	}
	if q.size < mem.Large {
		*q.slots.At(c.Index) = x
	} else {
		mem.Assign(q.slots.At(c.Index), &x)
	}
	q.port.Publish(c, q.size)
	q.exit(m)
	return nil
}

// PutBatch puts all of src in order, waiting for room. It returns how many it
// put; less than len(src) only with an error, which is one that Put returns. If
// the process dies inside, some first messages of src are in the queue.
func (q *Queue[T]) PutBatch(ctx context.Context, src []T) (n int, err error) {
	if len(src) == 0 {
		return 0, q.nothingToDo(ctx)
	}
	for n < len(src) {
		k, err := q.putRun(ctx, src[n:])
		if k == 0 && err == nil {
			k, err = 1, q.Put(ctx, src[n])
		}
		if err != nil {
			return n, err
		}
		n += k
	}
	return n, nil
}

// putRun puts as many of src as can be put in one go; that may be none.
func (q *Queue[T]) putRun(ctx context.Context, src []T) (n int, err error) {
	if !q.inline {
		return 0, nil
	}
	m := q.use.Pin()
	if m == nil {
		return 0, q.closed()
	}
	defer q.exit(m)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	c, n := q.port.ClaimRun(len(src))
	if n == 0 {
		return 0, nil
	}
	for i := range src[:n] {
		*q.slots.At(c.Index + uint32(i)) = src[i] // not by a variable, which would be copied once more
	}
	q.port.PublishRun(c, n, q.size)
	return n, nil
}

// nothingToDo is the error of an empty batch.
func (q *Queue[T]) nothingToDo(ctx context.Context) error {
	m, err := q.enter()
	if err != nil {
		return err
	}
	q.exit(m)
	return ctx.Err()
}

// putFixed puts a T of fixed layout that does not lie in a slot. Unlike what an
// encoder gets, *x stays where it is.
func (q *Queue[T]) putFixed(ctx context.Context, x *T) error {
	m, err := q.enter()
	if err != nil {
		return err
	}
	defer q.exit(m)
	return q.fail(q.port.Put(ctx, mem.BytesOf(x)))
}

func (q *Queue[T]) tryPutFixed(x *T) error {
	m, err := q.enter()
	if err != nil {
		return err
	}
	defer q.exit(m)
	return q.fail(q.port.TryPut(mem.BytesOf(x)))
}

// putSlow puts what does not simply lie in a slot. It is apart because an
// encoder takes x to the heap.
func (q *Queue[T]) putSlow(ctx context.Context, x T) error {
	m, err := q.enter()
	if err != nil {
		return err
	}
	defer q.exit(m)
	if q.codec.Raw() {
		return q.fail(q.port.Put(ctx, q.codec.View(&x)))
	}
	b := getBuffer()
	defer putBuffer(b)
	if *b, err = encode(q.codec, *b, x); err != nil {
		return err
	}
	return q.fail(q.port.Put(ctx, *b))
}

func (q *Queue[T]) tryPutSlow(x T) error {
	m, err := q.enter()
	if err != nil {
		return err
	}
	defer q.exit(m)
	if q.codec.Raw() {
		return q.fail(q.port.TryPut(q.codec.View(&x)))
	}
	b := getBuffer()
	defer putBuffer(b)
	if *b, err = encode(q.codec, *b, x); err != nil {
		return err
	}
	return q.fail(q.port.TryPut(*b))
}

func encode[T any](c *codec.Codec[T], buf []byte, x T) ([]byte, error) { return c.Append(buf, x) }
