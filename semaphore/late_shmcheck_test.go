//go:build shmcheck

package semaphore_test

import (
	"context"
	"io/fs"
	"testing"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/semaphore"
)

// TestClosedJustBeforeTaking closes the segment between the look whether it is open
// and the taking of permits, or their return: whoever closes looks at the books
// before they are taken, so that the one that takes them has to give them back.
func TestClosedJustBeforeTaking(t *testing.T) {
	seg := heap(t)
	ctx := context.Background()
	stays := must(semaphore.Create(ctx, seg, "s", semaphore.Spec{Permits: 2}))(t)
	closing := func(name string, op func(s *semaphore.Semaphore) error, before ...func(s *semaphore.Semaphore)) {
		other := peer(t, seg)
		s := must(semaphore.Open(ctx, other, "s"))(t)
		acquire(t, s, 1) // so that the change in the books is this one's, as the quick way needs it
		release(t, s, 1)
		for _, f := range before {
			f(s)
		}
		closed := false
		satomic.SetHookBefore(func() {
			if !closed {
				closed = true
				wantErr(t, "Close", other.Close(), nil)
			}
		})
		err := op(s)
		satomic.SetHook(nil)
		if !closed {
			t.Fatalf("%s made no step", name)
		}
		wantErr(t, name+" while Close", err, fs.ErrClosed)
		wantFree(t, stays, 2)
	}
	closing("Acquire", func(s *semaphore.Semaphore) error { return s.Acquire(ctx, 1) })
	closing("TryAcquire", func(s *semaphore.Semaphore) error { return s.TryAcquire(1) })
	closing("Release", func(s *semaphore.Semaphore) error { return s.Release(1) },
		func(s *semaphore.Semaphore) { acquire(t, s, 1) })
}
