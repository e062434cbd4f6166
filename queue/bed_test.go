package queue_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// onHeap returns a segment on the Go heap, where the race detector sees everything.
func onHeap(t testing.TB) *shm.Segment {
	t.Helper()
	seg, err := object.Inside().Heap(shm.Spec{Participants: 8})
	if err != nil {
		t.Fatal(err)
	}
	return kept(t, seg)
}

// peer returns another participant of seg, which is on the heap.
func peer(t testing.TB, seg *shm.Segment) *shm.Segment {
	t.Helper()
	s, err := object.Inside().HeapPeer(seg)
	if err != nil {
		t.Fatal(err)
	}
	return kept(t, s)
}

func kept(t testing.TB, seg any) *shm.Segment {
	t.Helper()
	s, ok := seg.(*shm.Segment)
	if !ok {
		t.Fatalf("not a segment: %T", seg)
	}
	t.Cleanup(func() {
		if _, err := s.Stat(); err == nil {
			if err := s.Check(); err != nil {
				t.Errorf("at the end: %v", err)
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

// forEachBacking runs a test on the heap and on a memfd.
func forEachBacking(t *testing.T, f func(t *testing.T, seg *shm.Segment)) {
	t.Helper()
	t.Run("heap", func(t *testing.T) { f(t, onHeap(t)) })
	t.Run("memfd", func(t *testing.T) {
		seg, err := shm.Anonymous(shm.Spec{Participants: 8})
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		f(t, kept(t, seg))
	})
}

func mustCreate[T any](t testing.TB, seg *shm.Segment, spec queue.Spec) *queue.Queue[T] {
	t.Helper()
	q, err := queue.Create[T](t.Context(), seg, "q", spec)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func mustOpen[T any](t testing.TB, seg *shm.Segment) *queue.Queue[T] {
	t.Helper()
	q, err := queue.Open[T](t.Context(), seg, "q")
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

// within returns a context that only a hang outlasts.
func within(t testing.TB) context.Context { return bounded(t, 30*time.Second) }

// ample is within for so much work that it takes a while on a machine that has
// much else to do.
func ample(t testing.TB) context.Context { return bounded(t, 4*time.Minute) }

func bounded(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
