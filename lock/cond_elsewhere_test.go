package lock_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/process"
)

type elsewhereArgs struct {
	Cond  condArgs
	Where *array.Array[int64]
}

// condFromElsewhere says at what address it has the memory, and waits.
var condFromElsewhere = process.Func("lock-cond-from-elsewhere", func(ctx context.Context, a elsewhereArgs) error {
	fmt.Printf("%p\n", a.Where.View())
	return condWait(ctx, a.Cond)
})

// condElsewhere has processes wait that have the memory at other addresses.
func condElsewhere(t *testing.T) {
	q := newQueueing(t)
	where, err := array.Create[int64](t.Context(), q.seg, "where", array.Spec{Len: 1})
	want(t, "Create", err, nil)
	here, others := fmt.Sprintf("%p", where.View()), 0
	for i, wake := range []func() error{q.Cond.Signal, q.Cond.Broadcast, q.Cond.Signal} {
		child, out := start(t, condFromElsewhere, elsewhereArgs{q.condArgs, where})
		q.children = append(q.children, child)
		if line(t, out) != here {
			others++
		}
		reaches(t, q.Waiting, int64(i+1))
		q.do(wake)
		q.woken(int64(i + 1))
	}
	q.end()
	if others == 0 {
		t.Skipf("this kernel has maps at the same address in every process: %s", here)
	}
}
