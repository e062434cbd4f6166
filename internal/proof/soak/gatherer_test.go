//go:build linux

package soak

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/shoal-ipc/shoal/lock"
)

// gatherer uses what processes meet at: the read-write mutex, the condition, the
// event and the barrier of a segment, and the numbers of a table. It waits for moments only, for nobody need
// come.
type gatherer struct {
	*park
	r *rand.Rand
}

func (g *gatherer) step(ctx context.Context) error {
	moment, cancel := context.WithTimeout(ctx, time.Duration(g.r.IntN(3000))*time.Microsecond)
	defer cancel()
	switch g.r.IntN(9) {
	case 0, 1:
		return g.write(moment, g.r.IntN(2000))
	case 2, 3:
		return g.read(moment)
	case 4, 5:
		return g.await(moment)
	case 6:
		return g.raise(moment)
	case 7:
		return g.number(moment)
	}
	return g.meet(moment)
}

// write goes through the section of one writer.
func (g *gatherer) write(ctx context.Context, work int) error {
	if err := g.mended(ctx, g.shared.Lock(ctx)); err != nil {
		return err
	}
	if err := g.within(func() error { return g.enter(written, work) }); err != nil {
		return err
	}
	return g.shared.Unlock()
}

// read looks at the books of the writers, with other readers.
func (g *gatherer) read(ctx context.Context) error {
	if err := g.mended(ctx, g.shared.RLock(ctx)); err != nil {
		return err
	}
	err := g.within(func() error {
		if in := g.inside.Load(written); in != 0 || g.books.At(2*written) != g.books.At(2*written+1) {
			return wrong("among readers: %d writes, the books say %d and %d", in, g.books.At(2*written), g.books.At(2*written+1))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return g.shared.RUnlock()
}

// mended makes good what a dead writer left; the error of locking stays.
func (g *gatherer) mended(ctx context.Context, err error) error {
	if !errors.Is(err, lock.ErrPoisoned) {
		return err
	}
	repair := func() error { return g.within(func() error { return g.mend(written) }) }
	return errors.Join(err, g.shared.Recover(ctx, repair))
}

// await waits for somebody's signal, and wakes somebody.
func (g *gatherer) await(ctx context.Context) error {
	m := g.mutexes[released]
	if err := m.Lock(ctx); err != nil {
		return err
	}
	wake := []func() error{g.cond.Signal, g.cond.Broadcast}[g.r.IntN(2)]
	if err := wake(); err != nil {
		return err
	}
	if err := g.cond.Wait(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return err
	}
	return m.Unlock()
}

func (g *gatherer) raise(ctx context.Context) error {
	switch g.r.IntN(3) {
	case 0:
		g.event.Set()
	case 1:
		g.event.Clear()
	}
	return g.event.Wait(ctx)
}

// meet meets one other.
func (g *gatherer) meet(ctx context.Context) error {
	rank, err := g.barrier.Wait(ctx)
	if errors.Is(err, lock.ErrBroken) {
		g.barrier.Reset()
		return nil
	}
	if err == nil && (rank < 0 || rank > 1) {
		return wrong("the rank at a barrier of 2 is %d", rank)
	}
	return err
}
