package rw_test

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/rw"
	"github.com/shoal-ipc/shoal/internal/stage"
)

func nothing() error { return nil }

func TestReadersAndWriters(t *testing.T) {
	w := newWorld(robust.Poison)
	a, b, c := w.join(1), w.join(2), w.join(69)
	for _, p := range []party{a, b, b, c} {
		stage.Want(t, "RLock", p.rlock(t.Context()), nil)
	}
	if held := w.Held("read lock"); held[1] != 1 || held[2] != 2 || held[69] != 1 || w.Core.State() != "4 readers" {
		t.Errorf("readers %v: %s", held, w.Core.State())
	}
	stage.Want(t, "TryLock", a.tryLock(), robust.ErrLocked)
	stage.Want(t, "TryRLock", a.tryRLock(), nil)
	stage.Want(t, "Unlock", a.core.Unlock(), robust.ErrNotOwner)
	for _, p := range []party{a, a, b, b, c} {
		stage.Want(t, "RUnlock", p.core.RUnlock(), nil)
	}
	stage.Want(t, "RUnlock of nothing", b.core.RUnlock(), robust.ErrNotOwner)
	stage.Want(t, "Lock", b.lock(t.Context()), nil)
	for _, p := range []party{a, b} {
		stage.Want(t, "TryLock", p.tryLock(), robust.ErrLocked)
		stage.Want(t, "TryRLock", p.tryRLock(), robust.ErrLocked)
	}
	stage.Want(t, "Unlock", a.core.Unlock(), robust.ErrNotOwner)
	stage.Want(t, "RUnlock", b.core.RUnlock(), robust.ErrNotOwner)
	if held := w.Held("lock"); held[2] != 1 || w.Core.State() != "locked by 2" {
		t.Errorf("writers %v: %s", held, w.Core.State())
	}
	stage.Want(t, "Unlock", b.core.Unlock(), nil)
	stage.Want(t, "TryLock", a.tryLock(), nil)
	stage.Want(t, "Unlock", a.core.Unlock(), nil)
	if w.Core.State() != "free" {
		t.Errorf("state %s", w.Core.State())
	}
	r := w.join(0)
	stage.Want(t, "Lock read-only", r.lock(t.Context()), fs.ErrPermission)
	stage.Want(t, "RLock read-only", r.rlock(t.Context()), fs.ErrPermission)
	w.Check(t)
}

// TestReadersWaitBehindAWriter that waits.
func TestReadersWaitBehindAWriter(t *testing.T) {
	w := newWorld(robust.Poison)
	a, b, c := w.join(1), w.join(2), w.join(3)
	stage.Want(t, "RLock", a.rlock(t.Context()), nil)
	writer := stage.Async(func() error { return b.lock(t.Context()) })
	stage.Until(t, "the writer waits", b.Asleep)
	stage.Want(t, "TryRLock", c.tryRLock(), robust.ErrLocked)
	stage.Want(t, "Unlock by another goroutine", b.core.Unlock(), robust.ErrNotOwner)
	reader := stage.Async(func() error { return c.rlock(t.Context()) })
	stage.Until(t, "the reader waits", c.Asleep)
	stage.Want(t, "RUnlock", a.core.RUnlock(), nil)
	stage.Want(t, "the writer", stage.Await(t, "the writer", writer), nil)
	if len(reader) != 0 {
		t.Error("the reader got in beside the writer")
	}
	stage.Want(t, "Unlock", b.core.Unlock(), nil)
	stage.Want(t, "the reader", stage.Await(t, "the reader", reader), nil)
	stage.Want(t, "RUnlock", c.core.RUnlock(), nil)
	// A writer that gives up lets readers in again.
	stage.Want(t, "RLock", a.rlock(t.Context()), nil)
	ctx, cancel := context.WithCancel(t.Context())
	writer = stage.Async(func() error { return b.lock(ctx) })
	stage.Until(t, "the writer waits", b.Asleep)
	reader = stage.Async(func() error { return c.rlock(t.Context()) })
	stage.Until(t, "the reader waits", c.Asleep)
	cancel()
	stage.Want(t, "the writer", stage.Await(t, "the writer", writer), context.Canceled)
	stage.Want(t, "the reader", stage.Await(t, "the reader", reader), nil)
	stage.Want(t, "Lock, done", b.lock(ctx), context.Canceled)
	stage.Want(t, "RLock, done", b.rlock(ctx), context.Canceled)
	w.Check(t)
}

func TestDeaths(t *testing.T) {
	for policy, met := range map[robust.Policy]error{robust.Poison: robust.ErrPoisoned, robust.Release: nil} {
		t.Run(policy.String(), func(t *testing.T) {
			w := newWorld(policy)
			a, b := w.join(1), w.join(2)
			// Of a reader, for whom a writer waits.
			stage.Want(t, "RLock", b.rlock(t.Context()), nil)
			writer := stage.Async(func() error { return a.lock(t.Context()) })
			stage.Until(t, "the writer waits", a.Asleep)
			w.Die(2)
			stage.Want(t, "Lock", stage.Await(t, "the writer", writer), nil)
			stage.Want(t, "Unlock", a.core.Unlock(), nil)
			// Of a writer that waits for a reader.
			stage.Want(t, "RLock", a.rlock(t.Context()), nil)
			c := w.join(3)
			ctx, cancel := context.WithCancel(t.Context())
			left := stage.Async(func() error { return c.lock(ctx) })
			stage.Until(t, "the writer waits", c.Asleep)
			w.Die(3)
			defer func() { // it must not be in the way of another test
				cancel()
				_ = stage.Await(t, "what is left of the dead one", left)
			}()
			stage.Want(t, "TryRLock", a.tryRLock(), nil)
			stage.Want(t, "RUnlock", a.core.RUnlock(), nil)
			stage.Want(t, "RUnlock", a.core.RUnlock(), nil)
			// Of a writer inside, for whom both wait.
			d, e := w.join(4), w.join(5)
			stage.Want(t, "Lock", d.lock(t.Context()), nil)
			reader := stage.Async(func() error { return a.rlock(t.Context()) })
			stage.Until(t, "the reader waits", a.Asleep)
			writer = stage.Async(func() error { return e.lock(t.Context()) })
			stage.Until(t, "the writer waits", e.Asleep)
			w.Die(4)
			if met == nil { // in whatever order
				select {
				case err := <-reader:
					stage.Want(t, "the reader", err, nil)
					stage.Want(t, "RUnlock", a.core.RUnlock(), nil)
					stage.Want(t, "the writer", stage.Await(t, "the writer", writer), nil)
					stage.Want(t, "Unlock", e.core.Unlock(), nil)
				case err := <-writer:
					stage.Want(t, "the writer", err, nil)
					stage.Want(t, "Unlock", e.core.Unlock(), nil)
					stage.Want(t, "the reader", stage.Await(t, "the reader", reader), nil)
					stage.Want(t, "RUnlock", a.core.RUnlock(), nil)
				}
				w.Check(t)
				return
			}
			stage.Want(t, "the reader", stage.Await(t, "the reader", reader), met)
			stage.Want(t, "the writer", stage.Await(t, "the writer", writer), met)
			stage.Want(t, "TryRLock", a.tryRLock(), met)
			stage.Want(t, "TryLock", a.tryLock(), met)
			if w.Core.State() != "poisoned" {
				t.Errorf("state %s", w.Core.State())
			}
			failed := errors.New("planted")
			stage.Want(t, "Recover", a.core.Recover(t.Context(), func() error { return failed }), failed)
			stage.Want(t, "RLock", a.rlock(t.Context()), met)
			stage.Want(t, "Recover", a.core.Recover(t.Context(), nothing), nil)
			stage.Want(t, "RLock", a.rlock(t.Context()), nil)
			stage.Want(t, "RUnlock", a.core.RUnlock(), nil)
			w.Check(t)
		})
	}
}

func TestClose(t *testing.T) {
	w := newWorld(robust.Poison)
	a, b, c := w.join(1), w.join(2), w.join(3)
	stage.Want(t, "RLock", a.rlock(t.Context()), nil)
	writer := stage.Async(func() error { return b.lock(t.Context()) })
	stage.Until(t, "the writer waits", b.Asleep)
	w.Leave(b.Party) // while it waits: nothing is poisoned
	stage.Want(t, "the writer", stage.Await(t, "the writer", writer), fs.ErrClosed)
	stage.Want(t, "TryRLock", c.tryRLock(), nil)
	stage.Want(t, "RUnlock", c.core.RUnlock(), nil)
	writer = stage.Async(func() error { return c.lock(t.Context()) })
	stage.Until(t, "the writer waits", c.Asleep)
	w.Leave(a.Party) // which reads
	stage.Want(t, "the writer", stage.Await(t, "the writer", writer), nil)
	stage.Want(t, "RUnlock, closed", a.core.RUnlock(), fs.ErrClosed)
	w.Leave(c.Party) // which writes
	d := w.join(4)
	stage.Want(t, "RLock", d.rlock(t.Context()), robust.ErrPoisoned)
	stage.Want(t, "Recover", d.core.Recover(t.Context(), nothing), nil)
	stage.Want(t, "Lock", d.lock(t.Context()), nil)
	stage.Want(t, "Unlock", d.core.Unlock(), nil)
	w.Check(t)
}

// TestSum has readers see what writers leave, also to the race detector.
func TestSum(t *testing.T) {
	w := newWorld(robust.Poison)
	rounds := 2000
	if testing.Short() || race.Enabled {
		rounds = 200
	}
	var x, y int
	var wg sync.WaitGroup
	for slot := range uint32(4) {
		p := w.join(slot + 1)
		for range 2 {
			wg.Go(func() {
				for i := range rounds {
					if i%4 == 0 {
						stage.Want(t, "Lock", p.lock(t.Context()), nil)
						x++
						y--
						stage.Want(t, "Unlock", p.core.Unlock(), nil)
						continue
					}
					stage.Want(t, "RLock", p.rlock(t.Context()), nil)
					if x+y != 0 {
						t.Errorf("a reader sees %d and %d", x, y)
					}
					stage.Want(t, "RUnlock", p.core.RUnlock(), nil)
				}
			})
		}
	}
	wg.Wait()
	if x != 8*rounds/4 {
		t.Errorf("%d writes of %d", x, 8*rounds/4)
	}
	w.Check(t)
}

func FuzzBytes(f *testing.F) {
	f.Add([]byte{1}, 0, byte(1))
	f.Add([]byte{3, 48, 0, 0}, 0, byte(1))
	f.Add([]byte{3, 48, 0, 32, 1, 0, 0, 0, 255, 255}, 0, byte(2))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255}, 16, byte(1))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255}, 40, byte(1))
	f.Fuzz(func(t *testing.T, bytes []byte, where int, policy byte) {
		shape := object.Shape{Spec: object.Spec{uint64(policy)}, Slots: 6}
		stage.Hostile(t, rw.Kind(), shape, stage.Scribble{Bytes: bytes, Where: where & 127}, func(s *stage.Stage) {
			p := world{s}.join(2)
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Microsecond)
			defer cancel()
			if p.lock(ctx) == nil {
				_ = p.core.Unlock()
			}
			if p.rlock(ctx) == nil {
				_ = p.core.RUnlock()
			}
			_, _ = p.tryLock(), p.tryRLock()
			_, _, _ = p.core.Unlock(), p.core.RUnlock(), p.core.Recover(ctx, nothing)
		})
	})
}
