package lock_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

// TestConformanceMutex has a subtest for each thing that users of locks rely on
// and that no other test here shows. Those that bear an id in their comment show
// the rest.
func TestConformanceMutex(t *testing.T) {
	for name, f := range map[string]func(t *testing.T){
		"LCK-05": childTries, "LCK-07": timeIsUp, "LCK-08": afterATimeout, "ROM-01": threeWaysToMeetADeath,
		"RTF-01": lockNeverEarly, "RTF-02": slowOneGetsIn,
	} {
		t.Run(name, f)
	}
}

func shared(t *testing.T, spec lock.Spec) *lock.Mutex {
	t.Helper()
	return create(t, shmtest.Segment(t, shm.Spec{}), spec)
}

// tries finds the mutex locked, whatever it does.
var tries = process.Func("lock-tries", func(ctx context.Context, a args) error {
	m := a.Mutexes[0]
	if err := m.TryLock(); !errors.Is(err, lock.ErrLocked) {
		return fmt.Errorf("TryLock: %w", err)
	}
	if err := m.Unlock(); !errors.Is(err, lock.ErrNotOwner) {
		return fmt.Errorf("Unlock: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if err := m.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("Lock: %w", err)
	}
	return nil
})

func childTries(t *testing.T) {
	m := shared(t, lock.Spec{})
	want(t, "Lock", m.Lock(t.Context()), nil)
	want(t, "a child", tries.Run(t.Context(), args{Mutexes: []*lock.Mutex{m}}), nil)
	want(t, "TryLock", m.TryLock(), lock.ErrLocked)
	want(t, "Unlock", m.Unlock(), nil)
}

// lockWithin locks with a deadline.
func lockWithin(t *testing.T, d time.Duration, lock func(ctx context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return lock(ctx)
}

// A context that is done is an error, whether or not the mutex is free, and
// leaves no trace.
func timeIsUp(t *testing.T) {
	m := shared(t, lock.Spec{})
	for _, held := range []bool{false, true} {
		if held {
			want(t, "Lock", m.Lock(t.Context()), nil)
		}
		for _, d := range []time.Duration{0, -time.Second} {
			want(t, "Lock", lockWithin(t, d, m.Lock), context.DeadlineExceeded)
		}
		if _, is := m.Holder(); is != held {
			t.Errorf("held is %v, want %v", is, held)
		}
	}
	want(t, "Unlock", m.Unlock(), nil)
	want(t, "TryLock", m.TryLock(), nil)
	want(t, "Unlock", m.Unlock(), nil)
}

// Who gave up waiting has left nothing behind. The owner lives, so it is a
// timeout and no death.
//
// Conformance: ROM-05.
func afterATimeout(t *testing.T) {
	m := shared(t, lock.Spec{})
	child, out := start(t, holds, args{Mutexes: []*lock.Mutex{m}})
	line(t, out)
	want(t, "Lock", lockWithin(t, 10*time.Millisecond, m.Lock), context.DeadlineExceeded)
	list, err := m.Segment().Holds()
	want(t, "Holds", err, nil)
	if len(list) != 1 || list[0].Waiting || list[0].Participant.PID != child.PID() {
		t.Errorf("holds and waits: %v", list)
	}
	shmtest.Kill(t, child)
	want(t, "TryLock", m.TryLock(), lock.ErrPoisoned)
	want(t, "Recover", m.Recover(t.Context(), func() error { return nil }), nil)
	want(t, "TryLock", m.TryLock(), nil)
	want(t, "Unlock", m.Unlock(), nil)
}

// Each way to lock meets the death of the owner, without holding the mutex, and
// works again after it was recovered.
func threeWaysToMeetADeath(t *testing.T) {
	m := shared(t, lock.Spec{})
	for name, way := range map[string]func() error{
		"Lock":               func() error { return m.Lock(t.Context()) },
		"TryLock":            m.TryLock,
		"Lock in a deadline": func() error { return lockWithin(t, watchdog, m.Lock) },
	} {
		child, out := start(t, holds, args{Mutexes: []*lock.Mutex{m}})
		line(t, out)
		shmtest.Kill(t, child)
		want(t, name, way(), lock.ErrPoisoned)
		want(t, "Unlock", m.Unlock(), lock.ErrNotOwner)
		recovered := 0
		want(t, "Recover", m.Recover(t.Context(), func() error { recovered++; return nil }), nil)
		want(t, "Recover", m.Recover(t.Context(), func() error { recovered++; return nil }), nil)
		if recovered != 1 {
			t.Errorf("%s: recovered %d times", name, recovered)
		}
		want(t, name, way(), nil)
		want(t, "Unlock", m.Unlock(), nil)
	}
}

func lockNeverEarly(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	m, rw := create(t, seg, lock.Spec{}), createRW(t, seg, lock.Spec{})
	want(t, "Lock", m.Lock(t.Context()), nil)
	want(t, "Lock", rw.Lock(t.Context()), nil)
	for range 40 {
		const d = 3 * time.Millisecond
		for name, wait := range map[string]func(ctx context.Context) error{
			"Mutex.Lock": m.Lock, "RWMutex.Lock": rw.Lock, "RWMutex.RLock": rw.RLock,
		} {
			start := time.Now()
			want(t, name, isTimeout(d, start, lockWithin(t, d, wait)), nil)
		}
	}
	want(t, "Unlock", m.Unlock(), nil)
	want(t, "Unlock", rw.Unlock(), nil)
}

// Three processes lock without a pause; a slow one gets in among them.
func slowOneGetsIn(t *testing.T) {
	m := shared(t, lock.Spec{OnDeath: lock.Release})
	var children []*process.Child
	for range 3 {
		child, out := start(t, hammers, args{Mutexes: []*lock.Mutex{m}})
		line(t, out)
		children = append(children, child)
	}
	for range 10 {
		want(t, "Lock", lockWithin(t, watchdog, m.Lock), nil)
		want(t, "Unlock", m.Unlock(), nil)
		<-time.After(time.Millisecond) // it is slow
	}
	for _, child := range children {
		want(t, "Stop", child.Stop(), nil)
	}
	want(t, "children", process.Wait(t.Context(), children...), nil)
}
