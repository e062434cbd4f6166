//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// pairs are the messages of an SPSC queue.
var pairs = letters[note]{spec: queue.Spec{Cap: 3, Mode: queue.SPSC}, make: notes.make, read: notes.read}

// shred is a message that is copied in pieces of every size. All its bytes are the same.
type shred [31]byte

// shreds are messages of a queue whose last slot is one behind which hints are stored.
var shreds = letters[shred]{
	spec: queue.Spec{Cap: 8, Mode: queue.SPSC},
	make: func(n int) (x shred) { spread(x[:], byte(n)); return x },
	read: func(x shred) (int, error) { return even(x[:]) },
}

// pairOperations are those of a goroutine that is alone on both sides of an SPSC queue,
// with its first slot, and with its last one.
func pairOperations() []operation {
	all := []operation{
		queueUse[note]{name: "Queue.Put/pair", open: putting[note], puts: 1}.inPair(pairs, 6),
		queueUse[note]{name: "Queue.Get/pair", open: getting[note], there: 2, takes: 1}.inPair(pairs, 6),
		queueUse[shred]{name: "Queue.Put/pair/last", open: putting[shred], puts: 1}.inPair(shreds, 15),
		queueUse[shred]{name: "Queue.Get/pair/last", open: getting[shred], there: 2, takes: 1}.inPair(shreds, 15),
	}
	for i := range all {
		all[i].hot, all[i].once = true, true
	}
	return all
}

// inPair is operation for an SPSC queue, in which so many messages came before. Whoever dies has both roles, so it puts what is
// there in the beginning; they are the survivor's only after that.
func (u queueUse[T]) inPair(l letters[T], rounds int) operation {
	op := u.operation(l)
	op.lay = func(ctx context.Context, seg *shm.Segment) (subject, error) {
		q, err := queue.Create[T](ctx, seg, "q", l.spec)
		b := &queueBooks[T]{q: q, use: u, letters: l, room: room{messages: l.spec.Cap, loans: l.spec.Cap}}
		return pairBooks[T]{b}, err
	}
	op.open = func(ctx context.Context, seg *shm.Segment) (deed, error) {
		q, err := queue.Open[T](ctx, seg, "q")
		if err != nil {
			return deed{}, err
		}
		d := u.open(ctx, q, l)
		d.warm = func() error { return warmPair(ctx, q, l, rounds) }
		d.before = func() error {
			for n := range u.there {
				if err := q.TryPut(l.make(n + 1)); err != nil {
					return err
				}
			}
			return nil
		}
		return d, nil
	}
	return op
}

// warmPair makes the goroutine the owner of both sides, and goes on in the ring.
func warmPair[T any](ctx context.Context, q *queue.Queue[T], l letters[T], rounds int) error {
	for n := range rounds {
		if err := q.Put(ctx, l.make(warmFrom+n)); err != nil {
			return err
		}
		if _, err := q.Get(ctx); err != nil {
			return err
		}
	}
	return nil
}

// pairBooks are those of an SPSC queue.
type pairBooks[T any] struct{ *queueBooks[T] }

// fill does nothing: the child puts.
func (pairBooks[T]) fill(context.Context) error { return nil }
