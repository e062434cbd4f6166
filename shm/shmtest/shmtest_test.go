//go:build linux

package shmtest_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

func TestMain(m *testing.M) {
	process.Main()
	os.Exit(m.Run())
}

// recorder is a test whose failures are only noted.
type recorder struct {
	testing.TB
	failures []string
	cleanups []func()
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) finish() {
	for _, f := range r.cleanups {
		f()
	}
}

func newSemaphore(t *testing.T, seg *shm.Segment) *semaphore.Semaphore {
	t.Helper()
	s, err := semaphore.Create(t.Context(), seg, "permits", semaphore.Spec{Permits: 3})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSegmentIsFreshAndGoes(t *testing.T) {
	r := &recorder{TB: t}
	a, b := shmtest.Segment(r, shm.Spec{}), shmtest.Segment(r, shm.Spec{})
	if spec := shmtest.Segment(t, shm.Spec{Participants: 7}).Spec(); spec.Participants != 7 {
		t.Errorf("the spec is %+v", spec)
	}
	newSemaphore(t, a)
	newSemaphore(t, b) // the same name in another segment
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	r.finish()
	if len(r.failures) != 0 {
		t.Errorf("a test that holds nothing fails: %v", r.failures)
	}
	if _, err := a.Holds(); err == nil {
		t.Error("the segment is still open")
	}
}

func TestWhatIsStillHeldFails(t *testing.T) {
	r := &recorder{TB: t}
	s := newSemaphore(t, shmtest.Segment(r, shm.Spec{}))
	if err := s.Acquire(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	r.finish()
	if len(r.failures) != 1 || !strings.Contains(r.failures[0], `still holds 2 permit of "permits"`) {
		t.Errorf("a test that holds permits: %v", r.failures)
	}
}

func TestWhoStillWaitsFails(t *testing.T) {
	t.Parallel() // it takes its time
	for _, leaves := range []bool{true, false} {
		r := &recorder{TB: t}
		seg := shmtest.Segment(r, shm.Spec{})
		e, err := lock.CreateEvent(t.Context(), seg, "event")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.Wait(ctx) }()
		for holds, err := seg.Holds(); len(holds) == 0; holds, err = seg.Holds() {
			if err != nil {
				t.Fatal(err)
			}
		}
		if leaves {
			cancel() // and does not wait until it has left
		}
		r.finish()
		failed := len(r.failures) == 1 && strings.Contains(r.failures[0], `still waits for event "event"`)
		if failed == leaves || leaves && len(r.failures) != 0 {
			t.Errorf("a test that waits, and leaves (%t): %v", leaves, r.failures)
		}
		cancel()
		if err := <-ended; err == nil {
			t.Error("a wait for an event that nobody set ended without an error")
		}
	}
}

var hold = process.Func("hold", func(ctx context.Context, s *semaphore.Semaphore) error {
	if err := s.Acquire(ctx, 3); err != nil {
		return err
	}
	fmt.Println("held")
	<-ctx.Done()
	return nil
})

func TestKillWaitsForTheRepair(t *testing.T) {
	s := newSemaphore(t, shmtest.Segment(t, shm.Spec{}))
	for range 5 {
		out, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := hold.Command(s)
		cmd.Stdout = in
		child, err := cmd.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = in.Close()
		if _, err := fmt.Fscanln(out, new(string)); err != nil {
			t.Fatal(err)
		}
		_ = out.Close()
		if n := s.Available(); n != 0 {
			t.Errorf("%d permits are free while the child holds them", n)
		}
		shmtest.Kill(t, child)
		if n := s.Available(); n != 3 {
			t.Errorf("%d permits are free after Kill, want 3", n)
		}
		shmtest.Kill(t, child) // a dead one again
	}
}
