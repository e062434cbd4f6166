//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

func rwOperations() []operation {
	open := func(before, do func(ctx context.Context, m *lock.RWMutex) error) func(context.Context, *shm.Segment) (deed, error) {
		return func(ctx context.Context, seg *shm.Segment) (deed, error) {
			m, err := lock.OpenRWMutex(ctx, seg, "rw")
			return deed{
				warm: func() error {
					return errors.Join(m.Lock(ctx), m.Unlock(), m.RLock(ctx), m.RUnlock())
				},
				before: func() error { return before(ctx, m) },
				do:     func() error { return do(ctx, m) },
			}, err
		}
	}
	none := func(context.Context, *lock.RWMutex) error { return nil }
	locks := func(ctx context.Context, m *lock.RWMutex) error { return m.Lock(ctx) }
	reads := func(ctx context.Context, m *lock.RWMutex) error { return m.RLock(ctx) }
	unlocks := func(_ context.Context, m *lock.RWMutex) error { return m.Unlock() }
	ends := func(_ context.Context, m *lock.RWMutex) error { return m.RUnlock() }
	return []operation{
		{name: "RWMutex.Lock", open: open(none, locks), lay: layRW(rwBooks{kind: "lock"}), full: 1},
		{name: "RWMutex.Unlock", open: open(locks, unlocks), lay: layRW(rwBooks{kind: "lock", ends: true}), full: 1},
		{name: "RWMutex.Unlock/wakes", open: open(locks, unlocks), lay: layRW(rwBooks{kind: "lock", ends: true, waits: true}), full: 1},
		{name: "RWMutex.RLock", open: open(none, reads), lay: layRW(rwBooks{kind: "read lock"}), full: 1},
		{name: "RWMutex.RUnlock", open: open(reads, ends), lay: layRW(rwBooks{kind: "read lock", ends: true}), full: 1},
		{name: "RWMutex.RUnlock/wakes", open: open(reads, ends), lay: layRW(rwBooks{kind: "read lock", ends: true, waits: true}), full: 1},
	}
}

// rwBooks is a read-write mutex that children lock or unlock.
type rwBooks struct {
	empty
	m       *lock.RWMutex
	kind    string // what the child holds after or, if it ends that, before the operation
	ends    bool
	waits   bool // the survivor waits to write
	sleeper sleeper
}

func layRW(b rwBooks) func(context.Context, *shm.Segment) (subject, error) {
	return func(ctx context.Context, seg *shm.Segment) (subject, error) {
		m, err := lock.CreateRWMutex(ctx, seg, "rw", lock.Spec{})
		b := b
		b.m = m
		return &b, err
	}
}

func (b *rwBooks) meet(ctx context.Context) (err error) {
	if b.waits {
		b.sleeper, err = sleep(ctx, b.m.Segment(), func() error { return b.m.Lock(ctx) })
	}
	return err
}

func (b *rwBooks) judge(ctx context.Context, d shm.Death) (int, error) {
	n := held(d, b.kind)
	if n > 1 {
		return 0, fmt.Errorf("it held %v", d.Held)
	}
	var err error
	if b.waits {
		err = b.sleeper.end(ctx)
	} else {
		err = b.m.Lock(ctx)
	}
	if poisoned := errors.Is(err, lock.ErrPoisoned); poisoned != (n == 1 && b.kind == "lock") {
		return 0, fmt.Errorf("it held %v, and then: %w", d.Held, err)
	} else if poisoned {
		err = errors.Join(b.m.Recover(ctx, func() error { return nil }), b.m.TryLock())
	}
	if b.ends {
		n = 1 - n
	}
	if err := errors.Join(err, b.m.Unlock(), b.m.TryRLock(), b.m.TryRLock()); err != nil {
		return 0, fmt.Errorf("it held %v, and then: %w", d.Held, err)
	}
	if err := b.m.TryLock(); !errors.Is(err, lock.ErrLocked) {
		return 0, fmt.Errorf("a writer beside two readers: %w", err)
	}
	return n, errors.Join(b.m.RUnlock(), b.m.RUnlock(), b.m.TryLock(), b.m.Unlock())
}
