package table_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/stage"
	"github.com/shoal-ipc/shoal/internal/table"
)

func TestNumbers(t *testing.T) {
	w := newWorld(3, robust.Poison)
	a, b := w.join(1), w.join(2)
	for want := range 3 {
		i, err := a.Alloc()
		stage.Want(t, "Alloc", err, nil)
		if i != want {
			t.Errorf("number %d, want %d", i, want)
		}
	}
	for _, p := range []party{a, b} {
		_, err := p.Alloc()
		stage.Want(t, "Alloc of a full table", err, table.ErrFull)
		stage.Want(t, "AllocAt", p.AllocAt(1), fs.ErrExist)
	}
	stage.Want(t, "Free", b.Free(0), nil)
	stage.Want(t, "Free again", a.Free(0), fs.ErrNotExist)
	stage.Want(t, "Free", b.Free(1), nil)
	if got := a.taken(); !slices.Equal(got, []int{2}) || w.Core.State() != "1 of 3 taken" {
		t.Errorf("taken %v: %s", got, w.Core.State())
	}
	stage.Want(t, "AllocAt", a.AllocAt(1), nil)
	if i, err := a.Alloc(); i != 0 || err != nil {
		t.Errorf("Alloc: %d, %v, want the only free one", i, err)
	}
	r := w.join(0)
	_, err := r.Alloc()
	stage.Want(t, "Alloc read-only", err, fs.ErrPermission)
	stage.Want(t, "AllocAt read-only", r.AllocAt(0), fs.ErrPermission)
	stage.Want(t, "Free read-only", r.Free(0), fs.ErrPermission)
	stage.Want(t, "Lock read-only", lock(r.at(0)), fs.ErrPermission)
	if got := r.taken(); !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("taken %v", got)
	}
	w.Check(t)
}

func TestNumbersAreUsedAgainLate(t *testing.T) {
	p := newWorld(4, robust.Poison).join(1)
	var got []int
	for range 6 {
		i, err := p.Alloc()
		stage.Want(t, "Alloc", err, nil)
		stage.Want(t, "Free", p.Free(i), nil)
		got = append(got, i)
	}
	if !slices.Equal(got, []int{0, 1, 2, 3, 0, 1}) {
		t.Errorf("numbers %v", got)
	}
}

// A handle is of one allotment, for all that can be done with it.
func TestHandles(t *testing.T) {
	w := newWorld(2, robust.Poison)
	p, q := w.join(1), w.join(2)
	never := p.at(1)
	mustAlloc(t, p, 1)
	old := p.at(1)
	stage.Want(t, "Lock", lock(old), nil)
	stage.Want(t, "Free while it is held", q.Free(1), robust.ErrLocked)
	stage.Want(t, "TryLock of the other", q.at(1).TryLock(), robust.ErrLocked)
	stage.Want(t, "Unlock of the other", q.at(1).Unlock(), robust.ErrNotOwner)
	if held := w.Held("lock"); held[1] != 1 || w.Core.State() != "1 of 2 taken, 1 locked" {
		t.Errorf("held %v: %s", held, w.Core.State())
	}
	stage.Want(t, "Unlock", p.at(1).Unlock(), nil)
	stage.Want(t, "Free", q.Free(1), nil)
	nothing := func() error { t.Error("repairs"); return nil }
	gone := func(what string, m *robust.Mutex) {
		t.Helper()
		for call, err := range map[string]error{
			"Lock": lock(m), "TryLock": m.TryLock(), "Unlock": m.Unlock(), "Holding": m.Holding(),
			"Recover": m.Recover(t.Context(), nothing), "LockRepaired": m.LockRepaired(t.Context(), nothing),
			"TryLockRepaired": m.TryLockRepaired(nothing),
		} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s of %s: %v", call, what, err)
			}
		}
		if slot, _, _ := m.Holder(); slot != 0 {
			t.Errorf("%s is held by %d", what, slot)
		}
	}
	gone("a freed one", old)
	gone("one that was not taken", never)
	mustAlloc(t, q, 1)
	gone("a freed one", old)
	gone("one that was not taken", never)
	stage.Want(t, "Lock", lock(q.at(1)), nil)
	gone("a freed one", old)
	stage.Want(t, "Unlock", q.at(1).Unlock(), nil)
	w.Check(t)
}

// A handle does not come to life again when the turns in the word have come round.
func TestTurnsComeRound(t *testing.T) {
	w := newWorld(1, robust.Release)
	p := w.join(1)
	mustAlloc(t, p, 0)
	first := p.at(0)
	before, err := p.Allotment(0)
	stage.Want(t, "Allotment", err, nil)
	handles := []*robust.Mutex{first}
	for n := 1; n <= 2<<15; n++ {
		stage.Want(t, "Free", p.Free(0), nil)
		if a, err := p.Allotment(0); a != before+1 || err != nil {
			t.Fatalf("after %d: allotment %d, %v, want %d", n, a, err, before+1)
		}
		mustAlloc(t, p, 0)
		a, err := p.Allotment(0)
		if a != before+2 || err != nil {
			t.Fatalf("after %d: allotment %d, %v, want %d", n, a, err, before+2)
		}
		before = a
		if n%(1<<12) == 0 {
			w.Check(t)
			for k, m := range handles {
				stage.Want(t, "Lock of an old one", lock(m), fs.ErrNotExist)
				if m.TryLock() == nil || m.Unlock() == nil {
					t.Fatalf("handle %d lives after %d", k, n)
				}
			}
			handles = append(handles, p.at(0))
			stage.Want(t, "Lock", lock(p.at(0)), nil)
			stage.Want(t, "Unlock", p.at(0).Unlock(), nil)
		}
	}
}

// Free wakes those that wait, also those behind another goroutine of their process.
func TestWaitersOfAFreedOne(t *testing.T) {
	w := newWorld(1, robust.Poison)
	p, q := w.join(1), w.join(2)
	mustAlloc(t, p, 0)
	holder := p.at(0)
	stage.Want(t, "Lock", lock(holder), nil)
	var waits []<-chan error
	for range 3 {
		m := q.at(0)
		waits = append(waits, stage.Async(func() error {
			if err := lock(m); err != nil {
				return err
			}
			return m.Unlock()
		}))
	}
	stage.Until(t, "they wait", q.Asleep)
	stage.Want(t, "Unlock", holder.Unlock(), nil)
	stage.Until(t, "Free", func() bool { // one of them may have it
		err := p.Free(0)
		if err != nil {
			stage.Want(t, "Free", err, robust.ErrLocked)
		}
		return err == nil
	})
	for _, c := range waits {
		if err := stage.Await(t, "a waiter", c); err != nil {
			stage.Want(t, "a waiter", err, fs.ErrNotExist)
		}
	}
	stage.Want(t, "Lock", lock(q.at(0)), fs.ErrNotExist)
	w.Check(t)
}

func TestDeaths(t *testing.T) {
	for policy, met := range map[robust.Policy]error{robust.Poison: robust.ErrPoisoned, robust.Release: nil} {
		t.Run(policy.String(), func(t *testing.T) {
			w := newWorld(3, policy)
			a, b := w.join(1), w.join(2)
			mustAlloc(t, a, 0)
			mustAlloc(t, a, 2)
			stage.Want(t, "Lock", lock(a.at(2)), nil)
			other := b.at(2)
			waits := stage.Async(func() error { return lock(other) })
			stage.Until(t, "it waits", b.Asleep)
			w.Die(1)
			stage.Want(t, "the waiter", stage.Await(t, "the waiter", waits), met)
			if got := b.taken(); !slices.Equal(got, []int{0, 2}) {
				t.Errorf("taken %v", got)
			}
			w.Check(t)
			if policy == robust.Poison {
				if got := w.Core.State(); got != "2 of 3 taken, 1 poisoned" {
					t.Error(got)
				}
				stage.Want(t, "Recover", other.Recover(t.Context(), func() error { return nil }), nil)
				stage.Want(t, "Lock", lock(other), nil)
			}
			stage.Want(t, "Lock of the other", lock(b.at(0)), nil)
			w.Leave(b.Party)
			w.Check(t)
			c := w.join(3)
			stage.Want(t, "Lock after Close", c.at(0).TryLock(), met)
			if policy == robust.Release {
				stage.Want(t, "Unlock", c.at(0).Unlock(), nil)
			}
			stage.Want(t, "Free of what may be poisoned", c.Free(0), nil)
			mustAlloc(t, c, 0)
			stage.Want(t, "Lock of the next one", lock(c.at(0)), nil)
			stage.Want(t, "Unlock", c.at(0).Unlock(), nil)
			w.Check(t)
			_, err := b.Alloc()
			stage.Want(t, "Alloc after Close", err, fs.ErrClosed)
			stage.Want(t, "Free after Close", b.Free(2), fs.ErrClosed)
			_, err = b.Allotment(2)
			stage.Want(t, "Allotment after Close", err, fs.ErrClosed)
			stage.Want(t, "Lock after Close", lock(other), fs.ErrClosed)
		})
	}
}

// Whoever takes numbers at once takes different ones, and all of them.
func TestTogether(t *testing.T) {
	const n, hands, rounds = 16, 4, 300
	w := newWorld(n, robust.Poison)
	var owners [n]struct {
		sync.Mutex
		slot uint32
	}
	var crowd sync.WaitGroup
	for h := range uint32(hands) {
		crowd.Go(func() {
			p := w.join(h + 1)
			var mine []int
			for r := range rounds {
				if i, err := p.Alloc(); err == nil {
					if o := &owners[i]; !o.TryLock() {
						t.Errorf("%d has number %d, and so has %d", o.slot, i, h+1)
					} else {
						o.slot = h + 1
					}
					mine = append(mine, i)
				} else if !errors.Is(err, table.ErrFull) || len(mine) == 0 && hands*rounds < n {
					t.Error(err)
				}
				if len(mine) > 0 && (r%3 == 2 || len(mine) > n/2) {
					i := mine[0]
					mine = mine[1:]
					m := p.at(i)
					if err := errors.Join(lock(m), m.Unlock()); err != nil {
						t.Error(err)
					}
					owners[i].Unlock()
					if err := p.Free(i); err != nil {
						t.Error(err)
					}
				}
			}
			for _, i := range mine {
				owners[i].Unlock()
				if err := p.Free(i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	crowd.Wait()
	p := w.join(8)
	for range n {
		_, err := p.Alloc()
		stage.Want(t, "Alloc at the end", err, nil)
	}
	_, err := p.Alloc()
	stage.Want(t, "Alloc", err, table.ErrFull)
	w.Check(t)
}

func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	w := newWorld(2, robust.Poison)
	p := w.join(1)
	mustAlloc(t, p, 1)
	m, ctx := p.at(1), context.Background()
	if n := testing.AllocsPerRun(100, func() {
		i, _ := p.Alloc()
		_ = m.Lock(ctx)
		_ = m.Unlock()
		_, _ = p.Alloc() // full
		_ = p.Free(i)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestShapes(t *testing.T) {
	for _, spec := range []object.Spec{{0, 1}, {1 << 20, 0}, {1, 3}, {1<<20 + 1, 1}, {1 << 63, 1}} {
		if _, err := table.Kind().Size(object.Shape{Spec: spec, Slots: 3}); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%v: %v", spec, err)
		}
	}
	n, err := table.Kind().Size(object.Shape{Spec: object.Spec{table.MaxLen, 2}})
	if want := wordAt(table.MaxLen); n != want || err != nil {
		t.Errorf("%d bytes, %v, want %d", n, err, want)
	}
}

// What no correct process writes is told of, and harms nobody.
func TestCorruption(t *testing.T) {
	for name, spoil := range map[string]func(raw []byte){
		"a free number has an owner":  func(raw []byte) { raw[wordAt(1)] = 2 },
		"a free number is waited for": func(raw []byte) { raw[wordAt(1)+3] = 0x80 },
		"no such owner":               func(raw []byte) { raw[wordAt(0)] = 77 },
		"poisoned":                    func(raw []byte) { raw[wordAt(0)+3] |= 0x20 },
		"another round":               func(raw []byte) { raw[roundsAt(0)] = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(2, robust.Release)
			p := w.join(1)
			mustAlloc(t, p, 0)
			raw, err := w.Region.Bytes(0, wordAt(2))
			stage.Want(t, "Bytes", err, nil)
			spoil(raw)
			if w.Faults() == nil {
				t.Error("Check is content")
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_ = p.at(0).Lock(ctx)
			_ = p.Free(0)
			_, _ = p.Alloc()
			_, _ = p.Alloc()
		})
	}
}

func FuzzBytes(f *testing.F) {
	f.Add([]byte{1}, 8, uint8(2))
	f.Add([]byte{1, 0x40, 0, 0xa0, 9, 0, 0, 0}, 16, uint8(2))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 3}, 0, uint8(1))
	f.Fuzz(func(t *testing.T, bytes []byte, where int, n uint8) {
		shape := object.Shape{Spec: object.Spec{uint64(n), uint64(robust.Poison)}, Slots: slots}
		stage.Hostile(t, table.Kind(), shape, stage.Scribble{Bytes: bytes, Where: where & 63}, func(s *stage.Stage) {
			p := world{s}.join(2)
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Microsecond)
			defer cancel()
			i, err := p.Alloc()
			if err == nil {
				_ = p.at(i).Lock(ctx)
			}
			_ = p.AllocAt(0)
			m := p.at(0)
			_ = m.LockRepaired(ctx, func() error { return nil })
			_ = m.Unlock()
			_ = p.Free(0)
			_ = m.TryLock()
			_ = p.taken()
		})
	})
}
