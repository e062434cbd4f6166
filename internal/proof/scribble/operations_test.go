package scribble_test

import (
	"context"
	"errors"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// step is an operation of an object, with a context that ends soon.
type step struct {
	name string
	do   func(ctx context.Context) error
}

// maker makes an object or opens the one that is there, and returns what can be
// done with it.
type maker struct {
	name string
	make func(ctx context.Context, seg *shm.Segment) ([]step, error)
}

type pair struct {
	A, B int64
	C    [9]byte
	Ok   bool
}

var errNo = errors.New("no")

func makers() []maker {
	list := []maker{
		{"value", valueSteps},
		{"atomic", atomicSteps},
		{"array", arraySteps},
		{"three", threeSteps},
		{"bins", binSteps},
		{"mutex/poison", mutexSteps("mutex/poison", lock.Poison)},
		{"mutex/release", mutexSteps("mutex/release", lock.Release)},
		{"semaphore", semaphoreSteps("semaphore", semaphore.Bounded)},
		{"signal", semaphoreSteps("signal", semaphore.Signal)},
		{"jobs", jobSteps("jobs", queue.MPMC)},
		{"line", jobSteps("line", queue.SPSC)},
		{"bytes", byteSteps},
		{"any", anySteps},
	}
	return append(list, moreMakers()...)
}

func call[T any](f func() T) func(context.Context) error {
	return func(context.Context) error { f(); return nil }
}

func run(f func()) func(context.Context) error {
	return func(context.Context) error { f(); return nil }
}

func drop[T any](_ T, err error) error { return err }

func valueSteps(ctx context.Context, seg *shm.Segment) ([]step, error) {
	v, err := value.OpenOrCreate(ctx, seg, "value", pair{A: 1})
	if err != nil {
		return nil, err
	}
	return []step{
		{"value.Load", call(v.Load)},
		{"value.Store", func(ctx context.Context) error { return v.Store(ctx, pair{B: 2}) }},
		{"value.Update", func(ctx context.Context) error { return v.Update(ctx, func(p *pair) error { p.A++; return nil }) }},
		{"value.Update fails", func(ctx context.Context) error { return v.Update(ctx, func(*pair) error { return errNo }) }},
		{"value.Wait", func(ctx context.Context) error {
			return drop(v.Wait(ctx, func(p pair) bool { return p.A%8 == 7 }))
		}},
		{"value.Watch", func(ctx context.Context) error {
			for _, err := range v.Watch(ctx) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
	}, nil
}

func atomicSteps(ctx context.Context, seg *shm.Segment) ([]step, error) {
	a, err := value.OpenOrCreateAtomic[int64](ctx, seg, "atomic", 1)
	if err != nil {
		return nil, err
	}
	return []step{
		{"atomic.Load", call(a.Load)},
		{"atomic.Store", run(func() { a.Store(1) })},
		{"atomic.Add", run(func() { a.Add(1) })},
		{"atomic.Swap", run(func() { a.Swap(2) })},
		{"atomic.CompareAndSwap", run(func() { a.CompareAndSwap(2, 3) })},
		{"atomic.And", run(func() { value.And(a, 7) })},
		{"atomic.Or", run(func() { value.Or(a, 8) })},
		{"atomic.Wait", func(ctx context.Context) error {
			return drop(a.Wait(ctx, func(x int64) bool { return x == 5 }))
		}},
	}, nil
}

func arraySteps(ctx context.Context, seg *shm.Segment) ([]step, error) {
	a, err := array.OpenOrCreate[int64](ctx, seg, "array", array.Spec{Len: 40})
	if err != nil {
		return nil, err
	}
	return append(elementSteps("array", a), mutexCalls("array.Mutex", a.Mutex())...), nil
}

// three has elements that lie across two words.
func threeSteps(ctx context.Context, seg *shm.Segment) ([]step, error) {
	a, err := array.OpenOrCreate[[3]byte](ctx, seg, "three", array.Spec{Len: 40, OnDeath: lock.Release})
	if err != nil {
		return nil, err
	}
	return elementSteps("three", a), nil
}

func elementSteps[T any](name string, a *array.Array[T]) []step {
	var x T
	n := a.Len()
	return []step{
		{name + ".At", run(func() {
			for i := range n {
				a.At(i)
			}
		})},
		{name + ".Set", run(func() {
			for i := range n {
				a.Set(i, x)
			}
		})},
		{name + ".CopyIn", run(func() { a.CopyIn(n/2, make([]T, n)) })},
		{name + ".CopyOut", run(func() { a.CopyOut(1, make([]T, n)) })},
		{name + ".All", run(func() {
			for range a.All() {
				continue
			}
		})},
		{name + ".View", run(func() { a.View()[0] = x })},
		{name + ".Do", func(ctx context.Context) error { return a.Do(ctx, func(v []T) error { v[1] = x; return nil }) }},
	}
}

func binSteps(ctx context.Context, seg *shm.Segment) ([]step, error) {
	a, err := array.OpenOrCreateAtomic[uint32](ctx, seg, "bins", array.Spec{Len: 20})
	if err != nil {
		return nil, err
	}
	return []step{
		{"bins.Add", run(func() { a.Add(3, 1) })},
		{"bins.Swap", run(func() { a.Swap(4, 1) })},
		{"bins.Store", run(func() { a.Store(a.Len()-1, 1) })},
		{"bins.All", run(func() {
			for range a.All() {
				continue
			}
		})},
	}, nil
}

func mutexSteps(name string, onDeath lock.OnDeath) func(context.Context, *shm.Segment) ([]step, error) {
	return func(ctx context.Context, seg *shm.Segment) ([]step, error) {
		m, err := lock.OpenOrCreateMutex(ctx, seg, name, lock.Spec{OnDeath: onDeath})
		if err != nil {
			return nil, err
		}
		return mutexCalls(name, m), nil
	}
}

func mutexCalls(name string, m *lock.Mutex) []step {
	hold := func(err error) error {
		if err != nil {
			return err
		}
		time.Sleep(time.Millisecond / 10)
		return m.Unlock()
	}
	return []step{
		{name + ".Lock", func(ctx context.Context) error { return hold(m.Lock(ctx)) }},
		{name + ".TryLock", func(context.Context) error { return hold(m.TryLock()) }},
		{name + ".Lock for good", func(ctx context.Context) error { return m.Lock(ctx) }},
		{name + ".Unlock", func(context.Context) error { return m.Unlock() }},
		{name + ".Do", func(ctx context.Context) error { return m.Do(ctx, func() error { return nil }) }},
		{name + ".Recover", func(ctx context.Context) error { return m.Recover(ctx, func() error { return nil }) }},
		{name + ".Recover fails", func(ctx context.Context) error { return m.Recover(ctx, func() error { return errNo }) }},
		{name + ".Holder", run(func() { m.Holder() })},
	}
}

func semaphoreSteps(name string, kind semaphore.Kind) func(context.Context, *shm.Segment) ([]step, error) {
	return func(ctx context.Context, seg *shm.Segment) ([]step, error) {
		s, err := semaphore.OpenOrCreate(ctx, seg, name, semaphore.Spec{Permits: 3, Kind: kind})
		if err != nil {
			return nil, err
		}
		return []step{
			{name + ".Acquire", func(ctx context.Context) error { return s.Acquire(ctx, 1) }},
			{name + ".Acquire 3", func(ctx context.Context) error { return s.Acquire(ctx, 3) }},
			{name + ".TryAcquire", func(context.Context) error { return s.TryAcquire(2) }},
			{name + ".Release", func(context.Context) error { return s.Release(1) }},
			{name + ".Release 2", func(context.Context) error { return s.Release(2) }},
			{name + ".Do", func(ctx context.Context) error { return s.Do(ctx, 1, func() error { return nil }) }},
			{name + ".Available", call(s.Available)},
			{name + ".Held", call(s.Held)},
		}, nil
	}
}
