//go:build shmcheck

package permit_test

import (
	"context"
	"errors"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/permit"
)

// scene is one situation in which the victim, participant b, dies. At the end of
// a Bounded scene all permits are free; of a Signal one, as many as ends has.
type scene struct {
	name    string
	kind    int // default Bounded
	permits int
	ends    []int
	setup   func(s *stage)
	op      func(s *stage) error // what the victim does; an error is a fault
	meet    func(s *stage)       // what others do meanwhile; may be nil
}

// but returns nil if err is want.
func but(err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return errors.Join(errors.New("want "+want.Error()), err)
}

// orNil returns nil if err is nil or want.
func orNil(err, want error) error {
	if err == nil {
		return nil
	}
	return but(err, want)
}

// boundedScenes has a scene for each operation, uncontended and not, and with
// others waiting where it may owe them a wake-up.
var boundedScenes = []scene{
	{
		name: "take from the start", permits: 3,
		op: func(s *stage) error { return s.b.Acquire(s.ctx, 2) },
	},
	{
		name: "take after another", permits: 3,
		setup: func(s *stage) { s.holds(s.a, 1) },
		op:    func(s *stage) error { return s.b.TryAcquire(2) },
	},
	{
		name: "take more, after itself", permits: 3,
		setup: func(s *stage) { mustAcquire(s.t, s.b, 1) },
		op:    func(s *stage) error { return s.b.TryAcquire(2) },
	},
	{
		name: "take too many", permits: 3,
		setup: func(s *stage) { s.holds(s.a, 2) },
		op:    func(s *stage) error { return but(s.b.TryAcquire(2), permit.ErrNoPermit) },
	},
	{
		name: "return more than held", permits: 3,
		setup: func(s *stage) { mustAcquire(s.t, s.b, 1); s.holds(s.a, 1) },
		op:    func(s *stage) error { return but(s.b.Release(2), permit.ErrNotHeld) },
	},
	{
		name: "return one by one, others wait", permits: 2,
		setup: func(s *stage) {
			mustAcquire(s.t, s.b, 2)
			s.waits(s.a, 1)
			s.waits(s.c, 1)
		},
		op: func(s *stage) error { return errors.Join(s.b.Release(1), s.b.Release(1)) },
	},
	{
		name: "return two at once after another, three wait", permits: 3,
		setup: func(s *stage) {
			mustAcquire(s.t, s.b, 2)
			s.holds(s.d, 1)
			s.waits(s.a, 1)
			s.waits(s.c, 2)
			s.waits(s.d, 1)
		},
		op: func(s *stage) error { return s.b.Release(2) },
	},
	{
		name: "wait, others wait too", permits: 1,
		setup: func(s *stage) { s.holds(s.a, 1); s.waits(s.c, 1) },
		op:    func(s *stage) error { return errors.Join(s.b.Acquire(s.ctx, 1), s.b.Release(1)) },
		meet: func(s *stage) {
			s.victimSleeps()
			s.waits(s.d, 1)
			s.returns(s.a, 1)
		},
	},
	{
		name: "wait long enough to put up a claim", permits: 1,
		setup: func(s *stage) { s.holds(s.a, 1) },
		op:    func(s *stage) error { return errors.Join(s.b.Acquire(s.ctx, 1), s.b.Release(1)) },
		meet: func(s *stage) {
			for s.core.Claimant() != 2 && !s.victim.over() { // a wake-up makes it look at the time
				s.core.WakeSleepers()
			}
			s.waits(s.d, 1)
			s.returns(s.a, 1)
		},
	},
	{
		name: "defer to a claimant that does not come", permits: 2,
		setup: func(s *stage) { s.core.PutClaim(1, 2) },
		op:    func(s *stage) error { return s.b.Acquire(s.ctx, 1) },
		meet:  func(s *stage) { s.waits(s.c, 1) },
	},
	{
		name: "give up, others wait", permits: 1,
		setup: func(s *stage) { s.holds(s.a, 1) },
		op:    func(s *stage) error { return but(s.b.Acquire(s.ctx, 1), context.Canceled) },
		meet: func(s *stage) {
			s.victimSleeps()
			s.waits(s.c, 1)
			s.cancel()
		},
	},
	{
		name: "give up as a permit comes", permits: 1,
		setup: func(s *stage) { s.holds(s.a, 1) },
		op:    func(s *stage) error { return orNil(s.b.Acquire(s.ctx, 1), context.Canceled) },
		meet: func(s *stage) {
			s.victimSleeps()
			s.waits(s.c, 1)
			go s.cancel()
			s.returns(s.a, 1)
		},
	},
	{
		name: "two goroutines at work", permits: 2,
		setup: func(s *stage) { s.holds(s.a, 1) },
		op: func(s *stage) error {
			s.start(s.victim, func() error { return errors.Join(s.b.Acquire(s.ctx, 1), s.b.Release(1)) })
			return errors.Join(s.b.Acquire(s.ctx, 1), s.b.Release(1))
		},
		meet: func(s *stage) { s.waits(s.c, 1); s.returns(s.a, 1) },
	},
	{
		name: "gather what is there", permits: 600,
		op: func(s *stage) error { return s.b.Acquire(s.ctx, 600) },
	},
	{
		name: "try to gather what is there", permits: 600,
		setup: func(s *stage) { s.holds(s.a, 1) },
		op:    func(s *stage) error { return s.b.TryAcquire(300) },
	},
	{
		name: "gather in parts, others wait", permits: 300,
		setup: func(s *stage) { s.holds(s.a, 299); s.waits(s.c, 300) },
		op:    func(s *stage) error { return errors.Join(s.b.Acquire(s.ctx, 2), s.b.Release(2)) },
		meet: func(s *stage) {
			s.victimSleeps()
			s.returns(s.a, 1)
			s.waits(s.d, 1)
			s.returns(s.a, 298)
		},
	},
	{
		name: "give up gathering, others wait", permits: 300,
		setup: func(s *stage) { s.holds(s.a, 20) },
		op:    func(s *stage) error { return but(s.b.Acquire(s.ctx, 300), context.Canceled) },
		meet: func(s *stage) {
			s.victimSleeps()
			s.waits(s.c, 1)
			s.waits(s.d, 290)
			s.cancel()
		},
	},
	{
		name: "return many, others wait", permits: 600,
		setup: func(s *stage) {
			mustAcquire(s.t, s.b, 590)
			s.holds(s.a, 10)
			s.waits(s.c, 300)
			s.waits(s.d, 1)
		},
		op: func(s *stage) error { return s.b.Release(590) },
	},
	{
		name: "leave while holding, others wait", permits: 300,
		setup: func(s *stage) {
			mustAcquire(s.t, s.b, 280)
			s.holds(s.a, 20)
			s.waits(s.c, 1)
			s.waits(s.d, 270)
		},
		op: func(s *stage) error { s.close(s.b); return nil },
	},
	{
		name: "waiting as the segment is closed", permits: 3,
		setup: func(s *stage) { s.holds(s.a, 2) },
		op:    func(s *stage) error { return but(s.b.Acquire(s.ctx, 2), fs.ErrClosed) },
		meet: func(s *stage) {
			s.victimSleeps()
			s.waits(s.c, 1)
			s.close(s.b)
		},
	},
	{
		name: "taking and returning as the segment is closed", permits: 3,
		op: func(s *stage) error {
			return orNil(errors.Join(s.b.Acquire(s.ctx, 2), s.b.Release(2)), fs.ErrClosed)
		},
		meet: func(s *stage) {
			<-s.victim.middle // else it may find the segment closed at its first step
			s.close(s.b)
		},
	},
	{
		name: "repair another death, others wait", permits: 300,
		setup: func(s *stage) {
			mustAcquire(s.t, s.d, 280)
			s.holds(s.a, 20)
			s.waits(s.a, 1)
			s.waits(s.c, 270)
		},
		op: func(s *stage) error { s.repair(4); return nil },
		meet: func(s *stage) {
			if s.victim.killed(s.t) {
				s.repair(4) // by the successor
			}
		},
	},
}

var signalScenes = []scene{
	{
		name: "consume", permits: 3, ends: []int{1, 3},
		op: func(s *stage) error { return s.b.Acquire(s.ctx, 2) },
	},
	{
		name: "add, others wait", permits: 0, ends: []int{3, 5},
		setup: func(s *stage) { s.waits(s.c, 1); s.waits(s.d, 2) },
		op:    func(s *stage) error { return s.b.Release(2) },
		meet:  func(s *stage) { mustRelease(s.t, s.a, 3) },
	},
	{
		name: "wait, others wait too", permits: 0, ends: []int{1, 2},
		setup: func(s *stage) { s.waits(s.c, 1) },
		op:    func(s *stage) error { return s.b.Acquire(s.ctx, 1) },
		meet: func(s *stage) {
			s.victimSleeps()
			s.waits(s.d, 1)
			mustRelease(s.t, s.a, 2)
		},
	},
	{
		name: "gather in parts, others wait", permits: 1, ends: []int{400, 404},
		setup: func(s *stage) { s.waits(s.c, 400) },
		op:    func(s *stage) error { return s.b.Acquire(s.ctx, 4) },
		meet: func(s *stage) {
			s.victimSleeps()
			mustRelease(s.t, s.a, 2)
			s.waits(s.d, 1)
			mustRelease(s.t, s.a, 401)
		},
	},
	{
		name: "gather in parts, alone", permits: 1, ends: []int{0, 4},
		op: func(s *stage) error { return s.b.Acquire(s.ctx, 4) },
		meet: func(s *stage) {
			s.victimSleeps()
			mustRelease(s.t, s.a, 2)
			mustRelease(s.t, s.a, 1)
		},
	},
	{
		name: "give up gathering as permits come, others wait", permits: 2, ends: []int{6, 10},
		op: func(s *stage) error { return orNil(s.b.Acquire(s.ctx, 4), context.Canceled) },
		meet: func(s *stage) {
			s.victimSleeps()
			s.waits(s.d, 1)
			s.waits(s.c, 5)
			s.cancel()
			mustRelease(s.t, s.a, 8)
		},
	},
	{
		name: "gathering as the segment is closed", permits: 2, ends: []int{3},
		op: func(s *stage) error { return but(s.b.Acquire(s.ctx, 4), fs.ErrClosed) },
		meet: func(s *stage) {
			s.victimSleeps()
			s.waits(s.c, 3)
			s.close(s.b)
			mustRelease(s.t, s.a, 1)
		},
	},
}
