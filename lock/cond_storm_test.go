package lock_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
)

// condStorms waits for short times, and wakes any number, in no order.
var condStorms = process.Func("lock-cond-storms", func(ctx context.Context, a condArgs) error {
	one := func() error {
		return a.Cond.Mutex().Do(ctx, func() error {
			switch rand.N(5) {
			case 0:
				return a.Cond.Signal()
			case 1:
				return a.Cond.SignalN(rand.N(4))
			case 2:
				return a.Cond.Broadcast()
			}
			short, cancel := context.WithTimeout(ctx, time.Duration(rand.N(500))*time.Microsecond)
			defer cancel()
			if err := a.Cond.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			return nil
		})
	}
	siblings := []<-chan error{}
	for range 2 {
		siblings = append(siblings, async(func() error {
			for range a.Limit {
				if err := one(); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	return errors.Join(<-siblings[0], <-siblings[1])
})

// TestConformanceStorm is one more thing that users of conditions rely on.
func TestConformanceStorm(t *testing.T) {
	t.Run("RCV-04", func(t *testing.T) {
		q := newQueueing(t)
		q.Limit = 2000
		if testing.Short() || race.Enabled {
			q.Limit = 200
		}
		for range 4 {
			child, err := condStorms.Start(t.Context(), q.condArgs)
			want(t, "Start", err, nil)
			q.children = append(q.children, child)
		}
		q.end()
		want(t, "Lock", q.Cond.Mutex().Lock(t.Context()), nil)
		want(t, "Signal to nobody", q.Cond.Signal(), nil)
		want(t, "Unlock", q.Cond.Mutex().Unlock(), nil)
		want(t, "Unlock again", q.Cond.Mutex().Unlock(), lock.ErrNotOwner)
	})
}
