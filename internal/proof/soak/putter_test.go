//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/shoal-ipc/shoal/queue"
)

// putter puts into one queue, in every way there is.
type putter[T any] struct {
	journal
	*gate
	q      *queue.Queue[T]
	kit    kit[T]
	stream uint32
	seq    *uint32 // of the message put last
}

func (p *putter[T]) step(ctx context.Context) error {
	switch rand.IntN(8) {
	case 0:
		return p.batch(ctx)
	case 1:
		return p.one(p.q.TryPut)
	case 2:
		return p.inPlace(ctx)
	case 3:
		return p.lent(p.q.Reserve(ctx))
	case 4:
		return p.lent(p.q.TryReserve())
	}
	return p.one(func(x T) error { return p.q.Put(ctx, x) })
}

func (p *putter[T]) next() T {
	var x T
	*p.seq++
	p.kit.build(&x, p.stream, *p.seq)
	return x
}

func (p *putter[T]) note(seq uint32, err error) error {
	what := byte(putDone)
	if err != nil {
		what = putFails
	}
	p.write(what, 0, p.stream, seq)
	return err
}

func (p *putter[T]) one(put func(T) error) error {
	x := p.next()
	p.write(putBegins, 0, p.stream, *p.seq)
	return p.note(*p.seq, put(x))
}

func (p *putter[T]) batch(ctx context.Context) error {
	list := make([]T, 1+rand.IntN(4))
	first := *p.seq + 1
	for i := range list {
		list[i] = p.next()
		p.write(putBegins, 0, p.stream, *p.seq)
	}
	n, err := p.q.PutBatch(ctx, list)
	if (n == len(list)) != (err == nil) {
		return wrong("PutBatch of %d: %d, %w", len(list), n, err)
	}
	for i := range list {
		if i < n {
			_ = p.note(first+uint32(i), nil)
		} else {
			_ = p.note(first+uint32(i), err)
		}
	}
	return err
}

var errRegret = errors.New("changed its mind")

func (p *putter[T]) inPlace(ctx context.Context) error {
	*p.seq++
	p.write(putBegins, 0, p.stream, *p.seq)
	return p.note(*p.seq, p.q.PutFunc(ctx, func(x *T) error {
		return p.within(func() error {
			p.kit.build(x, p.stream, *p.seq)
			if rand.IntN(8) == 0 {
				return errRegret
			}
			return nil
		})
	}))
}

func (p *putter[T]) lent(l queue.Loan[T], err error) error {
	if err != nil {
		return err
	}
	*p.seq++
	p.write(putBegins, 0, p.stream, *p.seq)
	err = p.within(func() error {
		p.kit.build(l.Value(), p.stream, *p.seq)
		if rand.IntN(4) == 0 {
			return errRegret
		}
		return nil
	})
	if err != nil {
		l.Abandon()
		return p.note(*p.seq, err)
	}
	err = p.note(*p.seq, l.Publish())
	l.Abandon()
	return err
}

// wrong is an error that ends the soak.
func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errWrong, fmt.Errorf(format, args...))
}

var errWrong = errors.New("what must not be")
