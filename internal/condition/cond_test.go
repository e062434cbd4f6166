package condition_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/condition"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/stage"
)

// waits has p lock the mutex and wait, and returns when it does. What is returned
// has its error, and the mutex is unlocked then.
func (w world) waits(tb testing.TB, ctx context.Context, p party) <-chan error { //nolint:revive // the test comes first
	tb.Helper()
	before := w.Core.State()
	done := stage.Async(func() error {
		if err := p.m.Lock(ctx); err != nil {
			return err
		}
		err := p.wait(ctx)
		if p.m.Holding() == nil {
			return errors.Join(err, p.m.Unlock())
		}
		return err
	})
	stage.Until(tb, "it waits", func() bool { return w.Core.State() != before })
	return done
}

// count returns how many of the waits are over, once it is at least n.
func count(tb testing.TB, n int, waits []<-chan error) int {
	tb.Helper()
	over := 0
	stage.Until(tb, fmt.Sprint(n, " are woken"), func() bool {
		over = 0
		for _, c := range waits {
			over += len(c)
		}
		return over >= n
	})
	return over
}

// TestSignalWakesOne has goroutines of several participants, some of the same.
func TestSignalWakesOne(t *testing.T) {
	w := newWorld(robust.Poison)
	signaller := w.join(1)
	var all []<-chan error
	two, far := w.join(2), w.join(69)
	for _, p := range []party{two, two, far, signaller, far, two} {
		all = append(all, w.waits(t, t.Context(), p.sibling()))
	}
	if s := w.Core.State(); s != "6 wait" {
		t.Errorf("state %q", s)
	}
	for n := 1; n <= len(all); n++ {
		stage.Want(t, "Signal", signaller.do(func() error { return signaller.Signal(1) }), nil)
		if woken := count(t, n, all); woken != n {
			t.Fatalf("%d woken by %d signals", woken, n)
		}
	}
	for _, c := range all {
		stage.Want(t, "Wait", <-c, nil)
	}
	stage.Want(t, "Signal to nobody", signaller.do(func() error { return signaller.Signal(3) }), nil)
	if s := w.Core.State(); s != "nobody waits" {
		t.Errorf("state %q", s)
	}
	stage.Want(t, "Faults", w.Faults(), nil)
}

// TestSiblings has many goroutines of one participant wait, and be woken in the
// order in which they came, although some give up.
func TestSiblings(t *testing.T) {
	w := newWorld(robust.Poison)
	a, b := w.join(1), w.join(2)
	ctx, cancel := context.WithCancel(t.Context())
	var stay, leave []<-chan error
	for i := range 12 {
		if i%3 == 0 {
			leave = append(leave, w.waits(t, ctx, a.sibling()))
		} else {
			stay = append(stay, w.waits(t, t.Context(), a.sibling()))
		}
	}
	cancel()
	for _, c := range leave {
		stage.Want(t, "who gives up", stage.Await(t, "who gives up", c), context.Canceled)
	}
	for i, c := range stay[:5] {
		stage.Want(t, "Signal", b.do(func() error { return b.Signal(1) }), nil)
		stage.Want(t, fmt.Sprint("number ", i), stage.Await(t, "the next one", c), nil)
	}
	stage.Want(t, "Broadcast", b.do(b.Broadcast), nil)
	for _, c := range stay[5:] {
		stage.Want(t, "Wait", stage.Await(t, "the rest", c), nil)
	}
	stage.Want(t, "Faults", w.Faults(), nil)
}

func TestBroadcast(t *testing.T) {
	w := newWorld(robust.Poison)
	a := w.join(1)
	parties := []party{a, w.join(2), w.join(3), w.join(4)}
	for range 20 {
		var all []<-chan error
		for i := range 2 * len(parties) {
			all = append(all, w.waits(t, t.Context(), parties[i/2]))
		}
		stage.Want(t, "Broadcast", a.do(a.Broadcast), nil)
		for _, c := range all {
			stage.Want(t, "Wait", stage.Await(t, "one of all", c), nil)
		}
	}
	stage.Want(t, "Faults", w.Faults(), nil)
}

func TestNotHeld(t *testing.T) {
	w := newWorld(robust.Poison)
	a, b, r := w.join(1), w.join(2), w.join(0)
	stage.Want(t, "Lock", b.m.Lock(t.Context()), nil)
	stage.Want(t, "Wait", a.wait(t.Context()), robust.ErrNotOwner)
	stage.Want(t, "Signal", a.Signal(1), robust.ErrNotOwner)
	stage.Want(t, "Broadcast", a.Broadcast(), robust.ErrNotOwner)
	stage.Want(t, "Wait read-only", r.wait(t.Context()), fs.ErrPermission)
	stage.Want(t, "Signal read-only", r.Signal(1), fs.ErrPermission)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stage.Want(t, "Wait with a context that is done", b.wait(ctx), context.Canceled)
	stage.Want(t, "it is held", b.m.Holding(), nil)
	stage.Want(t, "Unlock", b.m.Unlock(), nil)
	stage.Want(t, "Faults", w.Faults(), nil)
}

// TestOwnerDies ends the waits of all when one dies with the mutex.
func TestOwnerDies(t *testing.T) {
	for policy, want := range map[robust.Policy]error{robust.Poison: robust.ErrPoisoned, robust.Release: nil} {
		t.Run(policy.String(), func(t *testing.T) {
			w := newWorld(policy)
			three := w.join(3)
			all := []<-chan error{
				w.waits(t, t.Context(), w.join(1)), w.waits(t, t.Context(), three), w.waits(t, t.Context(), three),
			}
			victim := w.join(2)
			stage.Want(t, "Lock", victim.m.Lock(t.Context()), nil)
			w.Bury([]uint32{2})
			for _, c := range all {
				stage.Want(t, "Wait", stage.Await(t, "who waits", c), want)
			}
			stage.Want(t, "Faults", w.Faults(), nil)
		})
	}
}

// TestStrangerDies wakes nobody.
func TestStrangerDies(t *testing.T) {
	w := newWorld(robust.Poison)
	a, b := w.join(1), w.join(2)
	done := w.waits(t, t.Context(), a)
	stage.Until(t, "it sleeps", a.Asleep)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	waited := w.waits(t, ctx, w.join(4))
	w.Bury([]uint32{3, 4})
	stage.Until(t, "it sleeps again", a.Asleep)
	if len(done) != 0 || len(waited) != 0 || w.Core.State() != "1 wait" {
		t.Errorf("woken by a stranger's death: %s", w.Core.State())
	}
	stage.Want(t, "Signal", b.do(func() error { return b.Signal(1) }), nil)
	stage.Want(t, "Wait", stage.Await(t, "who waits", done), nil)
	stage.Want(t, "Faults", w.Faults(), nil)
	cancel()
	_ = stage.Await(t, "what is left of the dead one", waited) // not to be in the way of another test
}

// TestSignalOfTheDead goes to another one.
func TestSignalOfTheDead(t *testing.T) {
	w := newWorld(robust.Poison)
	a, b := w.join(1), w.join(2)
	first := w.waits(t, t.Context(), b) // cannot come back while a holds the mutex
	stage.Want(t, "Lock", a.m.Lock(t.Context()), nil)
	stage.Want(t, "Signal", a.Signal(1), nil)
	stage.Want(t, "Unlock", a.m.Unlock(), nil)
	stage.Until(t, "it is used up", func() bool { return w.Core.State() == "nobody waits" })
	stage.Want(t, "Wait", stage.Await(t, "who was signalled", first), nil)
	done := w.waits(t, t.Context(), w.join(3))
	core := w.Core.(interface { //nolint:errcheck // its own kind
		Enter(slot uint32)
		Signal() bool
	})
	core.Enter(4) // a goroutine that does nothing more
	if !core.Signal() {
		t.Fatal("nobody waits")
	}
	w.Bury([]uint32{4})
	if len(done) == 0 { // the signal was the dead one's
		stage.Want(t, "Wait", stage.Await(t, "who waits", done), nil)
	}
	stage.Want(t, "Faults", w.Faults(), nil)
}

// TestClose ends the waits of who closes, and passes on its signals.
func TestClose(t *testing.T) {
	w := newWorld(robust.Poison)
	a, b := w.join(1), w.join(2)
	for range 20 {
		c := w.join(3)
		leaving := w.waits(t, t.Context(), c)
		staying := w.waits(t, t.Context(), b)
		stage.Want(t, "Lock", a.m.Lock(t.Context()), nil)
		stage.Want(t, "Signal", a.Signal(1), nil)
		w.Leave(c.Party)
		w.lock.Core.Leave(3)
		stage.Want(t, "Unlock", a.m.Unlock(), nil)
		if err := stage.Await(t, "who closes", leaving); err != nil {
			stage.Want(t, "who closes", err, fs.ErrClosed)
			select {
			case err := <-staying:
				stage.Want(t, "who stays", err, nil)
				continue
			case <-time.After(0):
			}
		}
		stage.Want(t, "Broadcast", a.do(a.Broadcast), nil)
		stage.Want(t, "who stays", stage.Await(t, "who stays", staying), nil)
		if w.lock.Core.State() == "poisoned" {
			stage.Want(t, "Recover", a.m.Recover(t.Context(), func() error { return nil }), nil)
		}
	}
	stage.Until(t, "nothing is left", func() bool { return w.Core.State() == "nobody waits" })
	stage.Want(t, "Faults", w.Faults(), nil)
}

func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	w := newWorld(robust.Poison)
	p := w.join(1)
	lock := func() error { return p.m.Lock(context.Background()) }
	ctx, cancel := context.WithCancel(t.Context())
	stage.Want(t, "Lock", lock(), nil)
	other := stage.Async(func() error {
		q := w.join(2)
		for ctx.Err() == nil {
			_ = q.do(q.Broadcast)
		}
		return nil
	})
	_ = p.Wait(t.Context(), lock)
	if n := testing.AllocsPerRun(100, func() {
		if err := p.Wait(t.Context(), lock); err != nil {
			t.Error(err)
		}
	}); n > 0.5 { // the other goroutine's too
		t.Errorf("%v allocations", n)
	}
	stage.Want(t, "Unlock", p.m.Unlock(), nil)
	cancel()
	stage.Want(t, "the other one", stage.Await(t, "the other one", other), nil) // before another test begins
}

func FuzzBytes(f *testing.F) {
	f.Add([]byte{1}, 0)
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}, 16)
	f.Add([]byte{0, 0, 0, 0, 255, 255, 0, 0, 3}, 48)
	f.Add([]byte{1, 0, 0, 0, 1, 0, 0, 0, 3}, 40)
	f.Fuzz(func(t *testing.T, bytes []byte, where int) {
		shape := object.Shape{Slots: 6}
		stage.Hostile(t, condition.Kind(), shape, stage.Scribble{Bytes: bytes, Where: where & 127}, func(s *stage.Stage) {
			lock, err := stage.Build(robust.Kind(), object.Spec{uint64(robust.Poison)}, 6)
			stage.Want(t, "Build", err, nil)
			p := world{s, lock}.join(2)
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Microsecond)
			defer cancel()
			stage.Want(t, "Lock", p.m.Lock(t.Context()), nil)
			if err := p.wait(ctx); err != nil {
				stage.Want(t, "Wait", err, context.DeadlineExceeded)
			}
			_, _ = p.Signal(5), p.Broadcast()
			stage.Want(t, "Unlock", p.m.Unlock(), nil)
		})
	})
}
