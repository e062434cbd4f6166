package queue_test

import (
	"fmt"
	"io/fs"
	"testing"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// An empty batch is an operation like any other: not of a closed handle, and not
// on a segment that may only be looked at.
func TestEmptyBatches(t *testing.T) {
	batches := func(t *testing.T, q *queue.Queue[int32], want error) {
		t.Helper()
		_, err := q.PutBatch(t.Context(), nil)
		wantError(t, err, want)
		_, err = q.GetBatch(t.Context(), nil)
		wantError(t, err, want)
	}
	seg := onHeap(t)
	q := mustCreate[int32](t, seg, queue.Spec{})
	batches(t, q, nil)
	must(t, seg.Close())
	batches(t, q, fs.ErrClosed)
	batches(t, new(queue.Queue[int32]), fs.ErrClosed)
}

// A handle that is made one on a queue of the other mode puts and gets as that one
// does.
func TestTextOfOtherMode(t *testing.T) {
	seg, err := shm.Anonymous(shm.Spec{})
	must(t, err)
	kept(t, seg)
	texts := make([][]byte, 2)
	for i, mode := range []queue.Mode{queue.SPSC, queue.MPMC} {
		q, err := queue.Create[int32](t.Context(), seg, fmt.Sprint(mode), queue.Spec{Mode: mode})
		must(t, err)
		texts[i], err = q.MarshalText()
		must(t, err)
	}
	q, err := queue.Open[int32](t.Context(), seg, fmt.Sprint(queue.SPSC))
	must(t, err)
	for n := range int32(4) {
		must(t, q.UnmarshalText(texts[(n+1)%2]))
		for range 3 { // after the first one the goroutine may be alone
			must(t, q.Put(t.Context(), n))
			must(t, q.TryPut(n+1))
			x, err := q.Get(t.Context())
			must(t, err)
			y, err := q.TryGet()
			must(t, err)
			if x != n || y != n+1 {
				t.Fatalf("got %d and %d, put %d and %d", x, y, n, n+1)
			}
		}
		must(t, q.Segment().Close())
	}
}

// A delivery of the queue that a handle was before is over when the handle is
// made another one.
func TestTextEndsWhatWasLent(t *testing.T) {
	seg, err := shm.Anonymous(shm.Spec{})
	must(t, err)
	kept(t, seg)
	first := mustCreate[int32](t, seg, queue.Spec{})
	second, err := queue.Create[int32](t.Context(), seg, "second", queue.Spec{})
	must(t, err)
	must(t, first.TryPut(1))
	must(t, second.TryPut(2))
	q := mustOpen[int32](t, seg)
	stale, err := q.TryReceive()
	must(t, err)
	loan, err := q.TryReserve()
	must(t, err)
	text, err := second.MarshalText()
	must(t, err)
	must(t, q.UnmarshalText(text))
	fresh, err := q.TryReceive()
	must(t, err)
	room, err := q.TryReserve()
	must(t, err)
	wantError(t, stale.Ack(), queue.ErrSettled)
	stale.Nack()
	wantError(t, loan.Publish(), queue.ErrSettled)
	loan.Abandon()
	if x := *fresh.Value(); x != 2 {
		t.Fatalf("the delivery is of %d now", x)
	}
	must(t, fresh.Ack())
	must(t, room.Publish())
	must(t, q.Segment().Close())
}
