// Package shmtest helps to test programs that share memory: it gives tests
// segments of their own, which are checked when the test ends, and kills
// children so that what they held is repaired when the test goes on.
package shmtest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
)

const (
	// patience is how long Kill waits for what takes a millisecond: a minute means
	// that it does not happen.
	patience = time.Minute
	// parting is how long a goroutine that waits at the end of its test may be on
	// its way out: its test has told it to end, but need not have waited for that.
	parting = 10 * time.Second
)

// Segment returns a fresh segment in a directory that goes with the test. When
// the test ends, the segment is checked and closed: the test fails if it is
// corrupt, and for each thing of it that the test's own process still holds
// then (a mutex, permits, a delivery, …), or goes on waiting for. A test may close
// it earlier. If the segment cannot be made the test fails at once.
func Segment(tb testing.TB, spec shm.Spec) *shm.Segment {
	tb.Helper()
	seg, err := shm.Create(tb.Context(), "test", spec, &shm.Options{Dir: tb.TempDir()})
	if err != nil {
		tb.Fatalf("shmtest: %v", err)
	}
	tb.Cleanup(func() {
		tb.Helper()
		finish(tb, seg)
	})
	return seg
}

// finish checks and closes seg.
func finish(tb testing.TB, seg *shm.Segment) {
	tb.Helper()
	holds, err := atLast(seg)
	if errors.Is(err, fs.ErrClosed) {
		return // the test has closed it, which gives back what it held
	}
	if err != nil {
		tb.Errorf("shmtest: %v", err)
	}
	for _, h := range holds {
		if waiting(h) {
			tb.Errorf("shmtest: the test still waits for %s %q", h.Kind, h.Object)
		} else {
			tb.Errorf("shmtest: the test still holds %d %s of %q", h.Count, h.Kind, h.Object)
		}
	}
	if err := seg.Check(); err != nil {
		tb.Errorf("shmtest: %v", err)
	}
	if err := seg.Close(); err != nil {
		tb.Errorf("shmtest: %v", err)
	}
}

// atLast returns own when who is on its way out has left.
func atLast(seg *shm.Segment) ([]shm.Hold, error) {
	const calm = 20 // looks: who waits is not shown all the time, since it wakes up now and then
	holds, err := own(seg)
	for start, left := time.Now(), 0; slices.ContainsFunc(holds, waiting) && left < calm && time.Since(start) < parting; {
		<-time.After(time.Millisecond)
		now, err := own(seg)
		if err != nil {
			return now, err
		}
		left++
		if slices.ContainsFunc(now, waiting) {
			holds, left = now, 0
		} else if left == calm {
			holds = now
		}
	}
	return holds, err
}

// own returns what this process holds and waits for.
func own(seg *shm.Segment) ([]shm.Hold, error) {
	holds, err := seg.Holds()
	return slices.DeleteFunc(holds, func(h shm.Hold) bool {
		return h.Participant.PID != os.Getpid() || !h.Participant.Alive
	}), err
}

func waiting(h shm.Hold) bool { return h.Waiting }

// Kill sends SIGKILL to child and returns when it has ended and what it held
// has been repaired in every segment that this process has open. It does the
// second also for a child that has ended by itself. The test fails at once if
// that does not happen within a minute.
func Kill(tb testing.TB, child *process.Child) {
	tb.Helper()
	if err := child.Kill(); err != nil {
		tb.Fatalf("shmtest: %v", err)
	}
	// Also in a test that is over and cleans up, so not its own ctx.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
	defer cancel()
	select {
	case <-child.Done():
	case <-ctx.Done():
		tb.Fatalf("shmtest: %s (pid %d) does not end", child.Name(), child.PID())
	}
	if err := object.Inside().AwaitRepair(ctx, child.PID()); err != nil {
		tb.Fatalf("shmtest: what %s (pid %d) held is not repaired: %v", child.Name(), child.PID(), err)
	}
}
