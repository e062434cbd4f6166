package pool_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
	"github.com/shoal-ipc/shoal/value"
)

// TestConformanceWorkers has a subtest for each thing that users of pools rely on
// of the workers' lives.
func TestConformanceWorkers(t *testing.T) {
	for name, f := range map[string]func(t *testing.T){
		"POL-14": closedPool, "POL-15": shutdownFinishes, "POL-16": shutdownWithoutTasks, "POL-20": setUpOnce,
		"POL-21": workersAreReplaced, "POL-22": replacedWhileShutDown, "POL-23": threeWaysToFail,
		"POL-24": deathAfterShutdown, "POL-25": manyWorkers, "POL-26": noMoreThanThereAre, "POL-27": closeDrops,
		"POL-28": cancelThenShutdown,
	} {
		t.Run(name, f)
	}
}

func closedPool(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 2})
	workers := p.Workers()
	if err := errors.Join(p.Close(), p.Close(), p.Shutdown(deadline(t))); err != nil {
		t.Error(err)
	}
	if _, err := square.Call(deadline(t), p, 1); !errors.Is(err, pool.ErrClosed) {
		t.Error("Call:", err)
	}
	if _, err := square.Map(deadline(t), p, []int{1}); !errors.Is(err, pool.ErrClosed) {
		t.Error("Map:", err)
	}
	if _, err := square.Go(deadline(t), p, 1).Get(deadline(t)); !errors.Is(err, pool.ErrClosed) {
		t.Error("Go:", err)
	}
	if _, errs := gather(t, square.Stream(deadline(t), p, slices.Values([]int{1}))); len(errs) != 1 || !errors.Is(errs[0], pool.ErrClosed) {
		t.Error("Stream:", errs)
	}
	for _, w := range workers {
		select {
		case <-w.Done():
		case <-deadline(t).Done():
			t.Errorf("%s lives on", w.Name())
		}
	}
}

func shutdownFinishes(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 2})
	var futures []*pool.Future[int]
	for range 4 {
		futures = append(futures, nap.Go(deadline(t), p, 30))
	}
	if err := p.Shutdown(deadline(t)); err != nil {
		t.Fatal(err)
	}
	for _, f := range futures {
		select {
		case <-f.Done():
		default:
			t.Error("Shutdown has not waited for a task")
		}
		if x, err := f.Get(deadline(t)); x != 30 || err != nil {
			t.Error(x, err)
		}
	}
}

// There is nothing to join without closing: Shutdown does both, and its context
// bounds the waiting only.
func shutdownWithoutTasks(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 1})
	ctx, stop := context.WithCancel(deadline(t))
	f := behave.Go(ctx, p, "wait")
	done, cancel := context.WithCancel(deadline(t))
	cancel()
	if err := p.Shutdown(done); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	stop()
	if _, err := f.Get(deadline(t)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := p.Shutdown(deadline(t)); err != nil {
		t.Error(err)
	}
}

func setUpOnce(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 3, Chunk: 1})
	out, err := counted.Map(deadline(t), p, upTo(100))
	if err != nil {
		t.Fatal(err)
	}
	tasks := map[int]int{}
	for _, o := range out {
		if o[1] != 1 {
			t.Errorf("worker %d was set up %d times", o[0], o[1])
		}
		tasks[o[0]] = max(tasks[o[0]], o[2])
	}
	sum := 0
	for _, n := range tasks {
		sum += n
	}
	if sum != 100 {
		t.Errorf("the workers have counted %v", tasks)
	}
}

func workersAreReplaced(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 3, TasksPerWorker: 10})
	out, err := counted.Map(deadline(t), p, upTo(100))
	if err != nil {
		t.Fatal(err)
	}
	workers := map[int]int{}
	for _, o := range out {
		workers[o[0]]++
	}
	for pid, n := range workers {
		if n > 10 {
			t.Errorf("worker %d had %d tasks", pid, n)
		}
	}
	if len(workers) < 10 {
		t.Errorf("%d workers had 100 tasks, 10 each at most", len(workers))
	}
}

func replacedWhileShutDown(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 3, TasksPerWorker: 1})
	var futures []*pool.Future[int]
	for i := range 6 {
		futures = append(futures, square.Go(deadline(t), p, i))
	}
	if err := p.Shutdown(deadline(t)); err != nil {
		t.Fatal(err)
	}
	for i, f := range futures {
		if x, err := f.Get(deadline(t)); x != i*i || err != nil {
			t.Error(i, x, err)
		}
	}
}

// A task that cannot be decoded, one that kills its worker, and one that fails
// hurt nobody else.
func threeWaysToFail(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 2})
	for range 2 {
		if _, err := takesText.Call(deadline(t), p, unwilling{"not there"}); !errors.Is(err, errOdd) {
			t.Error("decoding:", err)
		}
		_, err := behave.Call(deadline(t), p, "kill")
		if died, ok := errors.AsType[*pool.WorkerDiedError](err); !ok || died.Err == nil || died.Err.Signal != syscall.SIGKILL {
			t.Error("killed:", err)
		}
		if _, err := halve.Call(deadline(t), p, 1); !errors.Is(err, errOdd) {
			t.Error("failed:", err)
		}
		if x, err := takesText.Call(deadline(t), p, unwilling{"fine"}); x != "fine" || err != nil {
			t.Error("afterwards:", x, err)
		}
	}
}

// atGate returns what tasks that meet count themselves by, and then wait for.
func atGate(t *testing.T) (arrived *value.Atomic[int64], gate *lock.Event) {
	t.Helper()
	seg := shmtest.Segment(t, shm.Spec{})
	arrived, err := value.CreateAtomic[int64](t.Context(), seg, "arrived", 0)
	if err != nil {
		t.Fatal(err)
	}
	if gate, err = lock.CreateEvent(t.Context(), seg, "gate"); err != nil {
		t.Fatal(err)
	}
	return arrived, gate
}

func deathAfterShutdown(t *testing.T) {
	arrived, gate := atGate(t)
	p := mustNew(t, &pool.Options{Workers: 1})
	f := meet.Go(deadline(t), p, meeting{Number: 7, Arrived: arrived, Gate: gate})
	if _, err := arrived.Wait(deadline(t), func(n int64) bool { return n == 1 }); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Shutdown(deadline(t)) }()
	shut := func() bool {
		late := square.Go(deadline(t), p, 1)
		select {
		case <-late.Done(): // at once, for the worker is busy
			_, err := late.Get(deadline(t))
			return errors.Is(err, pool.ErrClosed)
		default:
			late.Cancel()
			return false
		}
	}
	for ctx := deadline(t); !shut(); runtime.Gosched() {
		if ctx.Err() != nil {
			t.Fatal("a pool that is shut down takes tasks")
		}
	}
	for _, w := range p.Workers() {
		shmtest.Kill(t, w)
	}
	if _, err := f.Get(deadline(t)); !isDeath(err) {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func isDeath(err error) bool {
	_, ok := errors.AsType[*pool.WorkerDiedError](err)
	return ok
}

func manyWorkers(t *testing.T) {
	workers := 64
	if testing.Short() {
		workers = 8
	}
	p := mustNew(t, &pool.Options{Workers: workers})
	out, err := square.Map(deadline(t), p, upTo(1000))
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, x := range out {
		sum += x
	}
	if sum != 332833500 || len(p.Workers()) != workers {
		t.Errorf("%d, by %d workers", sum, len(p.Workers()))
	}
}

// Tasks that wait for each other do not make more workers.
func noMoreThanThereAre(t *testing.T) {
	const workers = 3
	arrived, gate := atGate(t)
	p := mustNew(t, &pool.Options{Workers: workers})
	var futures []*pool.Future[int]
	for i := range 15 * workers {
		futures = append(futures, meet.Go(deadline(t), p, meeting{Number: i, Arrived: arrived, Gate: gate}))
	}
	if _, err := arrived.Wait(deadline(t), func(n int64) bool { return n == workers }); err != nil {
		t.Fatal(err)
	}
	if n := len(p.Workers()); n != workers || arrived.Load() != workers {
		t.Errorf("%d workers, %d tasks at work", n, arrived.Load())
	}
	gate.Set()
	for i, f := range futures {
		if x, err := f.Get(deadline(t)); x != i || err != nil {
			t.Error(i, x, err)
		}
	}
	if err := p.Shutdown(deadline(t)); err != nil {
		t.Error(err)
	}
}

func closeDrops(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 2, Chunk: 1})
	var futures []*pool.Future[string]
	for range 50 {
		futures = append(futures, behave.Go(deadline(t), p, "wait"))
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	for _, f := range futures {
		if _, err := f.Get(deadline(t)); !errors.Is(err, pool.ErrClosed) {
			t.Fatal(err)
		}
	}
	for ctx := deadline(t); len(process.Children()) > 0; runtime.Gosched() {
		if ctx.Err() != nil {
			t.Fatalf("%d children are left", len(process.Children()))
		}
	}
}

func cancelThenShutdown(t *testing.T) {
	p := mustNew(t, &pool.Options{Workers: 1})
	for i := range 20 {
		f := square.Go(deadline(t), p, i)
		canceled := f.Cancel()
		if x, err := f.Get(deadline(t)); canceled != errors.Is(err, pool.ErrCanceled) || !canceled && x != i*i {
			t.Error(canceled, x, err)
		}
	}
	square.Go(deadline(t), p, 1).Cancel()
	if err := p.Shutdown(deadline(t)); err != nil {
		t.Error(err)
	}
}
