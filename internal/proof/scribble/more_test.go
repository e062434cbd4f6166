package scribble_test

import (
	"context"

	"github.com/shoal-ipc/shoal/kv"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// moreMakers are those of the objects that came last.
func moreMakers() []maker {
	return []maker{{"event", eventSteps}, {"barrier", barrierSteps}, {"cond", condSteps}, {"rwmutex", rwSteps}, {"map", mapSteps}, {"texts", textSteps}, {"table", tableSteps}, {"pipe", pipeSteps}}
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

func mapSteps(ctx context.Context, seg *shm.Segment) ([]step, error) {
	m, err := kv.OpenOrCreate[int64, pair](ctx, seg, "map", kv.Spec{Cap: 8})
	if err != nil {
		return nil, err
	}
	return entrySteps("map", m, []int64{1, 2, 3, 4, 5}, pair{A: 1}), nil
}

func textSteps(ctx context.Context, seg *shm.Segment) ([]step, error) {
	m, err := kv.OpenOrCreate[string, any](ctx, seg, "texts", kv.Spec{Cap: 4})
	if err != nil {
		return nil, err
	}
	return entrySteps("texts", m, []string{"a", "bb", "ccc"}, any("text")), nil
}

func entrySteps[K comparable, V any](name string, m *kv.Map[K, V], keys []K, x V) []step {
	each := func(f func(ctx context.Context, key K) error) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			for _, key := range keys {
				err = f(ctx, key)
			}
			return err
		}
	}
	return []step{
		{name + ".Store", each(func(ctx context.Context, key K) error { return m.Store(ctx, key, x) })},
		{name + ".Load", each(func(_ context.Context, key K) error { return drop(m.Load(key)) })},
		{name + ".All", func(context.Context) (err error) {
			for _, e := range m.All() {
				err = e
			}
			return err
		}},
		{name + ".Len", call(m.Len)},
		{name + ".Update", each(func(ctx context.Context, key K) error {
			return m.Update(ctx, key, func(*V, bool) error { return nil })
		})},
		{name + ".Update fails", each(func(ctx context.Context, key K) error {
			return m.Update(ctx, key, func(*V, bool) error { return errNo })
		})},
		{name + ".LoadOrStore", each(func(ctx context.Context, key K) error { _, _, err := m.LoadOrStore(ctx, key, x); return err })},
		{name + ".CompareAndSwap", each(func(ctx context.Context, key K) error { return drop(m.CompareAndSwap(ctx, key, x, x)) })},
		{name + ".CompareAndDelete", func(ctx context.Context) error { return drop(m.CompareAndDelete(ctx, keys[0], x)) }},
		{name + ".LoadAndDelete", func(ctx context.Context) error { return drop(m.LoadAndDelete(ctx, keys[1])) }},
		{name + ".Delete", func(ctx context.Context) error { return m.Delete(ctx, keys[2]) }},
	}
}
