//go:build linux

package process_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/process"
)

// moments returns how often a test tries another moment.
func moments() int {
	if testing.Short() {
		return 5
	}
	return 40
}

// pause waits for a time in which a child comes from its first instruction to
// its last; which moment a test hits is chance, and every one must do.
func pause(most time.Duration) { <-time.After(rand.N(most)) }

// A child may be killed at any moment of its life: its parent learns just that.
func TestKillAtAnyMoment(t *testing.T) {
	leaks := noLeaks(t)
	for range moments() {
		cmd, _ := quiet(fail.Command("wrapped"))
		child := start(t, cmd)
		pause(5 * time.Millisecond)
		if err := child.Kill(); err != nil {
			t.Fatal(err)
		}
		e := exitOf(t, child.Wait(deadline(t)))
		switch {
		case e.Signal == syscall.SIGKILL && (e.Err == nil || errors.Is(e, errSpecial)):
		case e.Code == 1 && errors.Is(e, errSpecial): // it was faster
		default:
			t.Errorf("%+v", e)
		}
	}
	leaks()
}

// A child may be stopped at any moment, which it always heeds.
func TestStopAtAnyMoment(t *testing.T) {
	for range moments() {
		cmd := waiting.Command("ctx")
		cmd.Stdout = io.Discard
		child := start(t, cmd)
		pause(5 * time.Millisecond)
		if err := child.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(deadline(t)); err != nil {
			t.Error(err)
		}
	}
}

// spawner starts orphans until it is killed.
var spawner = process.Func("spawner", func(ctx context.Context, out *os.File) error {
	for range 50 {
		cmd := orphan.Command(orphanArgs{Out: out})
		cmd.Stderr = io.Discard
		if _, err := cmd.Start(ctx); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
})

// A parent may be killed at any moment, also while it starts children: none
// of them is left. The end of the pipe is the end of the last.
func TestParentKilledAtAnyMoment(t *testing.T) {
	for range moments() / 5 {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		child := start(t, spawner.Command(w))
		_ = w.Close()
		pause(50 * time.Millisecond)
		if err := child.Kill(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, r)
			ended <- err
		}()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-deadline(t).Done():
			t.Fatal("a child lives on")
		}
		_ = r.Close()
	}
}

// Everybody may call everything at once.
func TestCallsAtOnce(t *testing.T) {
	cmd := waiting.Command("nil")
	cmd.Stdout = io.Discard
	child := start(t, cmd)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { _ = child.Wait(context.WithoutCancel(t.Context())) })
		wg.Go(func() { _ = child.Signal(syscall.SIGCONT) })
		wg.Go(func() { _ = child.Stop() })
		wg.Go(func() { _ = fmt.Sprint(child.PID(), child.Name(), process.Children()) })
		wg.Go(func() {
			if err := cmd.Run(deadline(t)); err == nil { // nobody stops this one
				t.Error("a waiting child ended by itself")
			}
		})
	}
	others := func() []*process.Child {
		return slices.DeleteFunc(process.Children(), func(c *process.Child) bool { return c == child })
	}
	for ctx := deadline(t); len(others()) < 4; pause(time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("%d of 4 children run", len(others()))
		}
	}
	for _, c := range others() {
		_ = c.Kill()
	}
	wg.Wait()
	if err := child.Kill(); err != nil {
		t.Error(err)
	}
}
