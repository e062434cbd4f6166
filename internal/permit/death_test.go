package permit_test

import (
	"context"
	"fmt"
	"io/fs"
	"testing"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/permit"
)

func TestDeadHoldersPermitsComeBack(t *testing.T) {
	for _, n := range []int{1, 2, 255, 256, 900} {
		for _, between := range []bool{false, true} { // does another operate after the dead one
			t.Run(fmt.Sprint(n, between), func(t *testing.T) {
				w := newWorld(t, permit.Bounded, 1000, 3)
				victim, other := w.join(2), w.join(1)
				mustAcquire(t, victim, n)
				if between {
					mustAcquire(t, other, 1)
				}
				w.repair(2)
				if between {
					mustRelease(t, other, 1)
				}
				w.check(1000)
			})
		}
	}
}

func TestDeathWakesWaiters(t *testing.T) {
	for _, n := range []int{1, 3, 600} {
		w := newWorld(t, permit.Bounded, 600, 5)
		victim := w.join(2)
		mustAcquire(t, victim, 600)
		var waits []<-chan error
		for slot := uint32(3); slot <= 5; slot++ {
			p := w.join(slot)
			done := make(chan error, 1)
			go func() {
				err := p.Acquire(context.Background(), n)
				if err == nil {
					err = p.Release(n)
				}
				done <- err
			}()
			waits = append(waits, done)
		}
		until(t, "asleep", w.core.Asleep)
		w.repair(2)
		for _, done := range waits {
			if err := result(t, "Acquire after a death", done); err != nil {
				t.Fatal(err)
			}
		}
		w.check(600)
	}
}

// TestSlotIsUsedAgain lets a new participant have the slot of a dead one, whose
// last change may still be in the tally.
func TestSlotIsUsedAgain(t *testing.T) {
	w := newWorld(t, permit.Bounded, 5, 3)
	for range 50 {
		p := w.join(2)
		mustAcquire(t, p, 3)
		w.repair(2)
		delete(w.dead, 2)
		q := w.join(2)
		if q.Held() != 0 {
			t.Fatalf("a new participant holds %d", q.Held())
		}
		wantErr(t, "Release", q.Release(1), permit.ErrNotHeld)
		mustAcquire(t, q, 1)
		mustRelease(t, q, 1)
		w.check(5)
	}
}

func TestTwoDead(t *testing.T) {
	w := newWorld(t, permit.Bounded, 9, 4)
	a, b, c := w.join(1), w.join(2), w.join(3)
	mustAcquire(t, a, 2)
	mustAcquire(t, b, 3)
	mustAcquire(t, c, 1)
	w.dead[1], w.dead[2] = true, true
	w.core.Repair(object.Dead{Slot: 1})
	w.core.Repair(object.Dead{Slot: 2})
	w.core.Repair(object.Dead{Slot: 1, Exited: true})
	w.core.Repair(object.Dead{Slot: 2, Exited: true})
	w.check(8)
	if c.Held() != 1 {
		t.Errorf("the survivor holds %d, want 1", c.Held())
	}
}

// TestGathererLeaves closes the segment under a goroutine that gathers. That a
// gatherer dies is tried at each of its steps under shmcheck.
func TestGathererLeaves(t *testing.T) {
	for _, kind := range []int{permit.Bounded, permit.Signal} {
		w := newWorld(t, kind, 600, 4)
		holder, victim, next := w.join(1), w.join(2), w.join(3)
		mustAcquire(t, holder, 600)
		left := acquiring(context.Background(), victim, 500)
		until(t, "victim gathers", func() bool { return w.core.Gatherer() == 2 && w.core.Asleep() })
		mustRelease(t, holder, 300)
		until(t, "a part is taken", func() bool { return w.free() == 0 })
		done := acquiring(context.Background(), next, 400)

		w.close(victim)
		wantErr(t, "Acquire", result(t, "Acquire of the one that leaves", left), fs.ErrClosed)
		until(t, "the part is taken by the next", func() bool { return w.core.Gatherer() == 3 })
		mustRelease(t, holder, 100)
		if err := result(t, "Acquire", done); err != nil {
			t.Fatal(err)
		}
		w.check(0)
	}
}

// TestLeaveIsNotDeath has a process that closes the segment while another
// participant waits: it gets the permits, and the one that left can come back.
func TestLeaveIsNotDeath(t *testing.T) {
	w := newWorld(t, permit.Bounded, 300, 3)
	p, q := w.join(1), w.join(2)
	mustAcquire(t, p, 300)
	done := acquiring(context.Background(), q, 1)
	until(t, "asleep", w.core.Asleep)
	w.close(p)
	if err := result(t, "Acquire", done); err != nil {
		t.Fatal(err)
	}
	w.check(299)
	p = w.join(1)
	mustAcquire(t, p, 299)
	w.check(0)
}

// TestRepairOfNobody must leave everything as it is.
func TestRepairOfNobody(t *testing.T) {
	w := newWorld(t, permit.Bounded, 9, 4)
	p := w.join(1)
	mustAcquire(t, p, 4)
	w.core.Repair(object.Dead{})
	w.core.Repair(object.Dead{Slot: 3})
	w.core.Repair(object.Dead{Slot: 4095})
	w.core.Leave(0)
	w.core.Leave(4000)
	w.check(5)
}
