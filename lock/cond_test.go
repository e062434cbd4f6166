package lock_test

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
	"github.com/shoal-ipc/shoal/value"
)

func createCond(tb testing.TB, seg *shm.Segment) *lock.Cond {
	tb.Helper()
	c, err := lock.CreateCond(tb.Context(), create(tb, seg, lock.Spec{}), "c")
	want(tb, "CreateCond", err, nil)
	return c
}

// condArgs is a condition and what its mutex protects.
type condArgs struct {
	Cond    *lock.Cond
	Waiting *value.Atomic[int64]
	Woken   *value.Atomic[int64]
	Phase   *value.Atomic[int64]
	Limit   int64
}

var (
	// condWaits waits once, and counts.
	condWaits = process.Func("lock-cond-waits", condWait)
	// condWaitsFor waits until Phase is Limit.
	condWaitsFor = process.Func("lock-cond-waits-for", func(ctx context.Context, a condArgs) error {
		return a.Cond.Mutex().Do(ctx, func() error {
			return a.Cond.WaitFor(ctx, func() bool {
				a.Waiting.Add(1)
				return a.Phase.Load() == a.Limit
			})
		})
	})
	// condConsumes has three goroutines consume.
	condConsumes = process.Func("lock-cond-consumes", func(ctx context.Context, a condArgs) error {
		var all []<-chan error
		for range 3 {
			all = append(all, async(func() error { return condConsume(ctx, a) }))
		}
		return errors.Join(<-all[0], <-all[1], <-all[2])
	})
	// condAnswers makes each odd phase the next one.
	condAnswers = process.Func("lock-cond-answers", func(ctx context.Context, a condArgs) error {
		return condTurns(ctx, a, 1)
	})
)

func condWait(ctx context.Context, a condArgs) error {
	return a.Cond.Mutex().Do(ctx, func() error {
		a.Waiting.Add(1)
		err := a.Cond.Wait(ctx)
		a.Woken.Add(1)
		return err
	})
}

// condConsume takes what there is from a buffer until Limit have been taken.
func condConsume(ctx context.Context, a condArgs) error {
	return a.Cond.Mutex().Do(ctx, func() error {
		for {
			a.Waiting.Add(1)
			err := a.Cond.WaitFor(ctx, func() bool { return a.Phase.Load() > 0 || a.Woken.Load() == a.Limit })
			a.Waiting.Add(-1)
			if err != nil || a.Woken.Load() == a.Limit {
				return err
			}
			a.Phase.Add(-1)
			if a.Woken.Add(1) == a.Limit {
				if err := a.Cond.Broadcast(); err != nil {
					return err
				}
			}
		}
	})
}

// condUntil returns when ok, in the way whose turn it is: Wait or WaitFor, with a
// deadline or without.
func condUntil(ctx context.Context, c *lock.Cond, way int64, ok func() bool) error {
	if way%2 == 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, watchdog)
		defer cancel()
	}
	if way%4 < 2 {
		return c.WaitFor(ctx, ok)
	}
	for !ok() {
		if err := c.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// condTurns waits for its parity of the phase, and makes it the next one.
func condTurns(ctx context.Context, a condArgs, parity int64) error {
	return a.Cond.Mutex().Do(ctx, func() error {
		for way := int64(0); ; way++ {
			err := condUntil(ctx, a.Cond, way, func() bool { return a.Phase.Load()%2 == parity || a.Phase.Load() >= a.Limit })
			if err != nil || a.Phase.Load() >= a.Limit {
				return errors.Join(err, a.Cond.Broadcast())
			}
			a.Phase.Add(1)
			if err := a.Cond.Signal(); err != nil {
				return err
			}
		}
	})
}

// queueing is a condition with those that wait for it, processes and goroutines.
type queueing struct {
	t   *testing.T
	seg *shm.Segment
	condArgs
	children []*process.Child
	siblings []<-chan error
}

func newQueueing(t *testing.T) *queueing {
	seg := shmtest.Segment(t, shm.Spec{})
	return &queueing{t: t, seg: seg, condArgs: condArgs{
		Cond: createCond(t, seg), Waiting: createCount(t, seg, "waiting"), Woken: createCount(t, seg, "woken"), Phase: createCount(t, seg, "phase"),
	}}
}

// wait has as many processes and goroutines wait.
func (q *queueing) wait(processes, goroutines int) {
	q.t.Helper()
	before := q.Waiting.Load()
	for range processes {
		child, err := condWaits.Start(q.t.Context(), q.condArgs)
		want(q.t, "Start", err, nil)
		q.children = append(q.children, child)
	}
	for range goroutines {
		q.siblings = append(q.siblings, async(func() error { return condWait(q.t.Context(), q.condArgs) }))
	}
	reaches(q.t, q.Waiting, before+int64(processes+goroutines))
	q.do(func() error { return nil }) // who has counted itself has given the mutex up
}

func (q *queueing) do(f func() error) {
	q.t.Helper()
	want(q.t, "Do", q.Cond.Mutex().Do(q.t.Context(), f), nil)
}

// woken checks that n have been woken, and no more are.
func (q *queueing) woken(n int64) {
	q.t.Helper()
	reaches(q.t, q.Woken, n)
	for range 3 {
		q.do(func() error { return nil })
		if x := q.Woken.Load(); x != n {
			q.t.Fatalf("%d woken, want %d", x, n)
		}
	}
}

func (q *queueing) end() {
	q.t.Helper()
	want(q.t, "children", process.Wait(q.t.Context(), q.children...), nil)
	for _, s := range q.siblings {
		want(q.t, "Wait", await(q.t, "a sibling", s), nil)
	}
	objects, err := q.seg.Objects()
	want(q.t, "Objects", err, nil)
	for _, o := range objects {
		if o.Kind == "cond" && o.State != "nobody waits" {
			q.t.Errorf("in the end %s", o.State)
		}
	}
}

// TestConformanceCond has a subtest for each thing that users of conditions rely on.
func TestConformanceCond(t *testing.T) {
	for name, f := range map[string]func(t *testing.T){
		"CND-01": condNotHeld, "CND-02": condTimeout, "CND-03": condOneByOne, "CND-04": condAll, "CND-05": condWaitFor,
		"CND-06": condNobody, "CND-07": condAtOnce, "CND-08": condSharesItsLock, "CND-09": condCounts, "CND-10": condPanics,
		"RCV-01": condElsewhere, "RCV-02": condBuffer, "RCV-03": condPingPong, "RCV-05": condHolds, "RCV-06": condKernelSignals,
	} {
		t.Run(name, f)
	}
}

func condNotHeld(t *testing.T) {
	q := newQueueing(t)
	for name, f := range map[string]func() error{
		"Wait":      func() error { return q.Cond.Wait(t.Context()) },
		"WaitFor":   func() error { return q.Cond.WaitFor(t.Context(), func() bool { t.Error("called"); return true }) },
		"Signal":    q.Cond.Signal,
		"SignalN":   func() error { return q.Cond.SignalN(2) },
		"Broadcast": q.Cond.Broadcast,
	} {
		want(t, name, f(), lock.ErrNotOwner)
	}
	child, out := start(t, holds, args{Mutexes: []*lock.Mutex{q.Cond.Mutex()}})
	line(t, out)
	want(t, "Signal, another one holds it", q.Cond.Signal(), lock.ErrNotOwner)
	shmtest.Kill(t, child)
	want(t, "Recover", q.Cond.Mutex().Recover(t.Context(), func() error { return nil }), nil)
}

func condTimeout(t *testing.T) {
	q := newQueueing(t)
	q.do(func() error {
		for _, d := range []time.Duration{-1, 0, 20 * time.Millisecond} {
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			if err := isTimeout(d, start, q.Cond.Wait(ctx)); err != nil {
				return err
			}
			if p, held := q.Cond.Mutex().Holder(); !held || p.PID != os.Getpid() {
				t.Errorf("after %v it is not held", d)
			}
		}
		return nil
	})
}

func condOneByOne(t *testing.T) {
	q := newQueueing(t)
	q.wait(1, 1)
	q.woken(0)
	for n := range int64(2) {
		q.do(q.Cond.Signal)
		q.woken(n + 1)
	}
	q.end()
}

func condAll(t *testing.T) {
	q := newQueueing(t)
	q.wait(3, 3)
	q.woken(0)
	q.do(q.Cond.Broadcast)
	q.woken(6)
	q.end()
}

func condWaitFor(t *testing.T) {
	q := newQueueing(t)
	q.Limit = 4
	child, err := condWaitsFor.Start(t.Context(), q.condArgs)
	want(t, "Start", err, nil)
	for i := range int64(4) {
		reaches(t, q.Waiting, i+1)
		q.do(func() error {
			q.Phase.Add(1)
			return q.Cond.Signal()
		})
	}
	want(t, "the child", child.Wait(t.Context()), nil)
}

func condNobody(t *testing.T) {
	q := newQueueing(t)
	q.do(func() error {
		for _, f := range []func() error{q.Cond.Signal, q.Cond.Broadcast} {
			want(t, "to nobody", f(), nil)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		want(t, "Wait", q.Cond.Wait(ctx), context.DeadlineExceeded)
		return nil
	})
}

func condAtOnce(t *testing.T) {
	q := newQueueing(t)
	q.do(func() error {
		calls := 0
		want(t, "true", q.Cond.WaitFor(t.Context(), func() bool { calls++; return true }), nil)
		ctx, cancel := context.WithTimeout(t.Context(), -1)
		defer cancel()
		want(t, "false, too late", q.Cond.WaitFor(ctx, func() bool { calls++; return false }), context.DeadlineExceeded)
		if calls != 2 {
			t.Errorf("called %d times", calls)
		}
		return nil
	})
}

func condSharesItsLock(t *testing.T) {
	q := newQueueing(t)
	m := open(t, q.seg)
	want(t, "Lock", q.Cond.Mutex().Lock(t.Context()), nil)
	want(t, "TryLock", m.TryLock(), lock.ErrLocked)
	want(t, "Unlock", m.Unlock(), nil) // another handle of the same process
	want(t, "TryLock", m.TryLock(), nil)
	want(t, "TryLock", q.Cond.Mutex().TryLock(), lock.ErrLocked)
	want(t, "Unlock", m.Unlock(), nil)
}

func condCounts(t *testing.T) {
	for range 2 {
		q := newQueueing(t)
		q.wait(3, 2)
		q.do(func() error { return q.Cond.SignalN(3) })
		q.woken(3)
		q.wait(1, 2)
		q.do(func() error { return q.Cond.SignalN(5) })
		q.woken(8)
		q.do(q.Cond.Broadcast)
		q.woken(8)
		q.end()
	}
}

func condPanics(t *testing.T) {
	q := newQueueing(t)
	m := q.Cond.Mutex()
	want(t, "Lock", m.Lock(t.Context()), nil)
	func() {
		defer func() {
			if recover() != "planted" {
				t.Error("the panic did not come through")
			}
		}()
		_ = q.Cond.WaitFor(t.Context(), func() bool { panic("planted") })
	}()
	want(t, "Unlock", m.Unlock(), nil)
	q.wait(0, 1)
	q.do(q.Cond.Signal)
	q.end()
}

// condBuffer has consumers take from a buffer of three.
func condBuffer(t *testing.T) {
	q := newQueueing(t)
	q.Limit = 300
	for range 10 {
		child, err := condConsumes.Start(t.Context(), q.condArgs)
		want(t, "Start", err, nil)
		q.children = append(q.children, child)
	}
	for range q.Limit {
		until(t, "there is room", func() bool { return q.Phase.Load() < 3 })
		q.do(func() error {
			q.Phase.Add(1)
			return q.Cond.Signal()
		})
	}
	q.end()
	if q.Phase.Load() != 0 || q.Woken.Load() != q.Limit || q.Waiting.Load() != 0 {
		t.Errorf("%d left, %d taken, %d wait", q.Phase.Load(), q.Woken.Load(), q.Waiting.Load())
	}
}

func condPingPong(t *testing.T) {
	defer withoutSlice()()
	q := newQueueing(t)
	q.Limit = 2000
	if testing.Short() || race.Enabled {
		q.Limit = 200
	}
	child, err := condAnswers.Start(t.Context(), q.condArgs)
	want(t, "Start", err, nil)
	want(t, "turns", condTurns(t.Context(), q.condArgs, 0), nil)
	want(t, "the child", child.Wait(t.Context()), nil)
	if n := q.Phase.Load(); n != q.Limit {
		t.Errorf("phase %d, want %d", n, q.Limit)
	}
}

// condHolds looks at the mutex after each way in which Wait returns.
func condHolds(t *testing.T) {
	q := newQueueing(t)
	m := q.Cond.Mutex()
	held := func(how string, want bool) {
		t.Helper()
		if p, held := m.Holder(); (held && p.PID == os.Getpid() && p.Alive) != want {
			t.Errorf("%s: held by %v, %v", how, p, held)
		}
	}
	want(t, "Lock", m.Lock(t.Context()), nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	want(t, "Wait", q.Cond.Wait(ctx), context.DeadlineExceeded)
	held("out of time", true)
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	want(t, "Wait", q.Cond.Wait(ctx), context.Canceled)
	held("cancelled", true)
	done := async(func() error { return m.Do(t.Context(), q.Cond.Broadcast) })
	want(t, "Wait", q.Cond.Wait(t.Context()), nil)
	held("woken", true)
	want(t, "Broadcast", await(t, "Broadcast", done), nil)
	child, out := start(t, holds, args{Mutexes: []*lock.Mutex{m}})
	woken := async(func() error { return q.Cond.Wait(t.Context()) })
	line(t, out)
	shmtest.Kill(t, child)
	want(t, "Wait", await(t, "Wait", woken), lock.ErrPoisoned)
	held("poisoned", false)
	repaired := 0
	m.Repair = func() error { repaired++; return nil }
	want(t, "Lock", m.Lock(t.Context()), nil)
	child, out = start(t, holds, args{Mutexes: []*lock.Mutex{m}})
	woken = async(func() error { return q.Cond.Wait(t.Context()) })
	line(t, out)
	shmtest.Kill(t, child)
	want(t, "Wait", await(t, "Wait", woken), nil)
	held("repaired", true)
	want(t, "Unlock", m.Unlock(), nil)
	if repaired != 2 {
		t.Errorf("repaired %d times", repaired)
	}
}

// condKernelSignals floods the process with signals while it waits for one thing
// of each kind.
func condKernelSignals(t *testing.T) {
	q := newQueueing(t)
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGUSR1)
	defer signal.Stop(got)
	held, err := lock.CreateMutex(t.Context(), q.seg, "held", lock.Spec{})
	want(t, "CreateMutex", err, nil)
	want(t, "Lock", held.Lock(t.Context()), nil)
	event, barrier := createEvent(t, q.seg, "e"), createBarrier(t, q.seg, 2)
	others := []<-chan error{
		async(func() error { return held.Lock(t.Context()) }),
		async(func() error { return event.Wait(t.Context()) }),
		async(func() error { return second(barrier.Wait(t.Context())) }),
	}
	q.wait(0, 1)
	until(t, "all sleep", func() bool { return waiting(t, q.seg, 4) })
	for range 2000 {
		want(t, "Kill", syscall.Kill(os.Getpid(), syscall.SIGURG), nil) // the runtime's own
		want(t, "Kill", syscall.Kill(os.Getpid(), syscall.SIGUSR1), nil)
		<-got
	}
	q.woken(0)
	for i, other := range others {
		select {
		case err := <-other:
			t.Errorf("wait %d has ended: %v", i, err)
		default:
		}
	}
	q.do(q.Cond.Signal)
	want(t, "Unlock", held.Unlock(), nil)
	event.Set()
	want(t, "Wait", second(barrier.Wait(t.Context())), nil)
	for _, other := range others {
		want(t, "what it waited for", await(t, "what it waited for", other), nil)
	}
	want(t, "Unlock", held.Unlock(), nil)
	q.end()
}
