package queue

import (
	"context"
	"errors"
	"io/fs"
	"iter"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/ring"
)

// Get waits for a message and takes it: nobody else gets it any more. Should the
// process die inside Get, another one does. It fails with ctx.Err() (always if
// ctx is done, even if there is a message), ErrShutdown once the queue is shut
// down and drained, fs.ErrClosed when the segment is closed here, fs.ErrPermission
// if it is read-only or the queue is SPSC and another process gets, or a
// *shm.CorruptError. Then nothing was taken, but for a message that cannot be
// decoded: that one is consumed, and is an error.
func (q *Queue[T]) Get(ctx context.Context) (x T, err error) {
	if !q.inline {
		if q.fixed {
			err = q.getFixed(ctx, &x)
			return x, err
		}
		return q.getSlow(ctx)
	}
	m := q.use.Pin()
	if m == nil {
		return x, q.closed()
	}
	if q.straight && ctx.Err() == nil && q.port.AwaitAlone(&mem.BytesOf(&x)[0]) {
		q.normalize(&x)
		q.exit(m)
		return x, nil
	}
	msg, err := q.port.Take(ctx)
	if err != nil {
		return x, q.fail(err)
	}
	if msg.IsInline() && msg.Length == q.size {
		if q.size < mem.Large {
			x = *q.slots.At(msg.Index)
		} else {
			mem.Assign(&x, q.slots.At(msg.Index))
		}
		q.port.Finish(msg)
		q.normalize(&x)
	} else {
		err = q.throwAway(msg)
	}
	q.exit(m)
	return x, err
}

// TryGet is Get without waiting: it fails with ErrEmpty where Get would wait.
func (q *Queue[T]) TryGet() (x T, err error) {
	if !q.inline {
		if q.fixed {
			err = q.tryGetFixed(&x)
			return x, err
		}
		return q.tryGetSlow()
	}
	m := q.use.Pin()
	if m == nil {
		return x, q.closed()
	}
	if q.straight && q.port.GetAlone(&mem.BytesOf(&x)[0]) {
		q.normalize(&x)
		q.exit(m)
		return x, nil
	}
	msg, err := q.port.TryTake()
	if err != nil {
		return x, q.fail(err)
	}
	if msg.IsInline() && msg.Length == q.size {
		if q.size < mem.Large {
			x = *q.slots.At(msg.Index)
		} else {
			mem.Assign(&x, q.slots.At(msg.Index))
		}
		q.port.Finish(msg)
		q.normalize(&x)
	} else {
		err = q.throwAway(msg)
	}
	q.exit(m)
	return x, err
}

// GetBatch waits for one message and takes as many as there are, up to len(dst),
// in order. It returns how many it took. An error without messages is one that
// Get returns. With messages there is one only for a further message that could
// not be decoded, which is consumed, or a *shm.CorruptError. If the process dies
// inside, those that it did not take are delivered to others.
func (q *Queue[T]) GetBatch(ctx context.Context, dst []T) (n int, err error) {
	if len(dst) == 0 {
		return 0, q.nothingToDo(ctx)
	}
	if err := ctx.Err(); err != nil {
		return 0, q.fail(err)
	}
	for n < len(dst) {
		if k := q.getRun(dst[n:]); k > 0 {
			n += k
			continue
		}
		if n == 0 {
			dst[0], err = q.Get(ctx)
		} else {
			dst[n], err = q.TryGet()
		}
		if err != nil {
			break
		}
		n++
	}
	if n > 0 && (errors.Is(err, ErrEmpty) || errors.Is(err, fs.ErrClosed)) {
		err = nil
	}
	return n, err
}

// getRun gets as many messages as can be got in one go; that may be none.
func (q *Queue[T]) getRun(dst []T) (n int) {
	if !q.inline {
		return 0
	}
	m := q.use.Pin()
	if m == nil {
		return 0
	}
	msg, n := q.port.TakeRun(len(dst), q.size)
	if n > 0 {
		for i := range dst[:n] {
			dst[i] = *q.slots.At(msg.Index + uint32(i))
		}
		q.port.FinishRun(msg, n)
		if q.bools {
			for i := range dst[:n] {
				q.normalize(&dst[i])
			}
		}
	}
	q.exit(m)
	return n
}

// All yields what Get returns until the queue is shut down and drained, which
// ends it without an error. Another error of Get is its last pair. Breaking off
// loses nothing.
func (q *Queue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			x, err := q.Get(ctx)
			if errors.Is(err, ErrShutdown) {
				return
			}
			if !yield(x, err) || err != nil {
				return
			}
		}
	}
}

// normalize makes proper bools of those in x. It is small enough to be part of its
// callers.
func (q *Queue[T]) normalize(x *T) {
	if q.bools {
		q.correct(x)
	}
}

func (q *Queue[T]) correct(x *T) { q.codec.Layout().Normalize(mem.BytesOf(x)) }

// closed is the error of a handle whose segment is closed, or lost, or that never
// had one.
func (q *Queue[T]) closed() error { return q.fail(fs.ErrClosed) }

// throwAway consumes a message that is not one of a T of fixed layout.
func (q *Queue[T]) throwAway(msg ring.Message) error {
	q.port.Finish(msg)
	return q.fail(mem.Corrupt("message length", -1, msg.Length, q.size))
}

// getFixed gets a T of fixed layout that does not lie in a slot.
func (q *Queue[T]) getFixed(ctx context.Context, x *T) error {
	m, err := q.enter()
	if err != nil {
		return err
	}
	defer q.exit(m)
	msg, err := q.port.Take(ctx)
	if err != nil {
		return q.fail(err)
	}
	return q.copyTaken(msg, x)
}

func (q *Queue[T]) tryGetFixed(x *T) error {
	m, err := q.enter()
	if err != nil {
		return err
	}
	defer q.exit(m)
	msg, err := q.port.TryTake()
	if err != nil {
		return q.fail(err)
	}
	return q.copyTaken(msg, x)
}

// copyTaken makes *x a message that was taken, and ends the message.
func (q *Queue[T]) copyTaken(msg ring.Message, x *T) error {
	if msg.Length != q.size {
		return q.throwAway(msg)
	}
	q.port.CopyOut(mem.BytesOf(x), msg)
	q.port.Finish(msg)
	q.normalize(x)
	return nil
}

// getSlow is apart because a decoder takes x to the heap.
func (q *Queue[T]) getSlow(ctx context.Context) (x T, err error) {
	m, err := q.enter()
	if err != nil {
		return x, err
	}
	defer q.exit(m)
	msg, err := q.port.Take(ctx)
	if err != nil {
		return x, q.fail(err)
	}
	err = q.decodeTaken(msg, &x)
	return x, err
}

func (q *Queue[T]) tryGetSlow() (x T, err error) {
	m, err := q.enter()
	if err != nil {
		return x, err
	}
	defer q.exit(m)
	msg, err := q.port.TryTake()
	if err != nil {
		return x, q.fail(err)
	}
	err = q.decodeTaken(msg, &x)
	return x, err
}

// decodeTaken makes *x what a message says that was taken, and ends the message:
// before, if methods of T have a say in it, for others may wait.
func (q *Queue[T]) decodeTaken(msg ring.Message, x *T) error {
	if q.codec.Raw() {
		err := q.codec.Decode(q.port.Bytes(msg), x)
		q.port.Finish(msg)
		return err
	}
	b := getBuffer()
	defer putBuffer(b)
	*b = append(*b, q.port.Bytes(msg)...)
	q.port.Finish(msg)
	return q.codec.Decode(*b, x)
}
