//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
)

func semaphoreOperations() []operation {
	acquiring := func(n int) func(context.Context, *shm.Segment) (deed, error) {
		return func(ctx context.Context, seg *shm.Segment) (deed, error) {
			s, err := semaphore.Open(ctx, seg, "s")
			return deed{
				warm: func() error { return errors.Join(s.Acquire(ctx, n), s.Release(n)) },
				do:   func() error { return s.Acquire(ctx, n) },
			}, err
		}
	}
	releasing := func(n int) func(context.Context, *shm.Segment) (deed, error) {
		return func(ctx context.Context, seg *shm.Segment) (deed, error) {
			s, err := semaphore.Open(ctx, seg, "s")
			return deed{
				warm:   func() error { return errors.Join(s.Acquire(ctx, n), s.Release(n)) },
				before: func() error { return s.Acquire(ctx, n) },
				do:     func() error { return s.Release(n) },
			}, err
		}
	}
	signalling := func(ctx context.Context, seg *shm.Segment) (deed, error) {
		s, err := semaphore.Open(ctx, seg, "s")
		return deed{
			warm: func() error { return errors.Join(s.Release(1), s.Acquire(ctx, 1)) },
			do:   func() error { return s.Release(1) },
		}, err
	}
	return []operation{
		{name: "Semaphore.Acquire", hot: true, open: acquiring(1), lay: layPermits(permitBooks{total: 4}), full: 1},
		{name: "Semaphore.Acquire/3", open: acquiring(3), lay: layPermits(permitBooks{total: 4}), full: 3},
		{name: "Semaphore.Release", hot: true, open: releasing(1), lay: layPermits(permitBooks{total: 4, releases: 1}), full: 1},
		{name: "Semaphore.Release/3", open: releasing(3), lay: layPermits(permitBooks{total: 4, releases: 3}), full: 3},
		{name: "Semaphore.Release/wakes", hot: true, open: releasing(1), lay: layPermits(permitBooks{total: 1, releases: 1, wants: 1}), full: 1},
		{name: "Semaphore.Release/3 wakes", open: releasing(3), lay: layPermits(permitBooks{total: 4, releases: 3, wants: 4}), full: 3},
		{name: "Semaphore.Acquire/signal", open: acquiring(1), lay: layEvents(eventBooks{there: 1}), full: 1},
		{name: "Semaphore.Release/signal", open: signalling, lay: layEvents(eventBooks{}), full: 1},
		{name: "Semaphore.Release/signal wakes", open: signalling, lay: layEvents(eventBooks{waits: true}), full: 1},
	}
}

// permitBooks is a semaphore that children acquire or release.
type permitBooks struct {
	empty
	s        *semaphore.Semaphore
	total    int
	releases int // by the operation; 0: it acquires
	wants    int // the survivor waits for so many
	sleeper  sleeper
}

func layPermits(b permitBooks) func(context.Context, *shm.Segment) (subject, error) {
	return func(ctx context.Context, seg *shm.Segment) (subject, error) {
		s, err := semaphore.Create(ctx, seg, "s", semaphore.Spec{Permits: b.total})
		b := b
		b.s = s
		return &b, err
	}
}

func (b *permitBooks) meet(ctx context.Context) (err error) {
	if b.wants > 0 {
		b.sleeper, err = sleep(ctx, b.s.Segment(), func() error { return b.s.Acquire(ctx, b.wants) })
	}
	return err
}

func (b *permitBooks) judge(ctx context.Context, d shm.Death) (int, error) {
	if b.wants > 0 {
		if err := errors.Join(b.sleeper.end(ctx), b.s.Release(b.wants)); err != nil {
			return 0, err
		}
	}
	if got := b.s.Available(); got != b.total {
		return 0, fmt.Errorf("%d permits are free, want %d", got, b.total)
	}
	if err := b.s.Acquire(ctx, b.total); err != nil {
		return 0, err
	}
	if err := b.s.TryAcquire(1); !errors.Is(err, semaphore.ErrNoPermit) {
		return 0, fmt.Errorf("more permits than there are: %w", err)
	}
	n := held(d, "permit")
	if b.releases > 0 {
		n = b.releases - n
	}
	return n, b.s.Release(b.total)
}

// eventBooks is a semaphore of the Signal kind, that nobody holds.
type eventBooks struct {
	empty
	s       *semaphore.Semaphore
	there   int  // what there is in the beginning, and is consumed
	waits   bool // the survivor waits for one more
	sleeper sleeper
}

func layEvents(b eventBooks) func(context.Context, *shm.Segment) (subject, error) {
	return func(ctx context.Context, seg *shm.Segment) (subject, error) {
		s, err := semaphore.Create(ctx, seg, "s", semaphore.Spec{Kind: semaphore.Signal, Permits: b.there})
		b := b
		b.s = s
		return &b, err
	}
}

func (b *eventBooks) meet(ctx context.Context) (err error) {
	if b.waits {
		b.sleeper, err = sleep(ctx, b.s.Segment(), func() error { return b.s.Acquire(ctx, 1) })
	}
	return err
}

func (b *eventBooks) judge(ctx context.Context, _ shm.Death) (int, error) {
	if b.waits {
		return b.judgeWaiting(ctx)
	}
	n := b.s.Available()
	if n < 0 || n > 1 {
		return 0, fmt.Errorf("%d events, want 0 or 1", n)
	}
	for range n {
		if err := b.s.TryAcquire(1); err != nil {
			return 0, err
		}
	}
	if err := b.s.TryAcquire(1); !errors.Is(err, semaphore.ErrNoPermit) {
		return 0, fmt.Errorf("one more event: %w", err)
	}
	if b.there == 0 {
		return n, nil
	}
	return b.there - n, b.s.Release(b.there)
}

// judgeWaiting finds out whether there was an event for the survivor.
func (b *eventBooks) judgeWaiting(ctx context.Context) (int, error) {
	if b.s.Available() == 1 {
		return 1, b.sleeper.end(ctx) // without help
	}
	// It has got its event, or there was none. Of one more either that one is left,
	// or none.
	if err := errors.Join(b.s.Release(1), b.sleeper.end(ctx)); err != nil {
		return 0, err
	}
	n := b.s.Available()
	if n == 1 {
		if err := b.s.TryAcquire(1); err != nil {
			return 0, err
		}
	}
	if left := b.s.Available(); left != 0 || n > 1 {
		return 0, fmt.Errorf("%d events, and then %d", n, left)
	}
	return n, nil
}
