//go:build linux

package soak

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// locker uses the mutexes and semaphores of a segment.
type locker struct {
	*park
	account
	r *rand.Rand
}

// step does one thing, waiting sometimes for as long as it takes and sometimes
// for a moment only.
func (l *locker) step(ctx context.Context) error {
	if l.r.IntN(4) == 0 {
		moment, cancel := context.WithTimeout(ctx, time.Duration(l.r.IntN(300))*time.Microsecond)
		defer cancel()
		ctx = moment
	}
	work := l.r.IntN(400)
	if l.r.IntN(8) == 0 {
		work *= 64 // so that many die inside
	}
	switch l.r.IntN(8) {
	case 0, 1, 2:
		return l.section(ctx, l.r.IntN(mutexes), work)
	case 3:
		m := l.mutexes[l.r.IntN(mutexes)]
		if err := m.TryLock(); err != nil {
			return err
		}
		return m.Unlock()
	case 4:
		n := 1 + l.r.IntN(permits)
		if err := l.permits.TryAcquire(n); err != nil {
			return err
		}
		return l.hold(n, work)
	case 5:
		n := 1 + l.r.IntN(2)
		if err := l.count(supplies, n, func() error { return l.events.Release(n) }); err != nil {
			return err
		}
		// Everybody adds before he takes: nobody can wait for ever.
		return l.count(consumes, n, func() error { return l.events.Acquire(ctx, n) })
	}
	n := 1
	if l.r.IntN(4) == 0 {
		n += l.r.IntN(permits)
	}
	if err := l.permits.Acquire(ctx, n); err != nil {
		return err
	}
	return l.hold(n, work)
}

// section goes through the critical section of a mutex.
func (l *locker) section(ctx context.Context, which, work int) error {
	m := l.mutexes[which]
	err := m.Lock(ctx)
	if errors.Is(err, lock.ErrPoisoned) && which == poisoned {
		return m.Recover(ctx, func() error { return l.within(func() error { return l.mend(which) }) })
	}
	if err != nil {
		return err
	}
	err = l.within(func() error {
		if which == released {
			if err := l.mend(which); err != nil {
				return err
			}
		}
		return l.enter(which, work)
	})
	if err != nil {
		return err
	}
	return m.Unlock()
}

// enter changes the books of a mutex, which is held.
func (p *park) enter(which, work int) error {
	me, b := int64(os.Getpid()), 2*which
	if !p.inside.CompareAndSwap(which, 0, me) {
		return wrong("mutex %d: %d is inside", which, p.inside.Load(which))
	}
	if p.books.At(b) != p.books.At(b+1) {
		return wrong("mutex %d: the books say %d and %d", which, p.books.At(b), p.books.At(b+1))
	}
	p.books.Set(b, p.books.At(b)+1)
	idle(work)
	p.books.Set(b+1, p.books.At(b+1)+1)
	if p.books.At(b) != p.books.At(b+1) || !p.inside.CompareAndSwap(which, me, 0) {
		return wrong("mutex %d: somebody else was inside", which)
	}
	return nil
}

// mend makes good what a dead one left. The mutex is held.
func (p *park) mend(which int) error {
	b := 2 * which
	if in := p.inside.Load(which); in != 0 {
		if p.lives(in) {
			return wrong("mutex %d: %d is inside, and alive", which, in)
		}
		p.inside.Store(which, 0)
	}
	switch p.books.At(b) - p.books.At(b+1) {
	case 0:
	case 1:
		p.books.Set(b+1, p.books.At(b+1)+1)
	default:
		return wrong("mutex %d: the books say %d and %d", which, p.books.At(b), p.books.At(b+1))
	}
	return nil
}

// hold marks n permits, which this process has, as its own, and gives them back.
func (l *locker) hold(n, work int) error {
	if err := l.within(func() error { return l.mark(n, work) }); err != nil {
		return err
	}
	return l.permits.Release(n)
}

func (p *park) mark(n, work int) error {
	mine := make([]int, 0, permits)
	for start := time.Now(); len(mine) < n; runtime.Gosched() { // others pass permits on between two looks
		if time.Since(start) > watchdog {
			return wrong("of %d permits only %d are there", n, len(mine))
		}
		for i := 0; i < permits && len(mine) < n; i++ {
			if p.seize(i) {
				mine = append(mine, i)
			}
		}
	}
	idle(work)
	for _, i := range mine {
		p.holders.Store(i, 0)
	}
	return nil
}

// seize takes a permit's mark that is free, or a dead one's.
func (p *park) seize(i int) bool {
	me, holder := int64(os.Getpid()), p.holders.Load(i)
	return (holder == 0 || holder != me && !p.lives(holder)) && p.holders.CompareAndSwap(i, holder, me)
}

// lives reports whether the segment takes a process for a living one.
func (p *park) lives(pid int64) bool {
	list, err := p.seg.Participants()
	if err != nil {
		return true
	}
	i := slices.IndexFunc(list, func(x shm.Participant) bool { return int64(x.PID) == pid })
	return i >= 0 && list[i].Alive
}

// idle takes some time, and sometimes lets others run.
func idle(work int) {
	var x atomic.Int64
	for range work {
		x.Add(1)
	}
	if work%16 == 0 {
		runtime.Gosched()
	}
}
