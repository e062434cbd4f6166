package pipe_test

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/pipe"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

// watchdog bounds waits for what must happen.
const watchdog = 30 * time.Second

func TestMain(m *testing.M) {
	process.Main()
	os.Exit(m.Run())
}

// segments runs f on a segment of every kind.
func segments(t *testing.T, f func(t *testing.T, seg *shm.Segment)) {
	t.Run("heap", func(t *testing.T) { f(t, heap(t)) })
	files(t, f)
}

// files runs f on a segment of every kind that other processes can open.
func files(t *testing.T, f func(t *testing.T, seg *shm.Segment)) {
	t.Run("named", func(t *testing.T) { f(t, shmtest.Segment(t, shm.Spec{})) })
	t.Run("anonymous", func(t *testing.T) { f(t, anonymous(t)) })
}

func anonymous(tb testing.TB) *shm.Segment {
	tb.Helper()
	seg, err := shm.Anonymous(shm.Spec{})
	want(tb, "Anonymous", err, nil)
	tb.Cleanup(func() {
		want(tb, "Check", seg.Check(), nil)
		want(tb, "Close", seg.Close(), nil)
	})
	return seg
}

func heap(tb testing.TB) *shm.Segment {
	tb.Helper()
	seg, err := object.Inside().Heap(shm.Spec{})
	want(tb, "Heap", err, nil)
	return seg.(*shm.Segment) //nolint:errcheck // the door's contract
}

// create makes a pipe with both ends here.
func create(tb testing.TB, seg *shm.Segment, spec pipe.Spec) (a, b *pipe.Conn) {
	tb.Helper()
	a, b, err := pipe.Create(tb.Context(), seg, "p", spec)
	want(tb, "Create", err, nil)
	return a, b
}

func want(tb testing.TB, what string, err, target error) {
	tb.Helper()
	if !errors.Is(err, target) || target == nil && err != nil {
		tb.Fatalf("%s: %v, want %v", what, err, target)
	}
}

func until(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for start := time.Now(); !ok(); runtime.Gosched() {
		if time.Since(start) > watchdog {
			tb.Fatalf("did not happen: %s", what)
		}
	}
}

func async(f func() error) <-chan error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return c
}

func await(tb testing.TB, what string, c <-chan error) error {
	tb.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(watchdog):
		tb.Fatalf("hangs: %s", what)
		return nil
	}
}

// waiting reports whether n participants sleep on an object of seg.
func waiting(tb testing.TB, seg *shm.Segment, n int) bool {
	tb.Helper()
	holds, err := seg.Holds()
	want(tb, "Holds", err, nil)
	for _, h := range holds {
		if h.Waiting {
			n -= h.Count
		}
	}
	return n <= 0
}
