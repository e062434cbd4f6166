package lock_test

import (
	"context"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
	"github.com/shoal-ipc/shoal/value"
)

func createEvent(tb testing.TB, seg *shm.Segment, name string) *lock.Event {
	tb.Helper()
	e, err := lock.CreateEvent(tb.Context(), seg, name)
	want(tb, "CreateEvent", err, nil)
	return e
}

func createCount(tb testing.TB, seg *shm.Segment, name string) *value.Atomic[int64] {
	tb.Helper()
	n, err := value.CreateAtomic(tb.Context(), seg, name, int64(0))
	want(tb, "CreateAtomic", err, nil)
	return n
}

// reaches waits until n is at least want.
func reaches(tb testing.TB, n *value.Atomic[int64], least int64) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), watchdog)
	defer cancel()
	if x, err := n.Wait(ctx, func(x int64) bool { return x >= least }); err != nil {
		tb.Fatalf("it is %d, and does not become %d: %v", x, least, err)
	}
}

type eventArgs struct {
	Event, Other *lock.Event
	Count        *value.Atomic[int64]
	Rounds       int
	Limit        time.Duration
}

var (
	// eventWaits waits Rounds times, and counts each.
	eventWaits = process.Func("lock-event-waits", func(ctx context.Context, a eventArgs) error {
		for range a.Rounds {
			if err := a.Event.Wait(ctx); err != nil {
				return err
			}
			a.Count.Add(1)
		}
		return nil
	})
	// eventTimesOut waits for Limit.
	eventTimesOut = process.Func("lock-event-times-out", func(ctx context.Context, a eventArgs) error {
		start := time.Now()
		short, cancel := context.WithTimeout(ctx, a.Limit)
		defer cancel()
		return isTimeout(a.Limit, start, a.Event.Wait(short))
	})
	eventSets = process.Func("lock-event-sets", func(_ context.Context, a eventArgs) error {
		for range a.Rounds {
			a.Event.Set()
		}
		return nil
	})
	// eventAnswers answers each Set of one event by one of the other.
	eventAnswers = process.Func("lock-event-answers", func(ctx context.Context, a eventArgs) error {
		return volley(ctx, a.Event, a.Other, a.Rounds)
	})
)

// isTimeout returns an error unless err is that of a wait from start for limit.
func isTimeout(limit time.Duration, start time.Time, err error) error {
	if took := time.Since(start); took < limit {
		return fmt.Errorf("ended after %v of %v: %w", took, limit, err)
	}
	if err != context.DeadlineExceeded { //nolint:errorlint // itself
		return fmt.Errorf("a wait that times out: %w", err)
	}
	return nil
}

func volley(ctx context.Context, in, out *lock.Event, rounds int) error {
	for range rounds {
		if err := in.Wait(ctx); err != nil {
			return err
		}
		in.Clear()
		out.Set()
	}
	return nil
}

// TestConformanceEvent has a subtest for each thing that users of events rely on.
func TestConformanceEvent(t *testing.T) {
	for name, f := range map[string]func(t *testing.T, seg *shm.Segment){
		"EVT-01": eventFirst, "EVT-02": eventTwice, "EVT-03": eventLevel, "EVT-04": eventTimeout,
		"REV-01": eventPingPong, "REV-02": eventManySetters, "RTF-01": eventNeverEarly, "RTF-03": eventTwoHandles,
	} {
		t.Run(name, func(t *testing.T) { f(t, shmtest.Segment(t, shm.Spec{})) })
	}
}

func waitFor(e *lock.Event, d time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return e.Wait(ctx)
}

func eventFirst(t *testing.T, seg *shm.Segment) {
	e := createEvent(t, seg, "e")
	if e.IsSet() {
		t.Error("set at first")
	}
	want(t, "Wait, past its time", waitFor(e, 0), context.DeadlineExceeded)
	start := time.Now()
	want(t, "Wait", isTimeout(20*time.Millisecond, start, waitFor(e, 20*time.Millisecond)), nil)
	e.Set()
	if !e.IsSet() {
		t.Error("not set after Set")
	}
	want(t, "Wait", e.Wait(t.Context()), nil)
	want(t, "Wait", waitFor(e, watchdog), nil)
	e.Clear()
	if e.IsSet() {
		t.Error("set after Clear")
	}
	child, err := eventSets.Start(t.Context(), eventArgs{Event: e, Rounds: 1})
	want(t, "Start", err, nil)
	want(t, "Wait for the child", e.Wait(t.Context()), nil)
	want(t, "the child", child.Wait(t.Context()), nil)
}

func eventTwice(t *testing.T, seg *shm.Segment) {
	e := createEvent(t, seg, "e")
	for range 2 {
		for range 2 {
			if e.Set(); !e.IsSet() {
				t.Error("not set after Set")
			}
		}
		for range 2 {
			if e.Clear(); e.IsSet() {
				t.Error("set after Clear")
			}
		}
	}
}

func eventLevel(t *testing.T, seg *shm.Segment) {
	e, n := createEvent(t, seg, "e"), createCount(t, seg, "n")
	const parties = 5
	var children []*process.Child
	for range parties {
		child, err := eventWaits.Start(t.Context(), eventArgs{Event: e, Count: n, Rounds: 2})
		want(t, "Start", err, nil)
		children = append(children, child)
	}
	until(t, "all wait", func() bool { return waiting(t, seg, parties) })
	if x := n.Load(); x != 0 {
		t.Errorf("%d have not waited", x)
	}
	e.Set()
	want(t, "children", process.Wait(t.Context(), children...), nil)
	if x := n.Load(); x != 2*parties {
		t.Errorf("%d waits have ended, want %d", x, 2*parties)
	}
}

func eventTimeout(t *testing.T, seg *shm.Segment) {
	e := createEvent(t, seg, "e")
	var children []*process.Child
	for range 5 {
		child, err := eventTimesOut.Start(t.Context(), eventArgs{Event: e, Limit: 100 * time.Millisecond})
		want(t, "Start", err, nil)
		children = append(children, child)
	}
	want(t, "children", process.Wait(t.Context(), children...), nil)
	if e.IsSet() {
		t.Error("set by a wait")
	}
}

func eventPingPong(t *testing.T, seg *shm.Segment) {
	defer withoutSlice()()
	ping, pong := createEvent(t, seg, "ping"), createEvent(t, seg, "pong")
	rounds := 10000
	if testing.Short() || race.Enabled {
		rounds = 500
	}
	child, err := eventAnswers.Start(t.Context(), eventArgs{Event: ping, Other: pong, Rounds: rounds})
	want(t, "Start", err, nil)
	ping.Set()
	want(t, "volley", volley(t.Context(), pong, ping, rounds), nil)
	want(t, "the child", child.Wait(t.Context()), nil)
}

// eventManySetters shows that there is a wake-up after the last of many Sets.
func eventManySetters(t *testing.T, seg *shm.Segment) {
	e := createEvent(t, seg, "e")
	for range 3 {
		e.Clear()
		woken := async(func() error { return e.Wait(t.Context()) })
		var children []*process.Child
		for range 4 {
			child, err := eventSets.Start(t.Context(), eventArgs{Event: e, Rounds: 1000})
			want(t, "Start", err, nil)
			children = append(children, child)
		}
		want(t, "Wait", await(t, "a waiter", woken), nil)
		want(t, "children", process.Wait(t.Context(), children...), nil)
		if !e.IsSet() {
			t.Error("not set")
		}
	}
}

func eventNeverEarly(t *testing.T, seg *shm.Segment) {
	e := createEvent(t, seg, "e")
	for range 20 {
		start := time.Now()
		want(t, "Wait", isTimeout(5*time.Millisecond, start, waitFor(e, 5*time.Millisecond)), nil)
	}
}

func eventTwoHandles(t *testing.T, seg *shm.Segment) {
	e := createEvent(t, seg, "e")
	other, err := lock.OpenEvent(t.Context(), seg, "e")
	want(t, "OpenEvent", err, nil)
	first, second := async(func() error { return e.Wait(t.Context()) }), async(func() error { return other.Wait(t.Context()) })
	e.Set()
	want(t, "first", await(t, "first", first), nil)
	want(t, "second", await(t, "second", second), nil)
	if !other.IsSet() {
		t.Error("the other handle does not see it")
	}
}

// TestEventSetterIsKilled kills processes that set an event, and others that wait
// for it, anywhere: who is left is woken.
func TestEventSetterIsKilled(t *testing.T) {
	rounds := 20
	if testing.Short() || race.Enabled {
		rounds = 3
	}
	seg := shmtest.Segment(t, shm.Spec{})
	e, n := createEvent(t, seg, "e"), createCount(t, seg, "n")
	for i := range rounds {
		e.Clear()
		mine := async(func() error { return e.Wait(t.Context()) })
		victim, err := eventWaits.Start(t.Context(), eventArgs{Event: e, Count: n, Rounds: 1})
		want(t, "Start", err, nil)
		setter, err := eventSets.Start(t.Context(), eventArgs{Event: e, Rounds: 1 << 30})
		want(t, "Start", err, nil)
		until(t, "it is set", e.IsSet)
		if i%2 == 0 {
			shmtest.Kill(t, victim)
		}
		shmtest.Kill(t, setter)
		want(t, "Wait", await(t, "who waits", mine), nil)
		shmtest.Kill(t, victim)
	}
}

func TestEventClosed(t *testing.T) {
	for name, seg := range map[string]*shm.Segment{"heap": heap(t), "named": shmtest.Segment(t, shm.Spec{})} {
		t.Run(name, func(t *testing.T) {
			e := createEvent(t, seg, "e")
			done := async(func() error { return e.Wait(context.Background()) })
			until(t, "it waits", func() bool { return waiting(t, seg, 1) })
			want(t, "Close", seg.Close(), nil)
			want(t, "Wait", await(t, "Wait", done), fs.ErrClosed)
		})
	}
}
