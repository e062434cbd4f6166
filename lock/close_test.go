package lock_test

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
)

// closers is what one participant uses until it closes its segment.
type closers struct {
	t               *testing.T
	poison, release *lock.Mutex
	permits         *semaphore.Semaphore
}

const closePermits = 400

func openClosers(t *testing.T, seg *shm.Segment) *closers {
	c := &closers{t: t}
	var err error
	c.poison = open(t, seg)
	c.release, err = lock.OpenMutex(t.Context(), seg, "released")
	want(t, "OpenMutex", err, nil)
	c.permits, err = semaphore.Open(t.Context(), seg, "permits")
	want(t, "semaphore.Open", err, nil)
	return c
}

// use has several goroutines use everything until stop, or until the segment is closed.
func (c *closers) use(stop context.Context) *sync.WaitGroup {
	ctx := context.Background() // so that only Close ends a wait
	wg := new(sync.WaitGroup)
	do := func(f func() error) {
		for range 2 {
			wg.Go(func() {
				for stop.Err() == nil {
					err := f()
					if errors.Is(err, fs.ErrClosed) {
						return
					}
					if err != nil && !errors.Is(err, lock.ErrPoisoned) {
						c.t.Error(err)
						return
					}
				}
			})
		}
	}
	for _, m := range []*lock.Mutex{c.poison, c.release} {
		do(func() error {
			err := m.Lock(ctx)
			if err == nil {
				runtime.Gosched()
				err = m.Unlock()
			}
			return err
		})
	}
	for _, n := range []int{1, 30, 300} {
		do(func() error {
			err := c.permits.Acquire(ctx, n)
			if err == nil {
				runtime.Gosched()
				err = c.permits.Release(n)
			}
			return err
		})
	}
	return wg
}

// TestCloseAnywhere closes the segment of one participant while its goroutines
// are anywhere in their operations, and another one goes on. All of them must
// end, and nothing may stay taken.
func TestCloseAnywhere(t *testing.T) {
	defer withoutSlice()()
	rounds := 100
	if testing.Short() {
		rounds = 30
	}
	seg := heap(t)
	poison := create(t, seg, lock.Spec{})
	_, err := lock.CreateMutex(t.Context(), seg, "released", lock.Spec{OnDeath: lock.Release})
	want(t, "CreateMutex", err, nil)
	_, err = semaphore.Create(t.Context(), seg, "permits", semaphore.Spec{Permits: closePermits})
	want(t, "semaphore.Create", err, nil)
	stays := openClosers(t, seg)
	for i := range rounds {
		other := peer(t, seg)
		ctx, stop := context.WithCancel(t.Context())
		staying := stays.use(ctx)
		leaving := openClosers(t, other).use(ctx)
		<-time.After(time.Duration(i%20) * 50 * time.Microsecond)
		want(t, "Close", other.Close(), nil)
		want(t, "who leaves", await(t, "who leaves", async(func() error { leaving.Wait(); return nil })), nil)
		stop()
		want(t, "who stays", await(t, "who stays", async(func() error { staying.Wait(); return nil })), nil)
		want(t, "Recover", poison.Recover(t.Context(), func() error { return nil }), nil)
		for _, m := range []*lock.Mutex{stays.poison, stays.release} {
			want(t, "TryLock", m.TryLock(), nil)
			want(t, "Unlock", m.Unlock(), nil)
		}
		if n := stays.permits.Available(); n != closePermits {
			t.Fatalf("round %d: %d permits, want %d", i, n, closePermits)
		}
		want(t, "TryAcquire", stays.permits.TryAcquire(closePermits), nil)
		want(t, "Release", stays.permits.Release(closePermits), nil)
	}
	want(t, "Check", seg.Check(), nil)
}
