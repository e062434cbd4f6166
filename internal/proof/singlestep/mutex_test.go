//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

func mutexOperations() []operation {
	acquiring := func(ctx context.Context, seg *shm.Segment) (deed, error) {
		m, err := lock.OpenMutex(ctx, seg, "m")
		return deed{
			warm: func() error { return errors.Join(m.Lock(ctx), m.Unlock()) },
			do:   func() error { return m.Lock(ctx) },
		}, err
	}
	releasing := func(ctx context.Context, seg *shm.Segment) (deed, error) {
		m, err := lock.OpenMutex(ctx, seg, "m")
		return deed{
			warm:   func() error { return errors.Join(m.Lock(ctx), m.Unlock()) },
			before: func() error { return m.Lock(ctx) },
			do:     m.Unlock,
		}, err
	}
	return []operation{
		{name: "Mutex.Lock", hot: true, open: acquiring, lay: layMutex(mutexBooks{}, lock.Poison), full: 1},
		{name: "Mutex.Lock/release", open: acquiring, lay: layMutex(mutexBooks{}, lock.Release), full: 1},
		{name: "Mutex.Unlock", hot: true, open: releasing, lay: layMutex(mutexBooks{unlocks: true}, lock.Poison), full: 1},
		{name: "Mutex.Unlock/wakes", hot: true, open: releasing, lay: layMutex(mutexBooks{unlocks: true, waits: true}, lock.Poison), full: 1},
		{name: "Mutex.Unlock/release wakes", open: releasing, lay: layMutex(mutexBooks{unlocks: true, waits: true}, lock.Release), full: 1},
	}
}

// mutexBooks is a mutex that children lock or unlock.
type mutexBooks struct {
	empty
	m       *lock.Mutex
	unlocks bool // what the operation does
	waits   bool // the survivor waits for it
	sleeper sleeper
}

func layMutex(b mutexBooks, policy lock.OnDeath) func(context.Context, *shm.Segment) (subject, error) {
	return func(ctx context.Context, seg *shm.Segment) (subject, error) {
		m, err := lock.CreateMutex(ctx, seg, "m", lock.Spec{OnDeath: policy})
		b := b
		b.m = m
		return &b, err
	}
}

func (b *mutexBooks) meet(ctx context.Context) (err error) {
	if b.waits {
		b.sleeper, err = sleep(ctx, b.m.Segment(), func() error { return b.m.Lock(ctx) })
	}
	return err
}

func (b *mutexBooks) judge(ctx context.Context, d shm.Death) (int, error) {
	n := held(d, "lock")
	if n > 1 {
		return 0, fmt.Errorf("it held %v", d.Held)
	}
	var err error
	if b.waits {
		err = b.sleeper.end(ctx)
	} else {
		err = b.m.Lock(ctx)
	}
	if b.m.Spec().OnDeath == lock.Poison && n == 1 {
		err = b.recover(ctx, err)
	} else if err == nil {
		err = b.m.Unlock()
	}
	if err != nil {
		return 0, fmt.Errorf("it held %v, and then: %w", d.Held, err)
	}
	if p, locked := b.m.Holder(); locked {
		return 0, fmt.Errorf("%v holds it", p)
	}
	if b.unlocks {
		n = 1 - n
	}
	return n, errors.Join(b.m.TryLock(), b.m.Unlock())
}

// recover repairs the mutex if err, of locking it, says that this is needed.
func (b *mutexBooks) recover(ctx context.Context, err error) error {
	if !errors.Is(err, lock.ErrPoisoned) {
		return fmt.Errorf("locking: %w, want %w", err, lock.ErrPoisoned)
	}
	times := 0
	if err := b.m.Recover(ctx, func() error { times++; return nil }); err != nil {
		return err
	}
	if times != 1 {
		return fmt.Errorf("repaired %d times", times)
	}
	return nil
}
