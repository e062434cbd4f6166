//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// recoverOperations are on a mutex whose holder has died.
func recoverOperations() []operation {
	return []operation{
		{name: "Mutex.Recover", lay: layPoisoned, full: 1, open: func(ctx context.Context, seg *shm.Segment) (deed, error) {
			m, err := lock.OpenMutex(ctx, seg, "m")
			return deed{
				warm: func() error { return nil },
				do:   func() error { return m.Recover(ctx, func() error { return nil }) },
			}, err
		}},
		{name: "Mutex.Lock/repairs", lay: layPoisoned, full: 1, open: func(ctx context.Context, seg *shm.Segment) (deed, error) {
			m, err := lock.OpenMutex(ctx, seg, "m")
			m.Repair = func() error { return nil }
			return deed{
				warm: func() error { return nil },
				do:   func() error { return errors.Join(m.Lock(ctx), m.Unlock()) },
			}, err
		}},
	}
}

// poisonedBooks is a mutex whose holder died, and that children recover.
type poisonedBooks struct {
	m    *lock.Mutex
	file *os.File // the segment's
}

func layPoisoned(ctx context.Context, seg *shm.Segment) (subject, error) {
	m, err := lock.CreateMutex(ctx, seg, "m", lock.Spec{})
	if err != nil {
		return nil, err
	}
	f, err := seg.File()
	return &poisonedBooks{m, f}, err
}

// fill has a child of another operation die with the mutex.
func (b *poisonedBooks) fill(ctx context.Context) error {
	v, err := start("Mutex.Unlock", b.file)
	if err != nil {
		return err
	}
	err = v.hold()
	deaths := b.m.Segment().Deaths(ctx)
	if err = errors.Join(err, v.kill()); err != nil {
		return err
	}
	for d, err := range deaths {
		if err != nil || held(d, "lock") != 1 {
			return fmt.Errorf("%v: %w", d, err)
		}
		break
	}
	return nil
}

func (b *poisonedBooks) meet(context.Context) error { return nil }

func (b *poisonedBooks) judge(ctx context.Context, d shm.Death) (int, error) {
	effect := 1
	err := b.m.Lock(ctx)
	if errors.Is(err, lock.ErrPoisoned) {
		effect = 0
		err = (&mutexBooks{m: b.m}).recover(ctx, err)
	} else if err == nil {
		err = b.m.Unlock()
	}
	if err != nil {
		return 0, fmt.Errorf("it held %v, and then: %w", d.Held, err)
	}
	if p, locked := b.m.Holder(); locked {
		return 0, fmt.Errorf("%v holds it", p)
	}
	return effect, errors.Join(b.m.TryLock(), b.m.Unlock())
}
