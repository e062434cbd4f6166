//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// meetingOperations are those of barriers and conditions for which the survivor
// waits.
func meetingOperations() []operation {
	meets := func(ctx context.Context, seg *shm.Segment) (deed, error) {
		b, err := lock.OpenBarrier(ctx, seg, "b")
		return deed{
			warm: func() error {
				b.Abort()
				b.Reset()
				return nil
			},
			do: func() error { _, err := b.Wait(ctx); return err },
		}, err
	}
	wakes := func(wake func(c *lock.Cond) error) func(context.Context, *shm.Segment) (deed, error) {
		return func(ctx context.Context, seg *shm.Segment) (deed, error) {
			m, err1 := lock.OpenMutex(ctx, seg, "m")
			c, err2 := lock.OpenCond(ctx, m, "c")
			use := func() error { return m.Do(ctx, func() error { return wake(c) }) }
			return deed{warm: use, do: use}, errors.Join(err1, err2)
		}
	}
	return []operation{
		{name: "Barrier.Wait/last", open: meets, lay: layBarrier, full: 1},
		{name: "Cond.Signal", open: wakes((*lock.Cond).Signal), lay: layCond, full: 0},
		{name: "Cond.Broadcast", open: wakes((*lock.Cond).Broadcast), lay: layCond, full: 0},
	}
}

// barrierBooks is a barrier at which a child is the last of two.
type barrierBooks struct {
	empty
	b       *lock.Barrier
	sleeper sleeper
}

func layBarrier(ctx context.Context, seg *shm.Segment) (subject, error) {
	b, err := lock.CreateBarrier(ctx, seg, "b", lock.BarrierSpec{Parties: 2})
	return &barrierBooks{b: b}, err
}

func (b *barrierBooks) meet(ctx context.Context) (err error) {
	b.sleeper, err = sleep(ctx, b.b.Segment(), func() error { _, err := b.b.Wait(ctx); return err })
	return err
}

func (b *barrierBooks) judge(ctx context.Context, _ shm.Death) (int, error) {
	if b.b.Broken() {
		return 0, errors.New("the barrier is broken by one that did not wait")
	}
	came := 1 - b.b.Waiting()
	if came == 0 {
		if _, err := b.b.Wait(ctx); err != nil {
			return 0, err
		}
	}
	if err := b.sleeper.end(ctx); err != nil {
		return 0, err
	}
	return came, meetTwice(ctx, b.b)
}

// meetTwice has two goroutines meet.
func meetTwice(ctx context.Context, b *lock.Barrier) error {
	other := make(chan error, 1)
	go func() { _, err := b.Wait(ctx); other <- err }()
	_, err := b.Wait(ctx)
	return errors.Join(err, <-other)
}

// condBooks is a condition for which the survivor waits, once. Its mutex says what
// the child has done.
type condBooks struct {
	empty
	m       *lock.Mutex
	c       *lock.Cond
	sleeper sleeper
}

func layCond(ctx context.Context, seg *shm.Segment) (subject, error) {
	m, err := lock.CreateMutex(ctx, seg, "m", lock.Spec{})
	if err != nil {
		return nil, err
	}
	c, err := lock.CreateCond(ctx, m, "c")
	return &condBooks{m: m, c: c}, err
}

func (b *condBooks) meet(ctx context.Context) (err error) {
	b.sleeper, err = sleep(ctx, b.m.Segment(), func() error {
		return b.m.Do(ctx, func() error { return b.c.Wait(ctx) })
	})
	return err
}

func (b *condBooks) judge(ctx context.Context, d shm.Death) (int, error) {
	wake := func() error { return b.m.Do(ctx, b.c.Broadcast) }
	if held(d, "lock") == 1 {
		if err := b.sleeper.end(ctx); !errors.Is(err, lock.ErrPoisoned) {
			return 0, fmt.Errorf("who waits for a condition whose mutex was held by a dead process: %w", err)
		}
		return 0, errors.Join(b.m.Recover(ctx, func() error { return nil }), wake())
	}
	err := wake() // if the child has not
	if e := b.sleeper.end(ctx); e != nil {
		err = errors.Join(err, fmt.Errorf("who waited: %w", e))
	}
	return 0, err
}
