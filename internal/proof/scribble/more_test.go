package scribble_test

import (
	"context"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// moreMakers are those of the objects that came last.
func moreMakers() []maker {
	return []maker{{"event", eventSteps}, {"barrier", barrierSteps}, {"cond", condSteps}, {"rwmutex", rwSteps}}
}

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

func condSteps(ctx context.Context, seg *shm.Segment) ([]step, error) {
	m, err := lock.OpenOrCreateMutex(ctx, seg, "cond/mutex", lock.Spec{OnDeath: lock.Release})
	if err != nil {
		return nil, err
	}
	c, err := lock.OpenOrCreateCond(ctx, m, "cond")
	if err != nil {
		return nil, err
	}
	held := func(f func(ctx context.Context) error) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			return m.Do(ctx, func() error { return f(ctx) })
		}
	}
	return []step{
		{"cond.Wait", held(c.Wait)},
		{"cond.Wait without the mutex", c.Wait},
		{"cond.WaitFor", held(func(ctx context.Context) error { return c.WaitFor(ctx, func() bool { return false }) })},
		{"cond.Signal", func(context.Context) error { return c.Signal() }},
		{"cond.SignalN", func(context.Context) error { return c.SignalN(3) }},
		{"cond.Broadcast", func(context.Context) error { return c.Broadcast() }},
	}, nil
}

func rwSteps(ctx context.Context, seg *shm.Segment) ([]step, error) {
	m, err := lock.OpenOrCreateRWMutex(ctx, seg, "rwmutex", lock.Spec{})
	if err != nil {
		return nil, err
	}
	nothing := func() error { return nil }
	return []step{
		{"rwmutex.Lock", m.Lock},
		{"rwmutex.RLock", m.RLock},
		{"rwmutex.TryLock", func(context.Context) error { return m.TryLock() }},
		{"rwmutex.TryRLock", func(context.Context) error { return m.TryRLock() }},
		{"rwmutex.Unlock", func(context.Context) error { return m.Unlock() }},
		{"rwmutex.RUnlock", func(context.Context) error { return m.RUnlock() }},
		{"rwmutex.Do", func(ctx context.Context) error { return m.Do(ctx, nothing) }},
		{"rwmutex.RDo", func(ctx context.Context) error { return m.RDo(ctx, nothing) }},
		{"rwmutex.Recover", func(ctx context.Context) error { return m.Recover(ctx, nothing) }},
	}, nil
}
