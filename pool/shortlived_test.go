package pool_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// A stream whose input has nothing to yield ends with its pool all the same.
func TestStreamEndsWithItsPool(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, &pool.Options{Workers: 1})
	more := make(chan struct{})
	defer close(more)
	in := func(yield func(int) bool) {
		if yield(3) {
			<-more
		}
	}
	closed := make(chan error, 1)
	n := 0
	var last error
	for x, err := range square.Stream(ctx, p, in) {
		n++
		last = err
		if n == 1 {
			if x != 9 || err != nil {
				t.Errorf("first: %d, %v", x, err)
			}
			go func() { closed <- p.Close() }()
		}
	}
	if n != 2 || !errors.Is(last, pool.ErrClosed) {
		t.Errorf("%d pairs, the last one with %v, want 2 and ErrClosed", n, last)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// visit says where a task notes that it ran.
type visit struct {
	Number int
	Seen   *queue.Queue[int]
}

// tardy is a number that takes long to decode, so that the pool is behind what
// its workers have done.
type tardy struct{ digits []byte } // of no fixed layout

func (x tardy) MarshalBinary() ([]byte, error) { return x.digits, nil }

func (x *tardy) UnmarshalBinary(b []byte) error {
	<-time.After(5 * time.Millisecond)
	x.digits = bytes.Clone(b)
	return nil
}

// visited notes its number; the third one has its process told to end, and returns
// when the process knows.
var visited = pool.Func("visited", func(ctx context.Context, v visit) (out tardy, err error) {
	if err := v.Seen.Put(context.WithoutCancel(ctx), v.Number); err != nil {
		return out, err
	}
	if v.Number == 2 {
		for v.Seen.Len() < 3+16 { // until the other worker has done all that it has
			<-time.After(time.Millisecond)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			return out, err
		}
		<-ctx.Done()
	}
	return tardy{strconv.AppendInt(nil, int64(v.Number), 10)}, nil
})

// A worker that is told to end between two tasks of a chunk has not begun the next
// one, and what it did before does not run again.
func TestWorkerEndsBetweenTasks(t *testing.T) {
	ctx := deadline(t)
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = seg.Close() }()
	seen, err := queue.Create[int](ctx, seg, "seen", queue.Spec{Cap: 64})
	if err != nil {
		t.Fatal(err)
	}
	p := mustNew(t, &pool.Options{Workers: 2, Chunk: 8})
	in := make([]visit, 32)
	for i := range in {
		in[i] = visit{i, seen}
	}
	out, err := visited.Map(ctx, p, in)
	if err != nil {
		t.Fatal(err)
	}
	times := make([]int, len(in))
	for seen.Len() > 0 {
		n, err := seen.TryGet()
		if err != nil {
			t.Fatal(err)
		}
		times[n]++
	}
	for i, n := range times {
		if n != 1 || string(out[i].digits) != strconv.Itoa(i) {
			t.Errorf("task %d ran %d times, result %q", i, n, out[i].digits)
		}
	}
}
