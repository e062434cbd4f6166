package queue

import (
	"context"
	"errors"
	"io/fs"
	"iter"

	"github.com/shoal-ipc/shoal/internal/codec"
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
func (q *Queue[T]) Get(ctx context.Context) (T, error) {
	var x T
	if !q.inline {
		err := q.getSlow(ctx, &x)
		return x, err
	}
	m := q.use.Pin()
	if m == nil {
		return x, q.closed()
	}
	msg, err := q.port.Take(ctx)
	if err != nil {
		return x, q.fail(err)
	}
	if msg.IsInline() && msg.Length == q.size {
		mem.Assign(&x, q.slots.At(msg.Index))
		q.port.Finish(msg)
		q.normalize(&x)
	} else {
		err = q.throwAway(msg)
	}
	q.exit(m)
	return x, err
}

// TryGet is Get without waiting: it fails with ErrEmpty where Get would wait.
func (q *Queue[T]) TryGet() (T, error) {
	var x T
	if !q.inline {
		err := q.tryGetSlow(&x)
		return x, err
	}
	m := q.use.Pin()
	if m == nil {
		return x, q.closed()
	}
	msg, err := q.port.TryTake()
	if err != nil {
		return x, q.fail(err)
	}
	if msg.IsInline() && msg.Length == q.size {
		mem.Assign(&x, q.slots.At(msg.Index))
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
	if dst[0], err = q.Get(ctx); err != nil {
		return 0, err
	}
	for n = 1; n < len(dst); n++ {
		x, err := q.TryGet()
		switch {
		case err == nil:
			dst[n] = x
		case errors.Is(err, ErrEmpty) || errors.Is(err, fs.ErrClosed):
			return n, nil
		default:
			return n, err
		}
	}
	return n, nil
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

func (q *Queue[T]) normalize(x *T) {
	if q.bools {
		q.codec.Layout().Normalize(mem.BytesOf(x))
	}
}

// closed is the error of a handle whose segment is closed, or lost, or that never
// had one.
func (q *Queue[T]) closed() error { return q.fail(fs.ErrClosed) }

// throwAway consumes a message that is not one of a T of fixed layout.
func (q *Queue[T]) throwAway(msg ring.Message) error {
	q.port.Finish(msg)
	return q.fail(mem.Corrupt("message length", -1, msg.Length, q.size))
}

func (q *Queue[T]) getSlow(ctx context.Context, x *T) error {
	m, err := q.enter()
	if err != nil {
		return err
	}
	defer q.exit(m)
	msg, err := q.port.Take(ctx)
	if err != nil {
		return q.fail(err)
	}
	return q.decodeTaken(msg, x)
}

func (q *Queue[T]) tryGetSlow(x *T) error {
	m, err := q.enter()
	if err != nil {
		return err
	}
	defer q.exit(m)
	msg, err := q.port.TryTake()
	if err != nil {
		return q.fail(err)
	}
	return q.decodeTaken(msg, x)
}

// decodeTaken makes *x what a message says that was taken, and ends the message:
// before, if methods of T have a say in it, for others may wait.
func (q *Queue[T]) decodeTaken(msg ring.Message, x *T) error {
	if q.codec.Raw() {
		if q.codec.Form() == codec.Fixed && msg.Length != q.size {
			return q.throwAway(msg)
		}
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
