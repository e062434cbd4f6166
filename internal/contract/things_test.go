package contract

import (
	"fmt"
	"iter"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/value"
)

// thing is one type of handles, with all of its methods that are calls.
type thing struct {
	kind     string // as shm.Object.Kind
	zero     func() handle
	create   verb
	open     verb
	orCreate verb // with a zero Spec, or another initial value
	// another opens it with another element type; nil if there is none.
	another verb
	spec    func(h handle) any // nil if it has no Spec
	calls   []call
}

type verb func(ctx ctxt, seg segm, name string) (handle, error)

// call is a method. Its error is that which it returns, or panics with.
type call struct {
	name   string
	do     func(ctx ctxt, h handle) error
	waits, // takes a ctx
	writes, // is refused on a read-only segment
	panics, // has no error result: the error is a panic's
	quiet bool // returns zero instead of an error after Close
}

func (c call) String() string { return c.name }

func waiting(name string, do func(ctxt, handle) error) call {
	return call{name: name, do: do, waits: true, writes: true}
}

func reading(name string, do func(ctxt, handle) error) call {
	return call{name: name, do: do, waits: true}
}

func trying(name string, do func(ctxt, handle) error) call {
	return call{name: name, do: do, writes: true}
}

func loading(name string, do func(ctxt, handle) error) call {
	return call{name: name, do: do, panics: true}
}

func storing(name string, do func(ctxt, handle) error) call {
	return call{name: name, do: do, panics: true, writes: true}
}

func asking(name string, do func(ctxt, handle) error) call {
	return call{name: name, do: do, quiet: true}
}

// as makes a verb or call of one that knows its type.
func as[H handle](f func(ctxt, segm, string) (H, error)) verb {
	return func(ctx ctxt, seg segm, name string) (handle, error) { return f(ctx, seg, name) }
}

func with[H handle, S any](f func(ctxt, segm, string, S) (H, error), spec S) verb {
	return func(ctx ctxt, seg segm, name string) (handle, error) { return f(ctx, seg, name, spec) }
}

func on[H handle](f func(ctxt, H) error) func(ctxt, handle) error {
	return func(ctx ctxt, h handle) error { return f(ctx, of[H](h)) }
}

// do is on for methods without an error: it returns the error that f panics with.
func do[H handle](f func(H)) func(ctxt, handle) error {
	return func(_ ctxt, h handle) error { return panicOf(func() { f(of[H](h)) }) }
}

// get is on for methods that return a comparable T, of which only zero is no error.
func get[H handle, T comparable](f func(H) T) func(ctxt, handle) error {
	return func(_ ctxt, h handle) error {
		var zero T
		if x := f(of[H](h)); x != zero {
			return fmt.Errorf("returned %v", x)
		}
		return nil
	}
}

func of[H handle](h handle) H {
	x, ok := h.(H)
	if !ok {
		panic(fmt.Sprintf("%T is no %T", h, x))
	}
	return x
}

func panicOf(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(error)
			if !ok {
				e = fmt.Errorf("panicked with %v, no error", r)
			}
			err = e
		}
	}()
	f()
	return nil
}

func drop[T any](_ T, err error) error { return err }

func last[T any](seq iter.Seq2[T, error]) (err error) {
	for _, e := range seq {
		if err = e; err == nil {
			return nil
		}
	}
	return err
}

func nothing() error { panic("called") }

type (
	num  = value.Value[int64]
	cnt  = value.Atomic[int64]
	row  = array.Array[int64]
	bins = array.Atomic[int64]
	mu   = lock.Mutex
	rwmu = lock.RWMutex
	tabl = lock.Table
	flag = lock.Event
	gate = lock.Barrier
	sema = semaphore.Semaphore
	jobs = queue.Queue[int64]
)

func values() []thing {
	return []thing{{
		kind: "value", zero: func() handle { return new(num) },
		create: with(value.Create[int64], 7), open: as(value.Open[int64]),
		orCreate: with(value.OpenOrCreate[int64], 9), another: as(value.Open[uint64]),
		calls: []call{
			loading("Load", do(func(v *num) { v.Load() })),
			waiting("Store", on(func(ctx ctxt, v *num) error { return v.Store(ctx, 1) })),
			waiting("Update", on(func(ctx ctxt, v *num) error {
				return v.Update(ctx, func(*int64) error { return nothing() })
			})),
			reading("Wait", on(func(ctx ctxt, v *num) error { return drop(v.Wait(ctx, func(int64) bool { return true })) })),
			reading("Watch", on(func(ctx ctxt, v *num) error { return last(v.Watch(ctx)) })),
		},
	}, {
		kind: "atomic", zero: func() handle { return new(cnt) },
		create: with(value.CreateAtomic[int64], 7), open: as(value.OpenAtomic[int64]),
		orCreate: with(value.OpenOrCreateAtomic[int64], 9), another: as(value.OpenAtomic[uint64]),
		calls: []call{
			loading("Load", do(func(a *cnt) { a.Load() })),
			storing("Store", do(func(a *cnt) { a.Store(1) })),
			storing("Add", do(func(a *cnt) { a.Add(1) })),
			storing("Swap", do(func(a *cnt) { a.Swap(1) })),
			storing("CompareAndSwap", do(func(a *cnt) { a.CompareAndSwap(1, 2) })),
			storing("And", do(func(a *cnt) { value.And(a, 1) })),
			storing("Or", do(func(a *cnt) { value.Or(a, 1) })),
			reading("Wait", on(func(ctx ctxt, a *cnt) error { return drop(a.Wait(ctx, func(int64) bool { return true })) })),
		},
	}}
}

func arrays() []thing {
	three := array.Spec{Len: 3, OnDeath: lock.Release}
	return []thing{{
		kind: "array", zero: func() handle { return new(row) },
		create: with(array.Create[int64], three), open: as(array.Open[int64]),
		orCreate: with(array.OpenOrCreate[int64], array.Spec{}), another: as(array.Open[float64]),
		spec: func(h handle) any { return of[*row](h).Spec() },
		calls: []call{
			asking("Len", get((*row).Len)),
			loading("At", do(func(a *row) { a.At(0) })),
			storing("Set", do(func(a *row) { a.Set(0, 1) })),
			storing("CopyIn", do(func(a *row) { a.CopyIn(0, []int64{1}) })),
			loading("CopyOut", do(func(a *row) { a.CopyOut(0, make([]int64, 1)) })),
			loading("All", do(func(a *row) {
				for range a.All() {
					break
				}
			})),
			loading("View", do(func(a *row) { a.View() })),
			waiting("Do", on(func(ctx ctxt, a *row) error { return a.Do(ctx, func([]int64) error { return nothing() }) })),
			trying("Mutex().TryLock", on(func(_ ctxt, a *row) error { return a.Mutex().TryLock() })),
		},
	}, {
		kind: "atomicarray", zero: func() handle { return new(bins) },
		create: with(array.CreateAtomic[int64], three), open: as(array.OpenAtomic[int64]),
		orCreate: with(array.OpenOrCreateAtomic[int64], array.Spec{}), another: as(array.OpenAtomic[float64]),
		spec: func(h handle) any { return of[*bins](h).Spec() },
		calls: []call{
			asking("Len", get((*bins).Len)),
			loading("Load", do(func(a *bins) { a.Load(0) })),
			storing("Store", do(func(a *bins) { a.Store(0, 1) })),
			storing("Add", do(func(a *bins) { a.Add(0, 1) })),
			storing("Swap", do(func(a *bins) { a.Swap(0, 1) })),
			storing("CompareAndSwap", do(func(a *bins) { a.CompareAndSwap(0, 1, 2) })),
			loading("All", do(func(a *bins) {
				for range a.All() {
					break
				}
			})),
		},
	}}
}

// setEvent makes an event that is set, so that waits for it end.
func setEvent(ctx ctxt, seg segm, name string) (*flag, error) {
	e, err := lock.CreateEvent(ctx, seg, name)
	if err == nil {
		e.Set()
	}
	return e, err
}

func locks() []thing {
	return []thing{{
		kind: "mutex", zero: func() handle { return new(mu) },
		create: with(lock.CreateMutex, lock.Spec{OnDeath: lock.Release}), open: as(lock.OpenMutex),
		orCreate: with(lock.OpenOrCreateMutex, lock.Spec{}),
		spec:     func(h handle) any { return of[*mu](h).Spec() },
		calls: []call{
			waiting("Lock", on(func(ctx ctxt, m *mu) error { return m.Lock(ctx) })),
			waiting("Do", on(func(ctx ctxt, m *mu) error { return m.Do(ctx, nothing) })),
			waiting("Recover", on(func(ctx ctxt, m *mu) error { return m.Recover(ctx, nothing) })),
			trying("TryLock", on(func(_ ctxt, m *mu) error { return m.TryLock() })),
			trying("Unlock", on(func(_ ctxt, m *mu) error { return m.Unlock() })),
			asking("Holder", get(func(m *mu) bool { _, held := m.Holder(); return held })),
		},
	}, {
		kind: "rwmutex", zero: func() handle { return new(rwmu) },
		create: with(lock.CreateRWMutex, lock.Spec{OnDeath: lock.Release}), open: as(lock.OpenRWMutex),
		orCreate: with(lock.OpenOrCreateRWMutex, lock.Spec{}),
		spec:     func(h handle) any { return of[*rwmu](h).Spec() },
		calls: []call{
			waiting("Lock", on(func(ctx ctxt, m *rwmu) error { return m.Lock(ctx) })),
			waiting("RLock", on(func(ctx ctxt, m *rwmu) error { return m.RLock(ctx) })),
			waiting("Do", on(func(ctx ctxt, m *rwmu) error { return m.Do(ctx, nothing) })),
			waiting("RDo", on(func(ctx ctxt, m *rwmu) error { return m.RDo(ctx, nothing) })),
			waiting("Recover", on(func(ctx ctxt, m *rwmu) error { return m.Recover(ctx, nothing) })),
			trying("TryLock", on(func(_ ctxt, m *rwmu) error { return m.TryLock() })),
			trying("TryRLock", on(func(_ ctxt, m *rwmu) error { return m.TryRLock() })),
			trying("Unlock", on(func(_ ctxt, m *rwmu) error { return m.Unlock() })),
			trying("RUnlock", on(func(_ ctxt, m *rwmu) error { return m.RUnlock() })),
		},
	}, {
		kind: "table", zero: func() handle { return new(tabl) },
		create: with(lock.CreateTable, lock.TableSpec{Len: 3, OnDeath: lock.Release}), open: as(lock.OpenTable),
		orCreate: with(lock.OpenOrCreateTable, lock.TableSpec{}),
		spec:     func(h handle) any { return of[*tabl](h).Spec() },
		calls: []call{
			trying("Alloc", on(func(_ ctxt, t *tabl) error { return drop(t.Alloc()) })),
			trying("AllocAt", on(func(_ ctxt, t *tabl) error { return t.AllocAt(1) })),
			trying("Free", on(func(_ ctxt, t *tabl) error { return t.Free(0) })),
			loading("At", do(func(t *tabl) { t.At(0) })),
			loading("All", do(func(t *tabl) {
				for range t.All() {
					break
				}
			})),
			asking("Len", get((*tabl).Len)),
		},
	}, {
		kind: "event", zero: func() handle { return new(flag) },
		create: as(setEvent), open: as(lock.OpenEvent), orCreate: as(lock.OpenOrCreateEvent),
		calls: []call{
			storing("Set", do((*flag).Set)),
			reading("Wait", on(func(ctx ctxt, e *flag) error { return e.Wait(ctx) })),
			loading("IsSet", do(func(e *flag) { e.IsSet() })),
			storing("Clear", do((*flag).Clear)),
		},
	}, {
		kind: "barrier", zero: func() handle { return new(gate) },
		create: with(lock.CreateBarrier, lock.BarrierSpec{Parties: 1}), open: as(lock.OpenBarrier),
		orCreate: with(lock.OpenOrCreateBarrier, lock.BarrierSpec{}),
		spec:     func(h handle) any { return of[*gate](h).Spec() },
		calls: []call{
			// Not waiting: a ctx that is done breaks the barrier, as package lock tests.
			trying("Wait", on(func(ctx ctxt, b *gate) error { return drop(b.Wait(ctx)) })),
			asking("Waiting", get((*gate).Waiting)),
			asking("Broken", get((*gate).Broken)),
			storing("Abort", do((*gate).Abort)),
			storing("Reset", do((*gate).Reset)),
		},
	}, {
		kind: "semaphore", zero: func() handle { return new(sema) },
		create: with(semaphore.Create, semaphore.Spec{Permits: 3, Kind: semaphore.Signal}), open: as(semaphore.Open),
		orCreate: with(semaphore.OpenOrCreate, semaphore.Spec{}),
		spec:     func(h handle) any { return of[*sema](h).Spec() },
		calls: []call{
			waiting("Acquire", on(func(ctx ctxt, s *sema) error { return s.Acquire(ctx, 1) })),
			waiting("Do", on(func(ctx ctxt, s *sema) error { return s.Do(ctx, 1, nothing) })),
			trying("TryAcquire", on(func(_ ctxt, s *sema) error { return s.TryAcquire(1) })),
			trying("Release", on(func(_ ctxt, s *sema) error { return s.Release(1) })),
			asking("Available", get((*sema).Available)),
			asking("Held", get((*sema).Held)),
		},
	}}
}

func queues() []thing {
	return []thing{{
		kind: "queue", zero: func() handle { return new(jobs) },
		create: with(queue.Create[int64], queue.Spec{Cap: 3, SlotSize: 16, MaxSize: 32, Heap: 4096}), open: as(queue.Open[int64]),
		orCreate: with(queue.OpenOrCreate[int64], queue.Spec{}), another: as(queue.Open[string]),
		spec: func(h handle) any { return of[*jobs](h).Spec() },
		calls: []call{
			waiting("Put", on(func(ctx ctxt, q *jobs) error { return q.Put(ctx, 1) })),
			waiting("PutBatch", on(func(ctx ctxt, q *jobs) error { return drop(q.PutBatch(ctx, []int64{1, 2})) })),
			waiting("PutFunc", on(func(ctx ctxt, q *jobs) error { return q.PutFunc(ctx, func(*int64) error { return nothing() }) })),
			waiting("Reserve", on(func(ctx ctxt, q *jobs) error { return drop(q.Reserve(ctx)) })),
			waiting("Get", on(func(ctx ctxt, q *jobs) error { return drop(q.Get(ctx)) })),
			waiting("GetBatch", on(func(ctx ctxt, q *jobs) error { return drop(q.GetBatch(ctx, make([]int64, 2))) })),
			waiting("GetFunc", on(func(ctx ctxt, q *jobs) error { return q.GetFunc(ctx, func(*int64) error { return nothing() }) })),
			waiting("Receive", on(func(ctx ctxt, q *jobs) error { return drop(q.Receive(ctx)) })),
			waiting("All", on(func(ctx ctxt, q *jobs) error { return last(q.All(ctx)) })),
			waiting("Deliveries", on(func(ctx ctxt, q *jobs) error { return last(q.Deliveries(ctx)) })),
			waiting("Join", on(func(ctx ctxt, q *jobs) error { return q.Join(ctx) })),
			trying("TryPut", on(func(_ ctxt, q *jobs) error { return q.TryPut(1) })),
			trying("TryReserve", on(func(_ ctxt, q *jobs) error { return drop(q.TryReserve()) })),
			trying("TryGet", on(func(_ ctxt, q *jobs) error { return drop(q.TryGet()) })),
			trying("TryReceive", on(func(_ ctxt, q *jobs) error { return drop(q.TryReceive()) })),
			trying("Shutdown", on(func(_ ctxt, q *jobs) error { return q.Shutdown() })),
			asking("Len", get((*jobs).Len)),
			asking("Cap", get((*jobs).Cap)),
		},
	}}
}

// things are all types of handles.
func things() []thing {
	var all []thing
	for _, some := range [][]thing{values(), arrays(), locks(), queues(), maps()} {
		all = append(all, some...)
	}
	return all
}
