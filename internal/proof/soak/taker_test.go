//go:build linux

package soak

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/shoal-ipc/shoal/queue"
)

// taker gets from one queue, in the first so many ways.
type taker[T any] struct {
	journal
	*gate
	q     *queue.Queue[T]
	kit   kit[T]
	ways  int
	fault string
}

// Ways to get: who only receives takes nothing for good but by Ack, so that none
// may be missing with him.
const (
	onlyReceives = 3
	allWays      = 8
)

func (c *taker[T]) step(ctx context.Context) error {
	switch rand.IntN(c.ways) {
	case 0:
		return c.inPlace(ctx)
	case 1, 2:
		return c.hold(ctx)
	case 3:
		return c.batch(ctx)
	case 4:
		return c.one(c.q.TryGet)
	case 5:
		select {
		case <-c.q.Ready():
		case <-ctx.Done():
		}
		return c.one(c.q.TryGet)
	}
	return c.one(func() (T, error) { return c.q.Get(ctx) })
}

func (c *taker[T]) look(x *T) (stream, seq uint32, err error) {
	if stream, seq, err = c.kit.read(x); err != nil {
		err = wrong("%w", err)
	}
	return stream, seq, err
}

// lookAt is look for a message that lies in the queue's memory.
func (c *taker[T]) lookAt(x *T) (stream, seq uint32, err error) {
	err = c.within(func() (err error) {
		stream, seq, err = c.look(x)
		return err
	})
	return stream, seq, err
}

func (c *taker[T]) one(get func() (T, error)) error {
	c.write(takeBegin, 0, 0, 1)
	x, err := get()
	if err == nil {
		stream, seq, err := c.look(&x)
		if err != nil {
			return err
		}
		if c.fault != faultForgets || rand.IntN(16) != 0 {
			c.write(got, 0, stream, seq)
		}
	}
	c.write(takeEnd, 0, 0, 0)
	return err
}

func (c *taker[T]) batch(ctx context.Context) error {
	list := make([]T, 1+rand.IntN(4))
	c.write(takeBegin, 0, 0, uint32(len(list)))
	n, err := c.q.GetBatch(ctx, list)
	for i := range n {
		stream, seq, err := c.look(&list[i])
		if err != nil {
			return err
		}
		c.write(got, 0, stream, seq)
	}
	c.write(takeEnd, 0, 0, 0)
	return err
}

func (c *taker[T]) inPlace(ctx context.Context) error {
	var stream, seq uint32
	c.write(takeBegin, 1, 0, 1)
	err := c.q.GetFunc(ctx, func(x *T) (err error) {
		if stream, seq, err = c.lookAt(x); err != nil {
			return err
		}
		c.write(received, 0, stream, seq)
		if rand.IntN(4) == 0 {
			c.write(givesBack, 0, stream, seq)
			return errRegret
		}
		c.write(ackBegins, 0, stream, seq)
		return nil
	})
	if err == nil {
		c.write(ackDone, 0, stream, seq)
	}
	return err
}

// hold holds up to three deliveries at once and settles them in any order.
func (c *taker[T]) hold(ctx context.Context) error {
	var held []queue.Delivery[T]
	for range 1 + rand.IntN(3) {
		c.write(takeBegin, 1, 0, 1)
		d, err := c.q.TryReceive()
		if len(held) == 0 && errors.Is(err, queue.ErrEmpty) {
			c.write(takeBegin, 1, 0, 1)
			d, err = c.q.Receive(ctx)
		}
		if errors.Is(err, queue.ErrEmpty) || errors.Is(err, context.Canceled) {
			break
		}
		if err != nil {
			return err
		}
		stream, seq, err := c.lookAt(d.Value())
		if err != nil {
			return err
		}
		c.write(received, d.Attempt(), stream, seq)
		held = append(held, d)
	}
	rand.Shuffle(len(held), func(i, k int) { held[i], held[k] = held[k], held[i] })
	for _, d := range held {
		if err := c.settle(d); err != nil {
			return err
		}
	}
	return nil
}

func (c *taker[T]) settle(d queue.Delivery[T]) error {
	stream, seq, err := c.lookAt(d.Value())
	if err != nil {
		return err
	}
	if rand.IntN(4) == 0 {
		c.write(givesBack, 0, stream, seq)
		d.Nack()
		if err := d.Ack(); !errors.Is(err, queue.ErrSettled) && !c.closing() {
			return wrong("an Ack after the Nack: %w", err)
		}
		return nil
	}
	c.write(ackBegins, 0, stream, seq)
	if err := d.Ack(); err != nil {
		return err
	}
	c.write(ackDone, 0, stream, seq)
	d.Nack()
	return nil
}
