//go:build linux

package process_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/value"
)

var errAgain = errors.New("test: again")

type job struct {
	Work  *queue.Queue[string]
	Began *value.Atomic[int64]
	Lives int // how many of those that take the message do not get done
}

// worker takes a message, and ends badly in another way each time.
var worker = process.Func("worker", func(ctx context.Context, j job) error {
	d, err := j.Work.Receive(ctx)
	if err != nil {
		return err
	}
	defer d.Nack()
	began := int(j.Began.Add(1))
	if began != d.Attempt() {
		return fmt.Errorf("attempt %d is number %d", d.Attempt(), began)
	}
	if began > j.Lives {
		return d.Ack()
	}
	switch began % 4 {
	case 0:
		return errAgain
	case 1:
		panic(errAgain)
	case 2:
		os.Exit(3)
	}
	return errors.Join(syscall.Kill(os.Getpid(), syscall.SIGKILL), errors.New("lives on"))
})

// A loop that starts a child again and again, until it ends well, gets it done
// however the child ends before, and keeps nothing of those that are gone.
func TestRestart(t *testing.T) {
	seg := anonymous(t)
	q, err := queue.Create[string](t.Context(), seg, "q", queue.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	j := job{Work: q, Began: number(t, seg, "began"), Lives: 12}
	if testing.Short() {
		j.Lives = 4
	}
	cmd := worker.Command(j)
	cmd.Stderr = io.Discard
	if err := q.Put(t.Context(), "the work"); err != nil {
		t.Fatal(err)
	}
	leaks, goroutines := noLeaks(t), runtime.NumGoroutine()
	failed := 0
	for ctx := deadline(t); ; {
		err := cmd.Run(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		failed++
		wantEnd(t, failed, err)
	}
	if failed != j.Lives || q.Len() != 0 {
		t.Errorf("%d have failed, want %d; %d messages are left", failed, j.Lives, q.Len())
	}
	if n := len(process.Children()); n != 0 {
		t.Errorf("%d children are left", n)
	}
	leaks()
	for ctx := deadline(t); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if ctx.Err() != nil {
			t.Fatalf("%d goroutines, before %d", runtime.NumGoroutine(), goroutines)
		}
	}
	if err := seg.Check(); err != nil {
		t.Error(err)
	}
}

// wantEnd checks how the nth worker ended.
func wantEnd(t *testing.T, n int, err error) {
	t.Helper()
	e := exitOf(t, err)
	ok := false
	switch n % 4 {
	case 0:
		ok = e.Code == 1 && errors.Is(err, errAgain)
	case 1:
		ok = e.Code == 2 && errors.Is(err, errAgain) && remoteOf(t, err).Panic
	case 2:
		ok = e.Code == 3
	case 3:
		ok = e.Code == -1 && e.Signal == syscall.SIGKILL
	}
	if !ok {
		t.Errorf("worker %d: %v", n, err)
	}
}

// A supervisor ends with its ctx, whatever its child does then.
func TestRestartEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(deadline(t))
	defer cancel()
	runs := 0
	cmd := tidies.Command("error")
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	for ctx.Err() == nil {
		if err := cmd.Run(ctx); !errors.Is(err, errSpecial) && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if runs++; runs == 3 {
			cmd.Stdout = writerFunc(cancel) // the child says ready
		}
	}
	if runs != 4 || len(process.Children()) != 0 {
		t.Errorf("%d runs, and %d children are left", runs, len(process.Children()))
	}
}
