//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
)

// sleepingOperations are those in which the child sleeps until the survivor ends
// that.
func sleepingOperations() []operation {
	list := []operation{
		{name: "Mutex.Lock/sleeps", lay: layMutexWait, open: opens(lock.OpenMutex, func(ctx context.Context, m *lock.Mutex) error { return m.Lock(ctx) })},
		{name: "RWMutex.Lock/sleeps", lay: layWriterWait, open: opens(lock.OpenRWMutex, func(ctx context.Context, m *lock.RWMutex) error { return m.Lock(ctx) })},
		{name: "RWMutex.RLock/sleeps", lay: layReaderWait, open: opens(lock.OpenRWMutex, func(ctx context.Context, m *lock.RWMutex) error { return m.RLock(ctx) })},
		{name: "Semaphore.Acquire/sleeps", lay: layPermitWait, open: opens(semaphore.Open, func(ctx context.Context, s *semaphore.Semaphore) error { return s.Acquire(ctx, 1) })},
		{name: "Queue.Get/sleeps", lay: layQueueWait, open: opens(queue.Open[int64], func(ctx context.Context, q *queue.Queue[int64]) error { _, err := q.Get(ctx); return err })},
		{name: "Event.Wait/sleeps", lay: layEventWait, open: opens(lock.OpenEvent, func(ctx context.Context, e *lock.Event) error { return e.Wait(ctx) })},
		{name: "Barrier.Wait/sleeps", lay: layBarrierWait, open: opens(lock.OpenBarrier, func(ctx context.Context, b *lock.Barrier) error { _, err := b.Wait(ctx); return err })},
		{name: "Cond.Wait/sleeps", lay: layCondWait, open: func(ctx context.Context, seg *shm.Segment) (deed, error) {
			m, err1 := lock.OpenMutex(ctx, seg, "x")
			c, err2 := lock.OpenCond(ctx, m, "c")
			return deed{
				warm: func() error { return nil },
				do:   func() error { return m.Do(ctx, func() error { return c.Wait(ctx) }) },
			}, errors.Join(err1, err2)
		}},
	}
	for i := range list {
		list[i].sleeps, list[i].full = true, 1
	}
	return list
}

// opens makes what a child does of how it opens the object "x", and waits for it.
func opens[H any](open func(ctx context.Context, seg *shm.Segment, name string) (H, error), do func(ctx context.Context, h H) error) func(context.Context, *shm.Segment) (deed, error) {
	return func(ctx context.Context, seg *shm.Segment) (deed, error) {
		h, err := open(ctx, seg, "x")
		return deed{warm: func() error { return nil }, do: func() error { return do(ctx, h) }}, err
	}
}

// waitBooks is an object that a child waits for.
type waitBooks struct {
	empty
	begin func(ctx context.Context) error // before the child begins
	end   func(ctx context.Context) error // the child's waiting; what follows its first call changes nothing
	after func(ctx context.Context, d shm.Death) error
	ended bool
}

func (b *waitBooks) meet(ctx context.Context) error {
	b.ended = false
	return b.begin(ctx)
}

func (b *waitBooks) relieve(ctx context.Context) error {
	if b.ended {
		return nil
	}
	b.ended = true
	return b.end(ctx)
}

// judge does not tell how far the operation has come: its course is never the same.
func (b *waitBooks) judge(ctx context.Context, d shm.Death) (int, error) { return 1, b.after(ctx, d) }

func layMutexWait(ctx context.Context, seg *shm.Segment) (subject, error) {
	m, err := lock.CreateMutex(ctx, seg, "x", lock.Spec{})
	return &waitBooks{
		begin: func(ctx context.Context) error { return m.Lock(ctx) },
		end:   func(context.Context) error { return m.Unlock() },
		after: func(ctx context.Context, d shm.Death) error {
			_, err := (&mutexBooks{m: m}).judge(ctx, d)
			return err
		},
	}, err
}

func layWriterWait(ctx context.Context, seg *shm.Segment) (subject, error) {
	b, m, err := rwWait(ctx, seg)
	b.begin, b.end = m.RLock, func(context.Context) error { return m.RUnlock() }
	return b, err
}

func layReaderWait(ctx context.Context, seg *shm.Segment) (subject, error) {
	b, m, err := rwWait(ctx, seg)
	b.begin, b.end = m.Lock, func(context.Context) error { return m.Unlock() }
	return b, err
}

func rwWait(ctx context.Context, seg *shm.Segment) (*waitBooks, *lock.RWMutex, error) {
	m, err := lock.CreateRWMutex(ctx, seg, "x", lock.Spec{})
	return &waitBooks{after: func(ctx context.Context, d shm.Death) error {
		_, err := (&rwBooks{m: m, kind: "lock"}).judge(ctx, d)
		return err
	}}, m, err
}

func layPermitWait(ctx context.Context, seg *shm.Segment) (subject, error) {
	s, err := semaphore.Create(ctx, seg, "x", semaphore.Spec{Permits: 1})
	return &waitBooks{
		begin: func(ctx context.Context) error { return s.Acquire(ctx, 1) },
		end:   func(context.Context) error { return s.Release(1) },
		after: func(_ context.Context, d shm.Death) error {
			if n := s.Available(); n != 1 || held(d, "permit") > 1 {
				return fmt.Errorf("it held %v, and %d permits are free", d.Held, n)
			}
			return errors.Join(s.TryAcquire(1), s.Release(1))
		},
	}, err
}

func layQueueWait(ctx context.Context, seg *shm.Segment) (subject, error) {
	q, err := queue.Create[int64](ctx, seg, "x", queue.Spec{Cap: 2})
	return &waitBooks{
		begin: func(context.Context) error { return nil },
		end:   func(ctx context.Context) error { return q.Put(ctx, 7) },
		after: func(_ context.Context, d shm.Death) error {
			if x, err := q.TryGet(); !errors.Is(err, queue.ErrEmpty) && (err != nil || x != 7) {
				return fmt.Errorf("it held %v, and there is %d, %w", d.Held, x, err)
			}
			err := errors.Join(q.TryPut(1), q.TryPut(2))
			for want := range 2 {
				if x, e := q.TryGet(); e != nil || x != int64(want+1) {
					err = errors.Join(err, fmt.Errorf("got %d, want %d, %w", x, want+1, e))
				}
			}
			return err
		},
	}, err
}

func layEventWait(ctx context.Context, seg *shm.Segment) (subject, error) {
	e, err := lock.CreateEvent(ctx, seg, "x")
	return &waitBooks{
		begin: func(context.Context) error { e.Clear(); return nil },
		end:   func(context.Context) error { e.Set(); return nil },
		after: func(ctx context.Context, _ shm.Death) error { return e.Wait(ctx) },
	}, err
}

func layBarrierWait(ctx context.Context, seg *shm.Segment) (subject, error) {
	b, err := lock.CreateBarrier(ctx, seg, "x", lock.BarrierSpec{Parties: 2})
	return &waitBooks{
		begin: func(context.Context) error { b.Reset(); return nil },
		end: func(ctx context.Context) error {
			if b.Waiting() == 0 {
				return nil // it never came, or is dead
			}
			if _, err := b.Wait(ctx); !errors.Is(err, lock.ErrBroken) {
				return err
			}
			return nil
		},
		after: func(ctx context.Context, _ shm.Death) error {
			if n := b.Waiting(); n != 0 {
				return fmt.Errorf("%d wait", n)
			}
			b.Reset()
			return meetTwice(ctx, b)
		},
	}, err
}

func layCondWait(ctx context.Context, seg *shm.Segment) (subject, error) {
	m, err := lock.CreateMutex(ctx, seg, "x", lock.Spec{})
	if err != nil {
		return nil, err
	}
	c, err := lock.CreateCond(ctx, m, "c")
	wake := func(ctx context.Context) error {
		err := m.Do(ctx, c.Broadcast)
		if errors.Is(err, lock.ErrPoisoned) {
			err = errors.Join(m.Recover(ctx, func() error { return nil }), m.Do(ctx, c.Broadcast))
		}
		return err
	}
	return &waitBooks{
		begin: func(context.Context) error { return nil },
		end:   wake,
		after: func(ctx context.Context, _ shm.Death) error {
			return errors.Join(wake(ctx), m.Do(ctx, c.Signal))
		},
	}, err
}
