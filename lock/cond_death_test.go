package lock_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

// TestCondWaiterIsKilled kills one of two that wait, before it is woken or just
// after: the other one must be woken.
func TestCondWaiterIsKilled(t *testing.T) {
	rounds := 20
	if testing.Short() || race.Enabled {
		rounds = 4
	}
	for i := range rounds {
		q := newQueueing(t)
		q.wait(1, 0)
		victim := q.children[0]
		behind := async(func() error {
			return q.Cond.Mutex().Do(t.Context(), func() error {
				return q.Cond.WaitFor(t.Context(), func() bool { q.Waiting.Add(1); return q.Phase.Load() > 0 })
			})
		})
		reaches(t, q.Waiting, 2)
		q.do(func() error {
			if i%2 == 0 {
				want(t, "Kill", victim.Kill(), nil)
			}
			q.Phase.Add(1)
			return q.Cond.Signal()
		})
		shmtest.Kill(t, victim)
		m := q.Cond.Mutex()
		if q.Woken.Load() != 0 { // it has used the signal up, and may have died holding the mutex
			if err := m.Do(t.Context(), q.Cond.Broadcast); err != nil {
				want(t, "Broadcast", err, lock.ErrPoisoned)
			}
		}
		if err := await(t, "the other one", behind); err != nil {
			want(t, "the other one", err, lock.ErrPoisoned)
			want(t, "Recover", m.Recover(t.Context(), func() error { return nil }), nil)
		}
	}
}

func TestCondBelongsToItsMutex(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	c := createCond(t, seg)
	if c.Mutex().Name() != "m" {
		t.Errorf("its mutex is %q", c.Mutex().Name())
	}
	other, err := lock.CreateMutex(t.Context(), seg, "other", lock.Spec{})
	want(t, "CreateMutex", err, nil)
	a, err := array.Create[int64](t.Context(), seg, "a", array.Spec{Len: 3})
	want(t, "array.Create", err, nil)
	for _, m := range []*lock.Mutex{other, a.Mutex()} {
		_, err = lock.OpenCond(t.Context(), m, "c")
		var e *shm.IncompatibleError
		if !errors.As(err, &e) || e.Field != "Mutex" || e.Have != "m" || e.Object != "c" {
			t.Errorf("OpenCond with another mutex: %v", err)
		}
		_, err = lock.OpenOrCreateCond(t.Context(), m, "c")
		want(t, "OpenOrCreateCond with another mutex", err, shm.ErrIncompatible)
	}
	_, err = lock.CreateCond(t.Context(), c.Mutex(), "c")
	want(t, "CreateCond again", err, fs.ErrExist)
	_, err = lock.OpenCond(t.Context(), c.Mutex(), "d")
	want(t, "OpenCond of nothing", err, fs.ErrNotExist)
	_, err = lock.CreateCond(t.Context(), new(lock.Mutex), "d")
	want(t, "CreateCond with a zero mutex", err, fs.ErrClosed)
	ofArray, err := lock.CreateCond(t.Context(), a.Mutex(), "of-array")
	want(t, "CreateCond", err, nil)
	for _, c := range []*lock.Cond{c, ofArray} {
		text, err := c.MarshalText()
		want(t, "MarshalText", err, nil)
		var same lock.Cond
		want(t, "UnmarshalText", same.UnmarshalText(text), nil)
		if same.Mutex().Name() != c.Mutex().Name() || same.Name() != c.Name() {
			t.Errorf("it is %q with %q", same.Name(), same.Mutex().Name())
		}
		want(t, "Lock", c.Mutex().Lock(t.Context()), nil)
		want(t, "Signal", same.Signal(), nil)
		want(t, "Unlock", same.Mutex().Unlock(), nil)
	}
}

func TestCondClosed(t *testing.T) {
	seg := heap(t)
	c := createCond(t, seg)
	done := async(func() error {
		return c.Mutex().Do(context.Background(), func() error { return c.Wait(context.Background()) })
	})
	until(t, "it waits", func() bool { return waiting(t, seg, 1) })
	want(t, "Close", seg.Close(), nil)
	want(t, "Wait", await(t, "Wait", done), fs.ErrClosed)
	for _, c := range []*lock.Cond{c, new(lock.Cond)} {
		for name, f := range map[string]func() error{
			"Wait":      func() error { return c.Wait(t.Context()) },
			"WaitFor":   func() error { return c.WaitFor(t.Context(), func() bool { return true }) },
			"Signal":    c.Signal,
			"SignalN":   func() error { return c.SignalN(1) },
			"Broadcast": c.Broadcast,
			"Marshal":   func() error { _, err := c.MarshalText(); return err },
		} {
			want(t, name, f(), fs.ErrClosed)
		}
	}
}

func TestCondReadOnly(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	createCond(t, seg)
	f, err := seg.File()
	want(t, "File", err, nil)
	defer f.Close()
	ro, err := shm.FromFile(t.Context(), f, &shm.Options{ReadOnly: true})
	want(t, "FromFile", err, nil)
	defer ro.Close()
	c, err := lock.OpenCond(t.Context(), open(t, ro), "c")
	want(t, "OpenCond", err, nil)
	want(t, "Wait", c.Wait(t.Context()), fs.ErrPermission)
	want(t, "Signal", c.Signal(), fs.ErrPermission)
	want(t, "Broadcast", c.Broadcast(), fs.ErrPermission)
	want(t, "SignalN below zero", c.SignalN(-1), fs.ErrInvalid)
	_, err = lock.CreateCond(t.Context(), open(t, ro), "d")
	want(t, "CreateCond", err, fs.ErrPermission)
	if s := fmt.Sprint(c.Name(), c.Segment() == ro); s != "ctrue" {
		t.Error(s)
	}
}
