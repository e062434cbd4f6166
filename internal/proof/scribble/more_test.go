package scribble_test

import (
	"context"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// moreMakers are those of the objects that came last.
func moreMakers() []maker { return []maker{{"event", eventSteps}, {"barrier", barrierSteps}} }

func eventSteps(ctx context.Context, seg *shm.Segment) ([]step, error) {
	e, err := lock.OpenOrCreateEvent(ctx, seg, "event")
	if err != nil {
		return nil, err
	}
	return []step{
		{"event.Set", run(e.Set)},
		{"event.Clear", run(e.Clear)},
		{"event.IsSet", call(e.IsSet)},
		{"event.Wait", func(ctx context.Context) error { return e.Wait(ctx) }},
	}, nil
}

func barrierSteps(ctx context.Context, seg *shm.Segment) ([]step, error) {
	b, err := lock.OpenOrCreateBarrier(ctx, seg, "barrier", lock.BarrierSpec{Parties: 2})
	if err != nil {
		return nil, err
	}
	return []step{
		{"barrier.Wait", func(ctx context.Context) error { return drop(b.Wait(ctx)) }},
		{"barrier.Abort", run(b.Abort)},
		{"barrier.Reset", run(b.Reset)},
		{"barrier.Waiting", call(b.Waiting)},
		{"barrier.Broken", call(b.Broken)},
	}, nil
}
