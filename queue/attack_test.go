package queue_test

import (
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
