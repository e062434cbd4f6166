//go:build linux

package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/process"
)

// waiting says ready, waits for the end of its ctx and ends as it is told.
var waiting = process.Func("waiting", func(ctx context.Context, how string) error {
	fmt.Println("ready")
	<-ctx.Done()
	fmt.Println(context.Cause(ctx))
	switch how {
	case "ctx":
		return ctx.Err()
	case "cause":
		return context.Cause(ctx)
	case "error":
		return errSpecial
	case "stubborn":
		select {}
	}
	return nil
})

func TestStop(t *testing.T) {
	for _, how := range []string{"ctx", "cause", "nil"} {
		child, lines := startReady(t, waiting.Command(how))
		if err := errors.Join(child.Stop(), child.Stop()); err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(deadline(t)); err != nil {
			t.Errorf("a stopped child that returns %s: %v", how, err)
		}
		if line, _ := lines.ReadString('\n'); line != "process: stopped by the parent\n" {
			t.Errorf("the cause in the child is %q", line)
		}
	}
}

func TestStopDoesNotHideErrors(t *testing.T) {
	cmd, _ := quiet(waiting.Command("error"))
	child, _ := startReady(t, cmd)
	if err := child.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(deadline(t)); !errors.Is(err, errSpecial) {
		t.Errorf("an error after Stop: %v", err)
	}
}

func TestStopKillsAfterGrace(t *testing.T) {
	cmd := waiting.Command("stubborn")
	cmd.Grace = 10 * time.Millisecond
	child, _ := startReady(t, cmd)
	if err := child.Stop(); err != nil {
		t.Fatal(err)
	}
	e := exitOf(t, child.Wait(deadline(t)))
	if e.Code != -1 || e.Signal != syscall.SIGKILL || e.Err != nil {
		t.Errorf("a child that does not heed Stop: %+v", e)
	}
}

// A process that was stopped by the system cannot heed anything.
func TestStopOfASuspendedChild(t *testing.T) {
	cmd := waiting.Command("ctx")
	cmd.Grace = 10 * time.Millisecond
	child, _ := startReady(t, cmd)
	suspend(t, child)
	if err := child.Stop(); err != nil {
		t.Fatal(err)
	}
	if e := exitOf(t, child.Wait(deadline(t))); e.Signal != syscall.SIGKILL {
		t.Errorf("a suspended child: %+v", e)
	}
}

// suspend returns when the system has stopped all of child.
func suspend(t *testing.T, child *process.Child) {
	t.Helper()
	if err := child.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for ctx := deadline(t); ; runtime.Gosched() {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", child.PID()))
		if err != nil || len(tasks) == 0 || ctx.Err() != nil {
			t.Fatal("the child is not to be suspended: ", err, ctx.Err())
		}
		if !slices.ContainsFunc(tasks, func(name string) bool {
			stat, err := os.ReadFile(name)
			return err == nil && !strings.Contains(string(stat), ") T ")
		}) {
			return
		}
	}
}

// Conformance: PRC-03, PRC-12.
func TestSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if signal.Ignored(sig) { // as in the background of a shell; children inherit that
			t.Logf("%v is ignored here", sig)
			continue
		}
		for _, how := range []string{"ctx", "nil"} {
			child, lines := startReady(t, waiting.Command(how))
			if err := child.Signal(sig); err != nil {
				t.Fatal(err)
			}
			e := exitOf(t, child.Wait(deadline(t)))
			if e.Code != -1 || e.Signal != sig || e.Err != nil {
				t.Errorf("%v, function returns %s: %+v", sig, how, e)
			}
			if line, _ := lines.ReadString('\n'); line != fmt.Sprintf("process: signal: %v\n", sig) {
				t.Errorf("the cause in the child is %q", line)
			}
		}
	}
}

func TestSignalAndError(t *testing.T) {
	cmd, _ := quiet(waiting.Command("error"))
	child, _ := startReady(t, cmd)
	if err := child.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := child.Wait(deadline(t))
	if e := exitOf(t, err); e.Signal != syscall.SIGTERM || !errors.Is(err, errSpecial) {
		t.Errorf("SIGTERM and an error: %v", err)
	}
}

// Ctrl-C reaches the whole group of a terminal; a parent that stops its
// children for it must not see failures.
// Conformance: PRC-12.
func TestStopAndSignal(t *testing.T) {
	child, _ := startReady(t, waiting.Command("ctx"))
	if err := errors.Join(child.Signal(syscall.SIGSTOP), child.Signal(os.Interrupt), child.Stop(), child.Signal(syscall.SIGCONT)); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(deadline(t)); err != nil {
		t.Errorf("SIGINT to a child that was stopped: %v", err)
	}
}

// Conformance: PRC-03.
func TestKill(t *testing.T) {
	child, _ := startReady(t, waiting.Command("ctx"))
	if err := child.Kill(); err != nil {
		t.Fatal(err)
	}
	e := exitOf(t, child.Wait(deadline(t)))
	if e.Code != -1 || e.Signal != syscall.SIGKILL || e.PID != child.PID() || e.Name != child.Name() {
		t.Errorf("after Kill: %+v", e)
	}
}

// Conformance: PRC-07, PRC-08.
func TestCallsAfterTheEnd(t *testing.T) {
	child := start(t, nothing.Command(struct{}{}))
	<-child.Done()
	if err := errors.Join(child.Stop(), child.Kill(), child.Wait(t.Context()), child.Wait(t.Context())); err != nil {
		t.Errorf("after the end: %v", err)
	}
	if err := child.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Signal after the end: %v", err)
	}
}

// Conformance: PRC-03.
func TestWaitIsBoundedByItsContext(t *testing.T) {
	child, _ := startReady(t, waiting.Command("ctx"))
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := child.Wait(done); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait with a done ctx: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := child.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait with a deadline: %v", err)
	}
	select {
	case <-child.Done():
		t.Error("the child has ended by Wait")
	default:
	}
	if len(process.Children()) != 1 {
		t.Errorf("Children: %v", process.Children())
	}
}

func TestRunAndItsContext(t *testing.T) {
	tests := []struct {
		how    string
		killed bool
		want   error
	}{
		{"ctx", false, context.Canceled},
		{"nil", false, nil},
		{"error", false, errSpecial},
		{"stubborn", true, context.Canceled},
	}
	for _, test := range tests {
		t.Run(test.how, func(t *testing.T) {
			ctx, cancel := context.WithCancel(deadline(t))
			defer cancel()
			cmd, _ := quiet(waiting.Command(test.how))
			cmd.Grace = 30 * time.Second
			if test.killed {
				cmd.Grace = 10 * time.Millisecond
			}
			cmd.Stdout = writerFunc(cancel) // the child says ready
			err := cmd.Run(ctx)
			if !errors.Is(err, test.want) {
				t.Errorf("Run: %v, want %v", err, test.want)
			}
			if test.killed && exitOf(t, err).Signal != syscall.SIGKILL {
				t.Errorf("Run: %v, want a kill", err)
			}
			if n := len(process.Children()); n != 0 {
				t.Errorf("%d children are left", n)
			}
		})
	}
}

type writerFunc func()

func (f writerFunc) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}

func TestEndOfStartsContextStops(t *testing.T) {
	ctx, cancel := context.WithCancel(deadline(t))
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := waiting.Command("ctx")
	cmd.Stdout = w
	child, err := cmd.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	cancel()
	if err := child.Wait(deadline(t)); err != nil {
		t.Errorf("a child whose ctx ended: %v", err)
	}
}

func TestWaitForAll(t *testing.T) {
	bad, _ := quiet(fail.Command("plain"))
	worse, _ := quiet(exits.Command(3))
	children := []*process.Child{start(t, bad), start(t, nothing.Command(struct{}{})), start(t, worse)}
	err := process.Wait(deadline(t), children...)
	if !errors.Is(err, errSpecial) {
		t.Errorf("Wait: %v", err)
	}
	if several, ok := err.(interface{ Unwrap() []error }); !ok || len(several.Unwrap()) != 2 {
		t.Errorf("Wait joins %v", err)
	}
	for _, c := range children {
		select {
		case <-c.Done():
		default:
			t.Errorf("%s has not ended", c.Name())
		}
	}
	if err := process.Wait(t.Context()); err != nil {
		t.Errorf("Wait for nobody: %v", err)
	}
	slow, _ := startReady(t, waiting.Command("ctx"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := process.Wait(ctx, slow, children[0]); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errSpecial) {
		t.Errorf("Wait with a deadline: %v", err)
	}
}

// A signal that the parent handles does not end its waiting.
// Conformance: PRC-11.
func TestWaitSurvivesSignals(t *testing.T) {
	child, _ := startReady(t, waiting.Command("nil"))
	handled := make(chan os.Signal, 1)
	signal.Notify(handled, syscall.SIGUSR1)
	defer signal.Stop(handled)
	waited := make(chan error, 1)
	go func() { waited <- child.Wait(context.WithoutCancel(t.Context())) }()
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	<-handled
	select {
	case err := <-waited:
		t.Fatalf("Wait ended early: %v", err)
	default:
	}
	_ = child.Stop()
	if err := <-waited; err != nil {
		t.Error(err)
	}
}
