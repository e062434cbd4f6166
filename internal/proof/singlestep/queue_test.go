//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// The numbers of messages: those that a queue has in the beginning count from 1,
// the others from these.
const (
	putFrom  = 101 // by the operation
	warmFrom = 201 // before it
	ourFrom  = 301 // by the survivor
)

// letters says how the messages of a queue are made and read.
type letters[T any] struct {
	spec queue.Spec
	make func(n int) T
	read func(x T) (n int, err error)
}

// queueUse is an operation on a queue.
type queueUse[T any] struct {
	name  string
	open  func(ctx context.Context, q *queue.Queue[T], l letters[T]) deed
	there int    // messages in the beginning
	puts  int    // messages that it puts
	takes int    // messages that it takes
	lends string // or: the kind of what it holds afterwards
	gives string // or: the kind of what it held before
	waits wish   // of the survivor
}

// wish is what a survivor waits for.
type wish int

const (
	nothing wish = iota
	message
	space
)

func (u queueUse[T]) operation(l letters[T]) operation {
	full := max(u.puts, u.takes)
	if full == 0 {
		full = 1
	}
	return operation{
		name: u.name,
		full: full,
		lay: func(ctx context.Context, seg *shm.Segment) (subject, error) {
			q, err := queue.Create[T](ctx, seg, "q", l.spec)
			if err != nil {
				return nil, err
			}
			b := &queueBooks[T]{q: q, use: u, letters: l}
			b.room, err = b.measure()
			return b, err
		},
		open: func(ctx context.Context, seg *shm.Segment) (deed, error) {
			q, err := queue.Open[T](ctx, seg, "q")
			if err != nil {
				return deed{}, err
			}
			d := u.open(ctx, q, l)
			d.warm = func() error { return warmQueue(ctx, q, l) }
			return d, nil
		},
	}
}

// warmQueue uses a queue in every way, and leaves it empty.
func warmQueue[T any](ctx context.Context, q *queue.Queue[T], l letters[T]) error {
	if err := q.Put(ctx, l.make(warmFrom)); err != nil {
		return err
	}
	if _, err := q.Get(ctx); err != nil {
		return err
	}
	loan, err := q.Reserve(ctx)
	if err != nil {
		return err
	}
	*loan.Value() = l.make(warmFrom + 1)
	if err := loan.Publish(); err != nil {
		return err
	}
	d, err := q.Receive(ctx)
	if err != nil {
		return err
	}
	return d.Ack()
}

// queueBooks is a queue that children use.
type queueBooks[T any] struct {
	q       *queue.Queue[T]
	use     queueUse[T]
	letters letters[T]
	room    room // of the queue when it was new
	sleeper sleeper
	got     T // by the sleeper
}

func (b *queueBooks[T]) fill(context.Context) error {
	for n := range b.use.there {
		if err := b.q.TryPut(b.letters.make(n + 1)); err != nil {
			return err
		}
	}
	return nil
}

func (b *queueBooks[T]) meet(ctx context.Context) (err error) {
	switch b.use.waits {
	case message:
		b.sleeper, err = sleep(ctx, b.q.Segment(), func() (err error) {
			b.got, err = b.q.Get(ctx)
			return err
		})
	case space:
		b.sleeper, err = sleep(ctx, b.q.Segment(), func() error { return b.q.Put(ctx, b.letters.make(ourFrom)) })
	}
	return err
}

func (b *queueBooks[T]) judge(ctx context.Context, d shm.Death) (int, error) {
	list, err := b.drain(ctx)
	if err != nil {
		return 0, err
	}
	effect, err := b.compare(list)
	if err != nil {
		return 0, fmt.Errorf("%w; left were %v", err, list)
	}
	switch {
	case b.use.lends != "":
		effect = held(d, b.use.lends)
	case b.use.gives != "":
		effect = 1 - held(d, b.use.gives)
	}
	now, err := b.measure()
	if err == nil && now != b.room {
		err = fmt.Errorf("there is room for %+v, and was for %+v", now, b.room)
	}
	return effect, errors.Join(err, b.q.Join(ctx))
}

// drain takes out all messages: up to the survivor's one, if it puts one, and then
// there is none.
func (b *queueBooks[T]) drain(ctx context.Context) (list []int, err error) {
	over := b.use.waits == nothing
	if b.use.waits == message {
		// One more, so that the survivor gets something in any case.
		if err := errors.Join(b.q.Put(ctx, b.letters.make(ourFrom)), b.sleeper.end(ctx)); err != nil {
			return nil, err
		}
		n, err := b.letters.read(b.got)
		if err != nil {
			return nil, err
		}
		list, over = append(list, n), n == ourFrom
	}
	for !over {
		n, err := b.receive(b.q.Receive(ctx))
		if err != nil {
			return list, err
		}
		list, over = append(list, n), n == ourFrom
	}
	if b.use.waits == space {
		if err := b.sleeper.end(ctx); err != nil {
			return list, err
		}
	}
	for {
		n, err := b.receive(b.q.TryReceive())
		if errors.Is(err, queue.ErrEmpty) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		list = append(list, n)
	}
}

// receive acknowledges a delivery and returns the number of its message.
func (b *queueBooks[T]) receive(d queue.Delivery[T], err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := b.letters.read(*d.Value())
	if err != nil {
		return n, err
	}
	most := 1
	if n < putFrom {
		most = 2 // the dead one may have had it
	}
	if d.Attempt() > most {
		return n, fmt.Errorf("attempt %d of message %d, want at most %d", d.Attempt(), n, most)
	}
	return n, d.Ack()
}

// compare verifies that of the messages in the beginning the first ones are gone
// at most that the operation takes, and that those behind them are the first ones
// that it puts. It returns how many that are.
func (b *queueBooks[T]) compare(list []int) (int, error) {
	left, added := 0, 0
	for _, n := range list {
		switch {
		case n < putFrom:
			left++
		case n < warmFrom:
			added++
		}
	}
	gone := b.use.there - left
	var want []int
	for n := range left {
		want = append(want, gone+n+1)
	}
	for n := range added {
		want = append(want, putFrom+n)
	}
	if b.use.waits != nothing {
		want = append(want, ourFrom)
	}
	if gone > b.use.takes || added > b.use.puts || !slices.Equal(list, want) {
		return 0, fmt.Errorf("at most %d of %d messages may be gone and %d may be new", b.use.takes, b.use.there, b.use.puts)
	}
	return gone + added, nil
}

// room is how much fits into a queue.
type room struct{ messages, loans int }

// measure fills an empty queue, with messages and with loans, and empties it.
func (b *queueBooks[T]) measure() (r room, err error) {
	for err = b.q.TryPut(b.letters.make(ourFrom)); err == nil; err = b.q.TryPut(b.letters.make(ourFrom)) {
		r.messages++
	}
	if !errors.Is(err, queue.ErrFull) {
		return r, err
	}
	for range r.messages {
		if _, err := b.q.TryGet(); err != nil {
			return r, err
		}
	}
	loan, err := b.q.TryReserve()
	for ; err == nil; loan, err = b.q.TryReserve() {
		defer loan.Abandon()
		r.loans++
	}
	if !errors.Is(err, queue.ErrFull) {
		return r, err
	}
	return r, nil
}
