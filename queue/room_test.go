package queue_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// TestPublishWaitsAsReserve: a message that needs more room in the heap than its
// loan has waits for it no longer than Reserve would have, and the loan goes on.
func TestPublishWaitsAsReserve(t *testing.T) {
	const size = 1 << 14
	text := strings.Repeat("x", size*3/4)
	ends := map[string]struct {
		reserve func(context.Context, *queue.Queue[string]) (queue.Loan[string], error)
		want    error
	}{
		"TryReserve": {func(_ context.Context, q *queue.Queue[string]) (queue.Loan[string], error) {
			return q.TryReserve()
		}, queue.ErrFull},
		"Reserve": {func(ctx context.Context, q *queue.Queue[string]) (queue.Loan[string], error) {
			return q.Reserve(ctx)
		}, context.Canceled},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			forEachBacking(t, func(t *testing.T, seg *shm.Segment) {
				q, err := queue.Create[string](t.Context(), seg, "q", queue.Spec{Cap: 4, SlotSize: 64, MaxSize: size, Heap: size})
				must(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				l, err := end.reserve(ctx, q)
				must(t, err)
				defer l.Abandon()
				must(t, q.Put(t.Context(), text))
				*l.Value() = text
				blocked := func() error { return l.Publish() }
				if errors.Is(end.want, context.Canceled) {
					blocked = mustBlock(t, l.Publish)
				}
				cancel()
				wantError(t, blocked(), end.want)
				wantError(t, l.Publish(), end.want)
				if q.Len() != 1 {
					t.Errorf("%d messages, want 1", q.Len())
				}
				_, err = q.Get(t.Context())
				must(t, err)
				must(t, l.Publish())
				if s, err := q.Get(t.Context()); err != nil || s != text {
					t.Errorf("got %d bytes, %v; want %d", len(s), err, len(text))
				}
			})
		})
	}
}
