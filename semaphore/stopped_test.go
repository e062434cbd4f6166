package semaphore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
)

// TestStoppedGatherer stops a process while it waits for several permits: it
// keeps what it has gathered, but others get what is free.
func TestStoppedGatherer(t *testing.T) {
	for _, tt := range []struct {
		name           string
		kind           semaphore.Kind
		permits, n, at int
	}{
		{"few", semaphore.Bounded, 5, 3, 2},
		{"many", semaphore.Bounded, 1000, 300, 200},
		{"signal", semaphore.Signal, 5, 3, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := must(semaphore.Create(t.Context(), named(t), "s", semaphore.Spec{Permits: tt.permits, Kind: tt.kind}))(t)
			acquire(t, s, tt.permits-tt.at)
			c := ready(t, s)
			c.tell("acquire", tt.n)
			eventually(t, "it gathers", func() bool { return s.Available() == 0 && waits(t, s, c.cmd.Process.Pid) })
			if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it stands still", func() bool { return stopped(t, c.cmd.Process.Pid) })
			behind := make(chan error, 1)
			go func() { behind <- s.Acquire(t.Context(), tt.n) }()
			eventually(t, "another one waits", func() bool { return waits(t, s, os.Getpid()) })
			release(t, s, tt.n)
			wantErr(t, "Acquire", soon(t, behind), nil)
			release(t, s, tt.n)
			if err := c.cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			c.want(fmt.Sprintf("acquire %d <nil>", tt.n))
		})
	}
}

// stopped reports whether every thread of a process has stopped: the signal
// takes a while to reach those that run.
func stopped(t testing.TB, pid int) bool {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(files) > 0 && !slices.ContainsFunc(files, func(file string) bool {
		stat, err := os.ReadFile(file)
		return err != nil || !strings.Contains(string(stat), ") T ")
	})
}

// waits reports whether a goroutine of the process pid sleeps on s.
func waits(t testing.TB, s *semaphore.Semaphore, pid int) bool {
	t.Helper()
	return slices.ContainsFunc(must(s.Segment().Holds())(t), func(h shm.Hold) bool {
		return h.Waiting && h.Participant.PID == pid
	})
}

func soon(t testing.TB, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(watchdog):
		t.Fatal("hangs")
		return nil
	}
}
