//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/queue"
)

// note is a message of fixed layout; all its words are the same.
type note [4]uint64

var notes = letters[note]{
	spec: queue.Spec{Cap: 3},
	make: func(n int) (x note) { spread(x[:], uint64(n)); return x },
	read: func(x note) (int, error) { return even(x[:]) },
}

// page is a message of fixed layout that has a block of its own.
type page [512]uint64

var pages = letters[page]{
	spec: queue.Spec{Cap: 3},
	make: func(n int) (x page) { spread(x[:], uint64(n)); return x },
	read: func(x page) (int, error) { return even(x[:]) },
}

// spread makes all words of x the same, and even returns which one that is.
func spread[E any](x []E, word E) {
	for i := range x {
		x[i] = word
	}
}

func even[E uint8 | uint64](x []E) (int, error) {
	for i := range x {
		if x[i] != x[0] {
			return 0, fmt.Errorf("torn: %v", x)
		}
	}
	return int(x[0]), nil
}

// texts are messages of so many bytes in a queue that keeps up to 200 in a slot.
func texts(size int) letters[[]byte] {
	text := func(n int) []byte {
		return binary.LittleEndian.AppendUint64(bytes.Repeat([]byte{byte(n)}, size-8), uint64(n))
	}
	return letters[[]byte]{
		spec: queue.Spec{Cap: 3, SlotSize: 200, MaxSize: 2000, Heap: 8000},
		make: text,
		read: func(x []byte) (int, error) {
			if len(x) != size {
				return 0, fmt.Errorf("%d bytes, want %d", len(x), size)
			}
			n := int(binary.LittleEndian.Uint64(x[size-8:]))
			if !bytes.Equal(x, text(n)) {
				return 0, fmt.Errorf("torn: %x", x)
			}
			return n, nil
		},
	}
}

// card is a message that is encoded.
type card struct {
	Number int
	Text   string
}

var cards = letters[card]{
	spec: queue.Spec{Cap: 3},
	make: func(n int) card { return card{n, fmt.Sprint("card ", n)} },
	read: func(x card) (int, error) {
		if x.Text != fmt.Sprint("card ", x.Number) {
			return 0, fmt.Errorf("torn: %+v", x)
		}
		return x.Number, nil
	},
}

func queueOperations() []operation {
	all := []operation{
		queueUse[note]{name: "Queue.PutBatch", open: puttingBatch[note], puts: 3}.operation(notes),
		queueUse[note]{name: "Queue.GetBatch", open: gettingBatch[note], there: 3, takes: 3}.operation(notes),
		queueUse[note]{name: "Queue.PutFunc", open: puttingFunc[note], puts: 1}.operation(notes),
		queueUse[note]{name: "Queue.GetFunc", open: gettingFunc[note], there: 2, takes: 1}.operation(notes),
		queueUse[note]{name: "Queue.Put/wakes", open: putting[note], puts: 1, waits: message}.operation(notes),
		queueUse[note]{name: "Queue.Publish/wakes", open: publishing[note], puts: 1, waits: message}.operation(notes),
		queueUse[note]{name: "Queue.Get/wakes", open: getting[note], there: 3, takes: 1, waits: space}.operation(notes),
		queueUse[note]{name: "Queue.Ack/wakes", open: acking[note], there: 3, takes: 1, waits: space}.operation(notes),
		queueUse[note]{name: "Queue.Nack", open: nacking[note], there: 2, gives: "delivery"}.operation(notes),
		queueUse[note]{name: "Queue.Nack/wakes", open: nacking[note], there: 1, gives: "delivery", waits: message}.operation(notes),
		queueUse[note]{name: "Queue.Abandon", open: abandoning[note], gives: "loan"}.operation(notes),
		queueUse[page]{name: "Queue.Put/4 KiB", open: putting[page], puts: 1}.operation(pages),
		queueUse[page]{name: "Queue.Get/4 KiB", open: getting[page], there: 2, takes: 1}.operation(pages),
	}
	for _, op := range plainUses("", notes) {
		op.hot, op.once = true, true
		all = append(all, op)
	}
	all = append(all, plainUses("/50 bytes", texts(50))...)
	all = append(all, plainUses("/1500 bytes", texts(1500))...)
	return append(all, plainUses("/encoded", cards)...)
}

// plainUses are the operations that there are for messages of all kinds.
func plainUses[T any](suffix string, l letters[T]) []operation {
	return []operation{
		queueUse[T]{name: "Queue.Put" + suffix, open: putting[T], puts: 1}.operation(l),
		queueUse[T]{name: "Queue.Get" + suffix, open: getting[T], there: 2, takes: 1}.operation(l),
		queueUse[T]{name: "Queue.Reserve" + suffix, open: reserving[T], lends: "loan"}.operation(l),
		queueUse[T]{name: "Queue.Publish" + suffix, open: publishing[T], puts: 1}.operation(l),
		queueUse[T]{name: "Queue.Receive" + suffix, open: receiving[T], there: 2, lends: "delivery"}.operation(l),
		queueUse[T]{name: "Queue.Ack" + suffix, open: acking[T], there: 2, takes: 1}.operation(l),
	}
}

func putting[T any](ctx context.Context, q *queue.Queue[T], l letters[T]) deed {
	x := l.make(putFrom)
	return deed{do: func() error { return q.Put(ctx, x) }}
}

func puttingBatch[T any](ctx context.Context, q *queue.Queue[T], l letters[T]) deed {
	list := []T{l.make(putFrom), l.make(putFrom + 1), l.make(putFrom + 2)}
	return deed{do: func() error {
		_, err := q.PutBatch(ctx, list)
		return err
	}}
}

func puttingFunc[T any](ctx context.Context, q *queue.Queue[T], l letters[T]) deed {
	m := l.make(putFrom)
	return deed{do: func() error {
		return q.PutFunc(ctx, func(x *T) error {
			*x = m
			return nil
		})
	}}
}

func getting[T any](ctx context.Context, q *queue.Queue[T], l letters[T]) deed {
	return deed{do: func() error {
		x, err := q.Get(ctx)
		return errors.Join(err, isFirst(x, l))
	}}
}

func gettingBatch[T any](ctx context.Context, q *queue.Queue[T], _ letters[T]) deed {
	list := make([]T, 3)
	return deed{do: func() error {
		_, err := q.GetBatch(ctx, list)
		return err
	}}
}

func gettingFunc[T any](ctx context.Context, q *queue.Queue[T], l letters[T]) deed {
	return deed{do: func() error { return q.GetFunc(ctx, func(x *T) error { return isFirst(*x, l) }) }}
}

// isFirst says if x is not the message that came first.
func isFirst[T any](x T, l letters[T]) error {
	n, err := l.read(x)
	if err == nil && n != 1 {
		err = fmt.Errorf("message %d came first", n)
	}
	return err
}

func reserving[T any](ctx context.Context, q *queue.Queue[T], _ letters[T]) deed {
	return deed{do: func() error {
		_, err := q.Reserve(ctx)
		return err
	}}
}

func publishing[T any](ctx context.Context, q *queue.Queue[T], l letters[T]) deed {
	loan, m := new(queue.Loan[T]), l.make(putFrom)
	return deed{
		before: func() (err error) {
			if *loan, err = q.Reserve(ctx); err == nil {
				*loan.Value() = m
			}
			return err
		},
		do: func() error { return loan.Publish() },
	}
}

func abandoning[T any](ctx context.Context, q *queue.Queue[T], _ letters[T]) deed {
	loan := new(queue.Loan[T])
	return deed{
		before: func() (err error) {
			*loan, err = q.Reserve(ctx)
			return err
		},
		do: func() error {
			loan.Abandon()
			return nil
		},
	}
}

func receiving[T any](ctx context.Context, q *queue.Queue[T], _ letters[T]) deed {
	return deed{do: func() error {
		_, err := q.Receive(ctx)
		return err
	}}
}

func acking[T any](ctx context.Context, q *queue.Queue[T], _ letters[T]) deed {
	d := new(queue.Delivery[T])
	return deed{
		before: func() (err error) {
			*d, err = q.Receive(ctx)
			return err
		},
		do: func() error { return d.Ack() },
	}
}

func nacking[T any](ctx context.Context, q *queue.Queue[T], _ letters[T]) deed {
	d := new(queue.Delivery[T])
	return deed{
		before: func() (err error) {
			*d, err = q.Receive(ctx)
			return err
		},
		do: func() error {
			d.Nack()
			return nil
		},
	}
}
