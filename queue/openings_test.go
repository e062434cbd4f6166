package queue_test

import (
	"errors"
	"io/fs"
	"runtime"
	"testing"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// TestOpeningsOfOneProcess has a process open a segment more than once, and use a
// queue by each opening, before and after another one of them is closed: that is
// the end of this opening's handles only.
func TestOpeningsOfOneProcess(t *testing.T) {
	for _, mode := range []queue.Mode{queue.MPMC, queue.SPSC} {
		t.Run(mode.String(), func(t *testing.T) {
			opts := &shm.Options{Dir: t.TempDir()}
			first, err := shm.Create(t.Context(), "openings", shm.Spec{}, opts)
			if err != nil {
				t.Fatal(err)
			}
			q, err := queue.Create[int](t.Context(), first, "q", queue.Spec{Cap: 4, Mode: mode})
			if err != nil {
				t.Fatal(err)
			}
			exchangeOne(t, q, q)
			second, q2 := reopen(t, opts)
			exchangeOne(t, q, q2)
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			if err := q.TryPut(1); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("by the closed one: %v", err)
			}
			exchangeOne(t, q2, q2)
			third, err := shm.Open(t.Context(), "openings", opts)
			if err != nil {
				t.Fatal(err)
			}
			if err := second.Close(); err != nil { // now no opening has the queue
				t.Fatal(err)
			}
			q3, err := queue.Open[int](t.Context(), third, "q")
			if err != nil {
				t.Fatal(err)
			}
			exchangeOne(t, q3, q3)
			if err := third.Close(); err != nil {
				t.Fatal(err)
			}
			runtime.KeepAlive(q) // so that all of them are on the same object
			runtime.KeepAlive(q2)
		})
	}
}

func reopen(t *testing.T, opts *shm.Options) (*shm.Segment, *queue.Queue[int]) {
	t.Helper()
	seg, err := shm.Open(t.Context(), "openings", opts)
	if err != nil {
		t.Fatal(err)
	}
	q, err := queue.Open[int](t.Context(), seg, "q")
	if err != nil {
		t.Fatal(err)
	}
	return seg, q
}

// exchangeOne puts messages by one handle and gets them by another.
func exchangeOne(t *testing.T, from, to *queue.Queue[int]) {
	t.Helper()
	for n := range 10 {
		if err := from.TryPut(n); err != nil {
			t.Fatal(err)
		}
		if x, err := to.TryGet(); err != nil || x != n {
			t.Fatalf("got %d, %v; want %d", x, err, n)
		}
	}
}
