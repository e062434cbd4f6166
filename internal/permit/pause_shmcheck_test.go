//go:build shmcheck

package permit_test

import (
	"errors"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/permit"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// pauses has the situations in which participant b stops at one of its steps
// while the others do all of theirs, and then goes on: everybody must get through.
var pauses = []struct {
	name    string
	kind    int
	permits int
	setup   func(s *stage)
	op      func(s *stage) error
	meet    func(s *stage)
}{
	{
		name: "wait as a permit is returned", kind: permit.Bounded, permits: 1,
		setup: func(s *stage) { s.holds(s.a, 1) },
		op:    func(s *stage) error { return errors.Join(s.b.Acquire(s.ctx, 1), s.b.Release(1)) },
		meet:  func(s *stage) { s.returns(s.a, 1) },
	},
	{
		name: "wait as a permit is returned, another waits", kind: permit.Bounded, permits: 1,
		setup: func(s *stage) { s.holds(s.a, 1); s.waits(s.c, 1) },
		op:    func(s *stage) error { return errors.Join(s.b.Acquire(s.ctx, 1), s.b.Release(1)) },
		meet:  func(s *stage) { s.returns(s.a, 1) },
	},
	{
		name: "wait as the holder dies", kind: permit.Bounded, permits: 1,
		setup: func(s *stage) { mustAcquire(s.t, s.d, 1) },
		op:    func(s *stage) error { return errors.Join(s.b.Acquire(s.ctx, 1), s.b.Release(1)) },
		meet:  func(s *stage) { s.repair(4) },
	},
	{
		name: "wait as the holder leaves", kind: permit.Bounded, permits: 1,
		setup: func(s *stage) { mustAcquire(s.t, s.d, 1) },
		op:    func(s *stage) error { return errors.Join(s.b.Acquire(s.ctx, 1), s.b.Release(1)) },
		meet:  func(s *stage) { s.close(s.d) },
	},
	{
		name: "gather as permits are returned", kind: permit.Bounded, permits: 300,
		setup: func(s *stage) { s.holds(s.a, 299) },
		op:    func(s *stage) error { return errors.Join(s.b.Acquire(s.ctx, 280), s.b.Release(280)) },
		meet:  func(s *stage) { s.waits(s.c, 1); s.returns(s.a, 299) },
	},
	{
		name: "gather as the holder dies", kind: permit.Bounded, permits: 300,
		setup: func(s *stage) { mustAcquire(s.t, s.d, 299) },
		op:    func(s *stage) error { return errors.Join(s.b.Acquire(s.ctx, 280), s.b.Release(280)) },
		meet:  func(s *stage) { s.waits(s.c, 1); s.repair(4) },
	},
	{
		name: "return as others begin to wait", kind: permit.Bounded, permits: 3,
		setup: func(s *stage) { s.holds(s.b, 3) },
		op:    func(s *stage) error { return s.b.Release(3) },
		meet:  func(s *stage) { s.waits(s.a, 1); s.waits(s.c, 3); s.waits(s.d, 1) },
	},
	{
		name: "repair as others begin to wait", kind: permit.Bounded, permits: 3,
		setup: func(s *stage) { mustAcquire(s.t, s.d, 3) },
		op:    func(s *stage) error { s.repair(4); return nil },
		meet:  func(s *stage) { s.waits(s.a, 1); s.waits(s.c, 3) },
	},
	{
		name: "wait as an event comes", kind: permit.Signal,
		op:   func(s *stage) error { return errors.Join(s.b.Acquire(s.ctx, 1), s.b.Release(1)) },
		meet: func(s *stage) { mustRelease(s.t, s.a, 1) },
	},
	{
		name: "gather as events come", kind: permit.Signal, permits: 1,
		op:   func(s *stage) error { return errors.Join(s.b.Acquire(s.ctx, 3), s.b.Release(3)) },
		meet: func(s *stage) { s.waits(s.c, 2); mustRelease(s.t, s.a, 2) },
	},
	{
		name: "add as others begin to wait", kind: permit.Signal,
		op:   func(s *stage) error { return s.b.Release(3) },
		meet: func(s *stage) { s.waits(s.a, 1); s.waits(s.c, 3); s.waits(s.d, 1) },
	},
}

// TestPauseAtEveryStep stops one participant at each of its steps for as long as
// the others take. A lost wake-up is a hang.
func TestPauseAtEveryStep(t *testing.T) {
	defer satomic.SetHook(nil)
	for _, sc := range pauses {
		t.Run(sc.name, func(t *testing.T) {
			for n := 1; ; n++ {
				s := newStage(t, sc.kind, sc.permits)
				if sc.setup != nil {
					sc.setup(s)
				}
				p := s.pause(n, func() error { return sc.op(s) })
				s.await(p)
				sc.meet(s)
				close(p.resume)
				if err := result(t, "the paused one", p.outcome); err != nil {
					t.Error(err)
				}
				s.settle()
				if t.Failed() {
					t.Fatalf("at step %d", n)
				}
				if p.left > 0 { // it has no such step
					t.Logf("%d steps", n)
					break
				}
			}
		})
	}
}

// await returns when p has paused or ended, or sleeps where only others can wake
// it.
func (s *stage) await(p *pauser) {
	asleep := time.Time{}
	until(s.t, "the paused one stops", func() bool {
		select {
		case <-p.paused:
			return true
		default:
		}
		if !s.b.asleep() {
			asleep = time.Time{}
		} else if asleep.IsZero() {
			asleep = time.Now()
		}
		return len(p.outcome) != 0 || !asleep.IsZero() && time.Since(asleep) > 300*time.Microsecond
	})
}
