package event_test

import (
	"context"
	"io/fs"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/event"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/stage"
)

func TestFlag(t *testing.T) {
	w := newWorld()
	a, b, r := w.join(1), w.join(2), w.join(0)
	a.is(t, false)
	stage.Want(t, "Set", a.Set(), nil)
	stage.Want(t, "Set again", b.Set(), nil)
	for _, p := range []party{a, b, r} {
		p.is(t, true)
		stage.Want(t, "Wait", p.Wait(t.Context()), nil)
	}
	if s := w.Core.State(); s != "set" {
		t.Errorf("state %q", s)
	}
	stage.Want(t, "Clear", b.Clear(), nil)
	stage.Want(t, "Clear again", a.Clear(), nil)
	a.is(t, false)
	if s := w.Core.State(); s != "clear" {
		t.Errorf("state %q", s)
	}
	stage.Want(t, "Set read-only", r.Set(), fs.ErrPermission)
	stage.Want(t, "Clear read-only", r.Clear(), fs.ErrPermission)
	a.is(t, false)
	w.Check(t)
}

// TestSetWakesAll has goroutines of three participants wait.
func TestSetWakesAll(t *testing.T) {
	w := newWorld()
	setter := w.join(1)
	var waits []<-chan error
	for slot := uint32(2); slot <= 4; slot++ {
		p := w.join(slot)
		for range 3 {
			waits = append(waits, stage.Async(func() error { return p.Wait(t.Context()) }))
		}
		stage.Until(t, "it sleeps", p.Asleep)
	}
	stage.Want(t, "Set", setter.Set(), nil)
	for _, c := range waits {
		stage.Want(t, "Wait", stage.Await(t, "Wait", c), nil)
	}
}

// TestSetAndClear releases who waited before, and nobody after.
func TestSetAndClear(t *testing.T) {
	w := newWorld()
	setter, waiter, late := w.join(1), w.join(2), w.join(3)
	for range 200 {
		done := stage.Async(func() error { return waiter.Wait(t.Context()) })
		stage.Until(t, "it sleeps", waiter.Asleep)
		stage.Want(t, "Set", setter.Set(), nil)
		stage.Want(t, "Clear", setter.Clear(), nil)
		stage.Want(t, "Wait", stage.Await(t, "Wait", done), nil)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	stage.Want(t, "a later Wait", late.Wait(ctx), context.DeadlineExceeded)
}

func TestWaitEnds(t *testing.T) {
	w := newWorld()
	p, setter := w.join(1), w.join(2)
	ctx, cancel := context.WithCancel(t.Context())
	done := stage.Async(func() error { return p.Wait(ctx) })
	stage.Until(t, "it sleeps", p.Asleep)
	cancel()
	stage.Want(t, "Wait", stage.Await(t, "Wait", done), context.Canceled)
	stage.Want(t, "Set", setter.Set(), nil)
	stage.Want(t, "Wait with a context that is done", p.Wait(ctx), context.Canceled)
	stage.Want(t, "Clear", setter.Clear(), nil)
	done = stage.Async(func() error { return p.Wait(t.Context()) })
	stage.Until(t, "it sleeps", p.Asleep)
	w.Leave(p.Party)
	stage.Want(t, "Wait", stage.Await(t, "Wait", done), fs.ErrClosed)
	stage.Want(t, "Wait after it", p.Wait(t.Context()), fs.ErrClosed)
	stage.Want(t, "Set after it", p.Set(), fs.ErrClosed)
	stage.Want(t, "Clear after it", p.Clear(), fs.ErrClosed)
	_, err := p.IsSet()
	stage.Want(t, "IsSet after it", err, fs.ErrClosed)
	// Who only reads is not told, and looks.
	r := w.join(0)
	done = stage.Async(func() error { return r.Wait(t.Context()) })
	stage.Want(t, "Set", setter.Set(), nil)
	stage.Want(t, "Wait read-only", stage.Await(t, "Wait", done), nil)
}

func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	w := newWorld()
	p := w.join(1)
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() {
		_ = p.Set()
		_ = p.Wait(ctx)
		_, _ = p.IsSet()
		_ = p.Clear()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestPassesOn shows what a Set orders before a Wait, to the race detector too.
func TestPassesOn(t *testing.T) {
	w := newWorld()
	a, b := w.join(1), w.join(2)
	x := 0
	done := stage.Async(func() error {
		err := b.Wait(t.Context())
		if x != 7 {
			t.Errorf("it is %d", x)
		}
		return err
	})
	x = 7
	stage.Want(t, "Set", a.Set(), nil)
	stage.Want(t, "Wait", stage.Await(t, "Wait", done), nil)
}

func FuzzBytes(f *testing.F) {
	f.Add([]byte{1}, 0)
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 3}, 0)
	f.Add([]byte{2}, 1)
	f.Fuzz(func(t *testing.T, bytes []byte, where int) {
		stage.Hostile(t, event.Kind(), object.Shape{Slots: slots}, stage.Scribble{Bytes: bytes, Where: where & 15}, func(s *stage.Stage) {
			p := world{s}.join(2)
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Microsecond)
			defer cancel()
			_ = p.Wait(ctx)
			_ = p.Set()
			if err := p.Wait(context.Background()); err != nil {
				t.Error(err)
			}
			_ = p.Clear()
		})
	})
}
