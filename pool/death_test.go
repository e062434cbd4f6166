package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/process"
)

func TestDeath(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, &pool.Options{Workers: 2})
	for range 5 {
		_, err := behave.Call(ctx, p, "kill")
		var died *pool.WorkerDiedError
		if !errors.As(err, &died) || died.Err == nil || died.Err.Signal != syscall.SIGKILL || died.Attempts != 1 {
			t.Fatalf("killed: %T %v", err, err)
		}
		_, err = behave.Call(ctx, p, "exit")
		if !errors.As(err, &died) || died.Err == nil || died.Err.Code != 3 || died.Attempts != 1 {
			t.Fatalf("exit: %T %v", err, err)
		}
		if x, err := behave.Call(ctx, p, "well"); err != nil || x != "well" {
			t.Fatal(x, err)
		}
	}
}

func TestTimeLimit(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, &pool.Options{Workers: 1, Grace: 50 * time.Millisecond})
	for _, how := range []string{"wait", "stubborn"} {
		short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
		_, err := behave.Call(short, p, how)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%s: %v", how, err)
		}
		if x, err := behave.Call(ctx, p, "well"); err != nil || x != "well" {
			t.Fatal(x, err)
		}
	}
}

func TestWorkers(t *testing.T) {
	ctx := deadline(t)
	t.Run("POL-20 a set-up runs once in each worker", func(t *testing.T) {
		p := mustNew(t, &pool.Options{Workers: 3})
		out, err := counted.Map(ctx, p, numbers(500))
		if err != nil {
			t.Fatal(err)
		}
		last := map[int]int{}
		for _, x := range out {
			if x[1] != 1 {
				t.Fatalf("set-up number %d in worker %d", x[1], x[0])
			}
			last[x[0]] = max(last[x[0]], x[2])
		}
		sum := 0
		for _, n := range last {
			sum += n
		}
		if sum != 500 || len(last) > 3 {
			t.Error(last)
		}
	})
	t.Run("POL-21 workers are replaced after so many tasks", func(t *testing.T) {
		p := mustNew(t, &pool.Options{Workers: 3, TasksPerWorker: 10})
		out, err := counted.Map(ctx, p, numbers(100))
		if err != nil {
			t.Fatal(err)
		}
		pids := map[int]bool{}
		for _, x := range out {
			if pids[x[0]] = true; x[2] > 10 {
				t.Errorf("task %d of worker %d", x[2], x[0])
			}
		}
		if len(pids) < 10 {
			t.Errorf("%d processes for 100 tasks", len(pids))
		}
	})
	t.Run("POL-22 replaced after each task, and shut down early", func(t *testing.T) {
		p := mustNew(t, &pool.Options{Workers: 2, TasksPerWorker: 1})
		var all []*pool.Future[int]
		for i := range 6 {
			all = append(all, square.Go(ctx, p, i))
		}
		if err := p.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		for i, f := range all {
			if x, err := f.Get(ctx); err != nil || x != i*i {
				t.Error(x, err)
			}
		}
	})
	t.Run("POL-25 many workers", func(t *testing.T) {
		if testing.Short() {
			t.Skip("starts 64 processes")
		}
		p := mustNew(t, &pool.Options{Workers: 64})
		checkSquares(t, 1000)(square.Map(ctx, p, numbers(1000)))
	})
	t.Run("POL-26 no more workers than there should be", func(t *testing.T) {
		p := mustNew(t, &pool.Options{Workers: 2})
		var all []*pool.Future[int]
		for range 30 {
			all = append(all, nap.Go(ctx, p, 5))
			if n := len(p.Workers()); n > 2 {
				t.Error(n, "workers")
			}
		}
		for _, f := range all {
			if _, err := f.Get(ctx); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("PRC-14 a pool in a worker", func(t *testing.T) {
		p := mustNew(t, &pool.Options{Workers: 1})
		if x, err := inner.Call(ctx, p, 4); err != nil || x != 0+1+4+9 {
			t.Error(x, err)
		}
	})
}

func TestDeathIsBounded(t *testing.T) {
	ctx := deadline(t)
	t.Run("POL-23 retries", func(t *testing.T) {
		p := mustNew(t, &pool.Options{Workers: 2, Retries: 3})
		_, err := behave.Call(ctx, p, "kill")
		var died *pool.WorkerDiedError
		if !errors.As(err, &died) || died.Attempts != 4 || died.Function != "behave" || died.Err == nil || died.Err.Signal != syscall.SIGKILL {
			t.Errorf("%T %v", err, err)
		}
	})
	t.Run("a function that kills every worker", func(t *testing.T) {
		p := mustNew(t, &pool.Options{Workers: 2})
		n := 0
		for _, err := range behave.Stream(ctx, p, func(yield func(string) bool) {
			for range 20 {
				if !yield("exit") {
					return
				}
			}
		}) {
			var exit *process.ExitError
			if n++; !errors.As(err, new(*pool.WorkerDiedError)) || !errors.As(err, &exit) || exit.Code != 3 {
				t.Fatalf("%T %v", err, err)
			}
		}
		if n != 20 {
			t.Error(n)
		}
		if _, err := behave.Map(ctx, p, []string{"kill", "kill", "kill"}); !errors.As(err, new(*pool.WorkerDiedError)) {
			t.Error(err)
		}
	})
	for _, how := range []string{"fail", "panic", "goexit", "exit", "kill"} {
		t.Run("a set-up that does "+how, func(t *testing.T) {
			t.Setenv("POOL_TEST_SETUP", how)
			p := mustNew(t, &pool.Options{Workers: 2})
			for range 3 {
				if _, err := stillborn.Call(ctx, p, 1); err == nil {
					t.Error("no error")
				}
			}
			if x, err := square.Call(ctx, p, 3); err != nil || x != 9 {
				t.Error(x, err)
			}
		})
	}
	t.Run("workers that never get ready", func(t *testing.T) {
		t.Setenv("POOL_TEST_MAIN", "exit")
		p := mustNew(t, &pool.Options{Workers: 2})
		_, err := square.Call(ctx, p, 3)
		var exit *process.ExitError
		if !errors.As(err, &exit) || exit.Code != 9 {
			t.Errorf("%T %v", err, err)
		}
		if _, again := square.Call(ctx, p, 3); again == nil {
			t.Error("no error")
		}
	})
	t.Run("workers that get ready no more end a stream", func(t *testing.T) {
		p := mustNew(t, &pool.Options{Workers: 1, Chunk: 1})
		numbers := func(yield func(int) bool) {
			for i := 0; yield(i); i++ {
			}
		}
		n := 0
		var last error
		for _, err := range square.Stream(ctx, p, numbers) {
			if n++; n == 10 {
				t.Setenv("POOL_TEST_MAIN", "exit")
				if err := p.Workers()[0].Kill(); err != nil {
					t.Fatal(err)
				}
			}
			last = err
		}
		var exit *process.ExitError
		if !errors.As(last, &exit) || exit.Code != 9 {
			t.Errorf("the last of %d: %T %v", n, last, last)
		}
		if _, err := square.Call(ctx, p, 3); !errors.Is(err, last) {
			t.Errorf("after %v: %v", last, err)
		}
	})
	t.Run("a stopped worker holds up nobody else", func(t *testing.T) {
		p := mustNew(t, &pool.Options{Workers: 2, Grace: 10 * time.Millisecond})
		who, err := pid.Call(ctx, p, struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		waitUntil(t, func() bool { return asleep(who) }) // with nothing half put that others would wait for
		if err := syscall.Kill(who, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		done := 0
		for range 10 { // the first one may have been begun before the stop had reached the worker
			if _, err := square.Call(ctxIn(t, 5*time.Second), p, 3); err == nil {
				done++
			}
		}
		if done < 5 {
			t.Errorf("%d of 10 tasks", done)
		}
		_ = syscall.Kill(who, syscall.SIGCONT)
	})
}

// asleep reports whether all threads of a process sleep.
func asleep(pid int) bool {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if i := strings.LastIndex(string(stat), ") "); err != nil || i < 0 || stat[i+2] != 'S' {
			return false
		}
	}
	return len(files) > 0
}

// TestLeavesNothing opens and closes pools in every state, and finds no process,
// goroutine or descriptor left.
func TestLeavesNothing(t *testing.T) {
	ctx := deadline(t)
	round := func() {
		p := mustNew(t, &pool.Options{Workers: 2, Grace: 20 * time.Millisecond})
		checkSquares(t, 100)(square.Map(ctx, p, numbers(100)))
		_, _ = behave.Call(ctx, p, "kill")
		stubborn := behave.Go(ctx, p, "stubborn")
		children := p.Workers()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		for _, c := range children {
			if !strings.HasPrefix(c.Name(), "pool worker") {
				t.Error(c.Name())
			}
			<-c.Done()
		}
		if _, err := stubborn.Get(ctx); !errors.Is(err, pool.ErrClosed) {
			t.Error(err)
		}
	}
	round()
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	for range 5 {
		round()
	}
	if n := len(process.Children()); n != 0 {
		t.Error(n, "children")
	}
	waitUntil(t, func() bool { runtime.GC(); return runtime.NumGoroutine() <= goroutines+2 })
	waitUntil(t, func() bool { runtime.GC(); return openFiles(t) <= files+2 })
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
