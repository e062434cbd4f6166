//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/shoal-ipc/shoal/lock"
)

// numbered is how many mutexes the table has. Nobody frees those of the dead, and of
// those who closed the segment meanwhile.
const numbered = 2048

// number takes a number that nobody else has, locks its mutex and frees it. Others
// try that mutex too.
func (g *gatherer) number(ctx context.Context) error {
	i, err := g.table.Alloc()
	if err != nil {
		return err
	}
	me := int64(os.Getpid())
	m := g.table.At(i)
	err = g.within(func() error {
		if !g.clerks.CompareAndSwap(i, 0, me) {
			return wrong("%d has taken number %d, which %d has", me, i, g.clerks.Load(i))
		}
		return nil
	})
	if err == nil {
		err = g.tryOther(i)
	}
	if err == nil {
		err = m.Do(ctx, func() error { return nil })
	}
	if errors.Is(err, lock.ErrPoisoned) {
		err = m.Recover(ctx, func() error { return nil })
	}
	e := g.within(func() error {
		g.clerks.Store(i, 0)
		return nil
	})
	if e != nil {
		return errors.Join(err, e) // not freed: its next clerk would find this one's mark
	}
	return errors.Join(err, g.freed(ctx, i, m))
}

// freed frees number i, of which m is the mutex, when nobody tries it.
func (g *gatherer) freed(ctx context.Context, i int, m *lock.Mutex) error {
	err := g.table.Free(i)
	for errors.Is(err, lock.ErrLocked) && ctx.Err() == nil {
		err = g.table.Free(i)
	}
	if err != nil {
		return err
	}
	if err := m.TryLock(); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrClosed) {
		return wrong("the mutex of number %d, which was freed: %v", i, err)
	}
	return nil
}

// tryOther locks the mutex of the number before i for a moment, if somebody has it.
func (g *gatherer) tryOther(i int) error {
	return g.within(func() error {
		m := g.table.At(max(0, i-1))
		err := m.TryLock()
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, lock.ErrLocked), errors.Is(err, lock.ErrPoisoned):
			return nil
		case err == nil:
			return m.Unlock()
		}
		return err
	})
}

// settleNumbers frees all numbers, and takes them all.
func settleNumbers(ctx context.Context, p *park) error {
	for i, m := range p.table.All() {
		if err := m.Recover(ctx, func() error { return nil }); err != nil {
			return fmt.Errorf("number %d: %w", i, err)
		}
		if err := errors.Join(m.TryLock(), m.Unlock(), p.table.Free(i)); err != nil {
			return fmt.Errorf("number %d: %w", i, err)
		}
	}
	for range numbered {
		if _, err := p.table.Alloc(); err != nil {
			return fmt.Errorf("a table with no number taken: %w", err)
		}
	}
	return nil
}
