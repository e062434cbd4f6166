package permit

import (
	"context"
	"time"

	"github.com/shoal-ipc/shoal/internal/wait"
)

// acquireSlow waits for n permits.
func (s *Semaphore) acquireSlow(ctx context.Context, n int64) error {
	t := &turn{began: time.Now(), short: n}
	if n > 1 {
		return s.acquireMany(ctx, t)
	}
	var failure error
	if s.point.Spin(func() bool {
		got, err := s.grab(1)
		failure = err
		return got || err != nil
	}) {
		return failure
	}
	if err := s.point.Enter(ctx, s.use.Party); err != nil {
		return err // it never slept: no wake-up can be lost with it
	}
	defer s.point.Leave()
	return s.await(ctx, s.point, t, func() (bool, error) {
		if t.defers(s.core, 1, 1) {
			return false, nil
		}
		return s.takeAll(1)
	})
}

// await calls try until it has what t waits for, and sleeps in between. The
// caller has entered p.
func (s *Semaphore) await(ctx context.Context, p *wait.Point, t *turn, try func() (bool, error)) error {
	for {
		elapsed := time.Since(t.began)
		if elapsed >= patience {
			t.waited = true
		}
		if done, err := try(); done || err != nil {
			s.leave(t)
			return err
		}
		if t.waited && elapsed >= patience {
			t.claim(s.core, s.slot)
		}
		unchanged := s.core.announce()
		if done, err := try(); done || err != nil {
			s.leave(t)
			return err
		}
		limit := wait.Slice
		if t.spared != 0 && !t.waited {
			limit = max(patience-elapsed, 0)
		}
		err := p.Sleep(ctx, s.use.Party, unchanged, limit)
		t.waited = true
		if err != nil {
			t.withdraw(s.core)
			s.core.ring(1) // the wake-up that this goroutine may have got
			return err
		}
	}
}

// leave ends a wait that has what it waited for. If there are permits still, a
// newcomer that left them for this one may be asleep.
func (s *Semaphore) leave(t *turn) {
	t.withdraw(s.core)
	if s.core.free() > 0 {
		s.core.ring(1)
	}
}

// tryAcquireSlow takes n permits if they are free, though one step does not do.
func (s *Semaphore) tryAcquireSlow(n int64) (bool, error) {
	if q := s.core.claimed(n, n); q != 0 {
		if s.local.defers.lasts(q, time.Since(s.local.epoch)) {
			return false, nil
		}
		s.core.unclaim(q) // who put it up is stopped
	}
	if s.core.signal || n <= maxChange {
		return s.takeAll(n)
	}
	return s.tryAcquireMany(n)
}
