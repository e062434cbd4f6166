package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/process"
)

// count yields the numbers below n.
func count(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func numbers(n int) []int { return slices.Collect(count(n)) }

func TestMap(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, &pool.Options{Workers: 2})
	t.Run("POL-02 order", func(t *testing.T) {
		for _, n := range []int{1, 10, 100, 10_000} {
			checkSquares(t, n)(square.Map(ctx, p, numbers(n)))
		}
	})
	t.Run("POL-05 nothing", func(t *testing.T) {
		if out, err := square.Map(ctx, p, nil); err != nil || out == nil || len(out) != 0 {
			t.Error(out, err)
		}
	})
	t.Run("POL-32 the error of the lowest index", func(t *testing.T) {
		for range 20 {
			in := numbers(1000)
			for i := range in {
				in[i] *= 2
			}
			in[700], in[300], in[301] = 1401, 601, 603
			out, err := halve.Map(ctx, p, in)
			if !errors.Is(err, errOdd) || err.Error() != "halving 601: test: odd" {
				t.Fatal(err)
			}
			for i, x := range out[:300] {
				if x != i {
					t.Fatal(i, x)
				}
			}
			if len(out) != 1000 || out[300] != 0 {
				t.Fatal(len(out), out[300])
			}
		}
	})
	t.Run("POL-33 a timeout", func(t *testing.T) {
		short := &expiring{Context: ctx, over: make(chan struct{})}
		out, err := nap.MapProgress(short, p, []int{1, 2, 60_000}, func(done, _ int) {
			if done == 2 {
				close(short.over)
			}
		})
		if !errors.Is(err, context.DeadlineExceeded) || out[0] != 1 || out[1] != 2 || out[2] != 0 {
			t.Error(out, err)
		}
	})
	t.Run("progress", func(t *testing.T) {
		var told []int
		out, err := square.MapProgress(ctx, p, numbers(1000), func(done, total int) {
			if total != 1000 {
				t.Error(total)
			}
			told = append(told, done)
			if x, err := square.Call(ctx, p, 3); err != nil || x != 9 { // the pool can be used there
				t.Error(x, err)
			}
		})
		checkSquares(t, 1000)(out, err)
		if !slices.IsSorted(told) || len(told) == 0 || told[len(told)-1] != 1000 {
			t.Error(told)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for n := range 20 {
					checkSquares(t, 50*n)(square.Map(ctx, p, numbers(50*n)))
					if x, err := upper.Call(ctx, p, fmt.Sprint("x", n)); err != nil || x != fmt.Sprint("X", n) {
						t.Error(x, err)
					}
				}
			})
		}
		all.Wait()
	})
}

// expiring is a context whose time is up when the test says so.
type expiring struct {
	context.Context //nolint:containedctx // it is one
	over            chan struct{}
}

func (x *expiring) Done() <-chan struct{} { return x.over }

func (x *expiring) Err() error {
	select {
	case <-x.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func checkSquares(t *testing.T, n int) func([]int, error) {
	return func(out []int, err error) {
		t.Helper()
		if err != nil || len(out) != n {
			t.Errorf("%d squares of %d, %v", len(out), n, err)
			return
		}
		for i, x := range out {
			if x != i*i {
				t.Errorf("square of %d: %d", i, x)
				return
			}
		}
	}
}

func TestChunks(t *testing.T) {
	ctx := deadline(t)
	t.Run("POL-13 of any length", func(t *testing.T) {
		for _, chunk := range []int{1, 7, 20, 100, 1000} {
			p := mustNew(t, &pool.Options{Workers: 2, Chunk: chunk})
			checkSquares(t, 100)(square.Map(ctx, p, numbers(100)))
			if got, err := collect(square.Stream(ctx, p, count(100))); err != nil || len(got) != 100 {
				t.Error(chunk, len(got), err)
			}
		}
	})
}

func collect[T any](seq iter.Seq2[T, error]) (all []T, first error) {
	for x, err := range seq {
		if err != nil && first == nil {
			first = err
		}
		all = append(all, x)
	}
	return all, first
}

func TestStreams(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, &pool.Options{Workers: 2})
	t.Run("POL-06 order", func(t *testing.T) {
		checkSquares(t, 5000)(collect(square.Stream(ctx, p, count(5000))))
	})
	t.Run("POL-07 no order", func(t *testing.T) {
		got, err := collect(square.StreamUnordered(ctx, p, count(5000)))
		slices.Sort(got)
		checkSquares(t, 5000)(got, err)
	})
	t.Run("POL-05 nothing", func(t *testing.T) {
		if got, err := collect(square.Stream(ctx, p, count(0))); len(got) != 0 || err != nil {
			t.Error(got, err)
		}
		if got, err := collect(square.StreamUnordered(ctx, p, count(0))); len(got) != 0 || err != nil {
			t.Error(got, err)
		}
	})
	t.Run("POL-09 an error is one element's", func(t *testing.T) {
		var got []string
		for x, err := range halve.Stream(ctx, p, slices.Values([]int{0, 1, 4, 6})) {
			got = append(got, fmt.Sprintf("%v %v", x, err))
		}
		if want := []string{"0 <nil>", "0 halving 1: test: odd", "2 <nil>", "3 <nil>"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
	t.Run("POL-08 an input that panics", func(t *testing.T) {
		seen := map[int]bool{}
		defer func() {
			if v := recover(); v != "no more" {
				t.Errorf("recovered %v", v)
			}
		}()
		for x, err := range square.StreamUnordered(ctx, p, func(yield func(int) bool) {
			for i := range 10 {
				yield(i)
			}
			panic("no more")
		}) {
			if err != nil || seen[x] {
				t.Error(x, err)
			}
			seen[x] = true
		}
		t.Error("no panic")
	})
	t.Run("reads only a little ahead", func(t *testing.T) {
		var read atomic.Int64
		used := 0
		for _, err := range nap.Stream(ctx, p, func(yield func(int) bool) {
			for yield(1) {
				read.Add(1)
			}
		}) {
			used++
			if ahead := read.Load() - int64(used); err != nil || ahead > 100 {
				t.Fatal(ahead, err)
			}
			if used == 50 {
				break
			}
		}
	})
	t.Run("breaking off cancels the rest", func(t *testing.T) {
		for x, err := range nap.StreamUnordered(ctx, p, slices.Values([]int{1, 60_000, 60_000})) {
			if x != 1 || err != nil {
				t.Error(x, err)
			}
			break
		}
		checkSquares(t, 10)(square.Map(ctx, p, numbers(10)))
	})
	t.Run("the end of ctx is the last pair", func(t *testing.T) {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		var last error
		for _, err := range nap.Stream(short, p, slices.Values([]int{1, 60_000, 2})) {
			if last != nil {
				t.Error("a pair after the last")
			}
			last = err
		}
		if !errors.Is(last, context.DeadlineExceeded) {
			t.Error(last)
		}
	})
	t.Run("a closed pool is the last pair", func(t *testing.T) {
		q := mustNew(t, &pool.Options{Workers: 1})
		var last error
		n := 0
		for _, err := range square.Stream(ctx, q, func(yield func(int) bool) {
			for yield(1) {
			}
		}) {
			if last = err; n == 100 {
				_ = q.Close()
			}
			n++
		}
		if !errors.Is(last, pool.ErrClosed) {
			t.Error(last)
		}
	})
}

// What waits behind a task that takes long does not wait for it.
func TestLongTasks(t *testing.T) {
	ctx := deadline(t)
	t.Run("results before it in its chunk come", func(t *testing.T) {
		p := mustNew(t, &pool.Options{Workers: 1, Chunk: 3})
		n := 0
		for x, err := range nap.StreamUnordered(ctx, p, slices.Values([]int{1, 2, 60_000, 3})) {
			if n++; x != n || err != nil {
				t.Error(x, err)
			}
			if n == 2 {
				break
			}
		}
	})
	t.Run("tasks after it go to another worker", func(t *testing.T) {
		p := mustNew(t, &pool.Options{Workers: 2})
		long, end := context.WithCancel(ctx)
		defer end()
		nap.Go(long, p, 60_000)
		var all []*pool.Future[int]
		for range 20 {
			all = append(all, nap.Go(ctx, p, 3))
		}
		for _, f := range all {
			if x, err := f.Get(ctx); err != nil || x != 3 {
				t.Error(x, err)
			}
		}
	})
}

func TestEnd(t *testing.T) {
	ctx := deadline(t)
	t.Run("POL-14 after Close", func(t *testing.T) {
		p := mustNew(t, &pool.Options{Workers: 2})
		running := nap.Go(ctx, p, 60_000)
		waitUntil(t, func() bool { return len(p.Workers()) == 2 })
		if err := errors.Join(p.Close(), p.Close(), p.Shutdown(ctx)); err != nil {
			t.Error(err)
		}
		if _, err := running.Get(ctx); !errors.Is(err, pool.ErrClosed) || !errors.Is(err, fs.ErrClosed) {
			t.Error(err)
		}
		if _, err := square.Call(ctx, p, 1); !errors.Is(err, pool.ErrClosed) {
			t.Error(err)
		}
		if _, err := square.Map(ctx, p, numbers(9)); !errors.Is(err, pool.ErrClosed) {
			t.Error(err)
		}
		if _, err := square.Go(ctx, p, 1).Get(ctx); !errors.Is(err, pool.ErrClosed) {
			t.Error(err)
		}
		if n := len(p.Workers()); n != 0 {
			t.Error(n, "workers")
		}
	})
	t.Run("POL-15 POL-16 Shutdown waits for what is queued", func(t *testing.T) {
		p := mustNew(t, &pool.Options{Workers: 2})
		var all []*pool.Future[int]
		arrived, gate := atGate(t)
		for i := range 10 {
			all = append(all, meet.Go(ctx, p, meeting{Number: i, Arrived: arrived, Gate: gate}))
		}
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if err := p.Shutdown(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := square.Call(ctx, p, 1); !errors.Is(err, pool.ErrClosed) {
			t.Error(err)
		}
		gate.Set()
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		for i, f := range all {
			if x, err := f.Get(ctx); err != nil || x != i {
				t.Error(x, err)
			}
		}
	})
	t.Run("POL-24 a worker dies after Shutdown was called", func(t *testing.T) {
		p := mustNew(t, &pool.Options{Workers: 1})
		doomed, other := behave.Go(ctx, p, "kill"), square.Go(ctx, p, 3)
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if _, err := doomed.Get(ctx); !errors.As(err, new(*pool.WorkerDiedError)) {
			t.Error(err)
		}
		if x, err := other.Get(ctx); err != nil || x != 9 {
			t.Error(x, err)
		}
	})
	t.Run("POL-27 POL-28 POL-29 Cancel", func(t *testing.T) {
		p := mustNew(t, &pool.Options{Workers: 1})
		arrived, gate := atGate(t)
		running := meet.Go(ctx, p, meeting{Number: 200, Arrived: arrived, Gate: gate})
		if _, err := arrived.Wait(ctx, func(n int64) bool { return n == 1 }); err != nil {
			t.Fatal(err)
		}
		var all []*pool.Future[int]
		for range 50 {
			all = append(all, square.Go(ctx, p, 3))
		}
		canceled := 0
		for _, f := range all {
			if f.Cancel() {
				canceled++
				if _, err := f.Get(ctx); !errors.Is(err, pool.ErrCanceled) {
					t.Error(err)
				}
			}
		}
		gate.Set()
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if canceled != len(all) {
			t.Error(canceled, "canceled")
		}
		for _, f := range all {
			if x, err := f.Get(ctx); !errors.Is(err, pool.ErrCanceled) && (err != nil || x != 9) {
				t.Error(x, err)
			}
		}
		if x, err := running.Get(ctx); err != nil || x != 200 || running.Cancel() {
			t.Error(x, err)
		}
	})
	t.Run("the end of New's ctx", func(t *testing.T) {
		short, cancel := context.WithCancel(ctx)
		p, err := pool.New(short, &pool.Options{Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		f := nap.Go(ctx, p, 60_000)
		cancel()
		if _, err := f.Get(ctx); !errors.Is(err, pool.ErrClosed) {
			t.Error(err)
		}
		_ = p.Close()
		if n := len(process.Children()); n != 0 {
			waitUntil(t, func() bool { return len(p.Workers()) == 0 })
		}
	})
}

// ctxIn returns a ctx that ends after d.
func ctxIn(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), d)
	t.Cleanup(cancel)
	return ctx
}

// waitUntil waits until ok, for what is certain to come.
func waitUntil(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
		time.Sleep(time.Millisecond)
	}
}
