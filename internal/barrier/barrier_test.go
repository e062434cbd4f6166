package barrier_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/barrier"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/stage"
)

func wait(ctx context.Context, p party) <-chan error {
	return stage.Async(func() error { _, err := p.Wait(ctx); return err })
}

// TestGenerations has goroutines of three participants go through many.
func TestGenerations(t *testing.T) {
	const parties, rounds = 6, 300
	w := newWorld(parties)
	var ranks [rounds][parties]int
	var done []<-chan error
	for i := range parties {
		p := w.join(uint32(1 + i/2))
		done = append(done, stage.Async(func() error {
			for round := range rounds {
				rank, err := p.Wait(t.Context())
				if err != nil {
					return err
				}
				ranks[round][rank]++ // a rank is one party's
			}
			return nil
		}))
	}
	for _, c := range done {
		stage.Want(t, "Wait", stage.Await(t, "a party", c), nil)
	}
	for round, r := range ranks {
		for rank, n := range r {
			if n != 1 {
				t.Errorf("round %d: %d parties of rank %d", round, n, rank)
			}
		}
	}
	w.Check(t)
}

// TestDeathsBreakTheirGeneration has participants die in different places.
func TestDeathsBreakTheirGeneration(t *testing.T) {
	w := newWorld(3)
	a, b, c := w.join(1), w.join(2), w.join(3)
	// One that waits.
	first := wait(t.Context(), a)
	stage.Until(t, "a waits", a.Asleep)
	left := wait(t.Context(), b)
	stage.Until(t, "b waits", b.Asleep)
	w.Die(2)
	stage.Want(t, "a", stage.Await(t, "a", first), barrier.ErrBroken)
	_, err := c.Wait(t.Context())
	stage.Want(t, "who comes", err, barrier.ErrBroken)
	if !c.broken() || c.waiting() != 0 || w.Core.State() != "broken" {
		t.Errorf("broken %v, %d waiting, %s", c.broken(), c.waiting(), w.Core.State())
	}
	stage.Want(t, "Reset", a.Reset(), nil)
	_ = stage.Await(t, "what is left of the dead one", left) // not to be in the way of another test
	// One that was let go, while the others wait again.
	others := []<-chan error{wait(t.Context(), a), wait(t.Context(), c), wait(t.Context(), w.join(4))}
	for _, o := range others {
		stage.Want(t, "all three", stage.Await(t, "a party", o), nil)
	}
	first, second := wait(t.Context(), a), wait(t.Context(), c)
	stage.Until(t, "two wait", func() bool { return a.waiting() == 2 })
	w.Die(4)
	if a.broken() || a.waiting() != 2 || w.Core.State() != "2 of 3 wait" {
		t.Errorf("broken %v, %d waiting: %s", a.broken(), a.waiting(), w.Core.State())
	}
	_, err = w.join(5).Wait(t.Context())
	stage.Want(t, "the third", err, nil)
	stage.Want(t, "first", stage.Await(t, "first", first), nil)
	stage.Want(t, "second", stage.Await(t, "second", second), nil)
	// One that never came.
	w.Die(6)
	if a.broken() {
		t.Error("broken by a stranger")
	}
	w.Check(t)
}

func TestGivingUp(t *testing.T) {
	w := newWorld(2)
	a, b := w.join(1), w.join(2)
	ctx, cancel := context.WithCancel(t.Context())
	done := wait(ctx, a)
	stage.Until(t, "a waits", a.Asleep)
	cancel()
	err := stage.Await(t, "a", done)
	stage.Want(t, "who gave up", err, context.Canceled)
	stage.Want(t, "who gave up", err, barrier.ErrBroken)
	_, err = b.Wait(t.Context())
	if !errors.Is(err, barrier.ErrBroken) || errors.Is(err, context.Canceled) {
		t.Errorf("the other one: %v", err)
	}
	stage.Want(t, "Reset", b.Reset(), nil)
	done = wait(t.Context(), b)
	stage.Until(t, "b waits", b.Asleep)
	w.Leave(b.Party)
	stage.Want(t, "who closed", stage.Await(t, "b", done), fs.ErrClosed)
	if !a.broken() {
		t.Error("not broken by a Close")
	}
	_, err = b.Wait(t.Context())
	stage.Want(t, "Wait after Close", err, fs.ErrClosed)
	stage.Want(t, "Abort after Close", b.Abort(), fs.ErrClosed)
	stage.Want(t, "Reset", a.Reset(), nil)
	_, err = a.Wait(ctx)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, barrier.ErrBroken) || !a.broken() {
		t.Errorf("a context that is done: %v, broken %v", err, a.broken())
	}
	r := w.join(0)
	_, err = r.Wait(t.Context())
	stage.Want(t, "Wait read-only", err, fs.ErrPermission)
	stage.Want(t, "Reset read-only", r.Reset(), fs.ErrPermission)
	if !r.broken() {
		t.Error("a reader does not see it")
	}
}

// TestManyErasLater has one party learn late that its generation was passed, or
// broken.
func TestManyErasLater(t *testing.T) {
	for _, eras := range []int{1, 3, 15} {
		w := newWorld(2)
		a, b := w.join(1), w.join(2)
		core := w.Core.(interface { //nolint:errcheck // its own kind
			Generation() uint64
			Arrive(slot uint32) (uint64, error)
			Outcome(g uint64) error
		})
		passed, err := core.Arrive(3)
		stage.Want(t, "Arrive", err, nil)
		_, err = a.Wait(t.Context())
		stage.Want(t, "the other party", err, nil)
		broken, err := core.Arrive(3)
		stage.Want(t, "Arrive", err, nil)
		for range eras {
			stage.Want(t, "Abort", b.Abort(), nil)
			stage.Want(t, "Reset", b.Reset(), nil)
			done := wait(t.Context(), b)
			_, err := a.Wait(t.Context())
			stage.Want(t, "a", err, nil)
			stage.Want(t, "b", stage.Await(t, "b", done), nil)
		}
		stage.Want(t, "the passed one", core.Outcome(passed), nil)
		stage.Want(t, "the broken one", core.Outcome(broken), barrier.ErrBroken)
	}
}

func FuzzBytes(f *testing.F) {
	f.Add([]byte{1}, 0, uint16(2))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 3}, 0, uint16(3))
	f.Add([]byte{1, 128, 1, 0, 7, 0, 0, 0}, 0, uint16(3))
	f.Add([]byte{255, 255, 255, 255}, 33, uint16(1))
	f.Fuzz(func(t *testing.T, bytes []byte, where int, parties uint16) {
		shape := object.Shape{Spec: object.Spec{uint64(parties)}, Slots: slots}
		stage.Hostile(t, barrier.Kind(), shape, stage.Scribble{Bytes: bytes, Where: where & 63}, func(s *stage.Stage) {
			p := world{s}.join(2)
			for range 3 {
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Microsecond)
				if rank, err := p.Wait(ctx); err == nil && rank >= int(parties) {
					t.Errorf("rank %d of %d", rank, parties)
				}
				cancel()
				if n := p.waiting(); n < 0 || n > int(parties) {
					t.Errorf("%d of %d wait", n, parties)
				}
				_ = p.Reset()
			}
			_ = p.Abort()
		})
	})
}
