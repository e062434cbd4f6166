// Package shmtest helps to test programs that share memory: it gives tests
// segments of their own, which are checked when the test ends, and kills
// children so that what they held is repaired when the test goes on.
package shmtest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
)

// patience is how long Kill waits for what takes a millisecond: a minute means
// that it does not happen.
const patience = time.Minute

// Segment returns a fresh segment in a directory that goes with the test. When
// the test ends, the segment is checked and closed: the test fails if it is
// corrupt, and for each thing of it that the test's own process still holds
// then (a mutex, permits, a delivery, …). A test may close it earlier. If the
// segment cannot be made the test fails at once.
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
	holds, err := seg.Holds()
	if errors.Is(err, fs.ErrClosed) {
		return // the test has closed it, which gives back what it held
	}
	if err != nil {
		tb.Errorf("shmtest: %v", err)
	}
	for _, h := range holds {
		switch {
		case h.Participant.PID != os.Getpid() || !h.Participant.Alive:
		case h.Waiting:
			tb.Errorf("shmtest: the test still waits for %s %q", h.Kind, h.Object)
		default:
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
