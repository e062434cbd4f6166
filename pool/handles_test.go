package pool_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// TestHandles passes handles of segments without a name to workers that run
// already, and to those that replace them.
func TestHandles(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, &pool.Options{Workers: 2})
	for range 3 {
		seg, err := shm.Anonymous(shm.Spec{})
		if err != nil {
			t.Fatal(err)
		}
		arrived, err := value.CreateAtomic(ctx, seg, "arrived", int64(0))
		if err != nil {
			t.Fatal(err)
		}
		gate, err := lock.CreateEvent(ctx, seg, "gate")
		if err != nil {
			t.Fatal(err)
		}
		out, err := queue.Create[int](ctx, seg, "out", queue.Spec{})
		if err != nil {
			t.Fatal(err)
		}
		var all []*pool.Future[int]
		for i := range 2 {
			all = append(all, meet.Go(ctx, p, meeting{Number: i, Arrived: arrived, Gate: gate, Out: out, Seg: seg}))
		}
		if _, err := arrived.Wait(ctx, func(n int64) bool { return n == 2 }); err != nil { // both at once
			t.Fatal(err)
		}
		gate.Set()
		for i, f := range all {
			if x, err := f.Get(ctx); err != nil || x != i {
				t.Error(x, err)
			}
		}
		a, err := out.Get(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := out.Get(ctx); err != nil || a+b != 3 {
			t.Error(a, b, err)
		}
		_, _ = behave.Call(ctx, p, "kill")
		if err := seg.Close(); err != nil {
			t.Error(err)
		}
	}
}
