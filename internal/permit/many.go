package permit

import (
	"context"
	"errors"
	"time"

	"github.com/shoal-ipc/shoal/internal/robust"
)

// acquireMany waits for t.short permits, which it gathers as they become free.
// Only the owner of bulk gathers. Who waits for bulk takes them in one go if so
// many are free: the owner may be stopped.
func (s *Semaphore) acquireMany(ctx context.Context, t *turn) error {
	var failure error
	err := s.bulk.LockUnless(ctx, func() bool {
		var done bool
		done, failure = s.takeAtOnce(t)
		return done || failure != nil
	})
	if err == robust.ErrUnless { //nolint:errorlint // identity: it is never wrapped
		return failure
	}
	if err != nil {
		return err
	}
	defer s.freeBulk()
	if err := s.local.gather.Enter(ctx, s.use.Party); err != nil {
		return err
	}
	defer s.local.gather.Leave()
	want := t.short
	try := func() (bool, error) { return s.gather(t) }
	if s.core.signal {
		try = func() (bool, error) { return s.gatherSignal(t, want) }
	}
	err = s.await(ctx, s.local.gather, t, try)
	if s.core.signal {
		if err != nil {
			s.core.unreserve()
			s.core.ring(want)
		}
		return err
	}
	return s.keepOrReturn(want, t.short, err)
}

// gather takes what is free of the permits that t is short of, and reports
// whether it has all of them.
func (s *Semaphore) gather(t *turn) (bool, error) {
	for {
		step := min(t.short, maxChange)
		if t.defers(s.core, 1, step) {
			return false, nil
		}
		n, err := s.pledge(step)
		t.short -= n
		if n == 0 || t.short == 0 {
			return n != 0, err
		}
	}
}

// gatherSignal is gather for want permits of a Signal semaphore.
func (s *Semaphore) gatherSignal(t *turn, want int64) (bool, error) {
	if t.defers(s.core, 1, t.short) {
		return false, nil
	}
	short, err := s.core.consumeReserved(want)
	if err == nil {
		t.short = short
	}
	return short == 0, err
}

// pledge takes up to n free permits that do not become the user's yet.
func (s *Semaphore) pledge(n int64) (int64, error) {
	l := s.local
	l.books.Lock()
	defer l.books.Unlock()
	l.pledged.Add(n)
	k, err := s.core.take(s.slot, 1, n)
	l.pledged.Add(k - n)
	return k, err
}

// keepOrReturn ends a gathering of want permits that was short of some, with
// the error err: all of them become the user's, or free again.
func (s *Semaphore) keepOrReturn(want, short int64, err error) error {
	l, got := s.local, want-short
	if err == nil {
		l.pledged.Add(-got)
		return nil
	}
	l.books.Lock()
	defer l.books.Unlock()
	s.giveBack(got)
	l.pledged.Add(-got)
	return err
}

// takeAtOnce takes the permits that t is short of if all of them are free, and
// not left to somebody who has waited long. The caller does not own bulk.
func (s *Semaphore) takeAtOnce(t *turn) (bool, error) {
	if s.core.free() < t.short {
		return false, nil
	}
	t.waited = t.waited || time.Since(t.began) >= patience
	if t.defers(s.core, t.short, t.short) {
		return false, nil
	}
	take := s.takeAll
	if !s.core.signal && t.short > maxChange {
		take = s.takeSteps
	}
	done, err := take(t.short)
	if done {
		t.withdraw(s.core)
	}
	return done, err
}

// tries bounds how often tryAcquireMany tries while others do so too.
const tries = 64

// tryAcquireMany takes n permits in several steps if so many are free. Of two that
// do so at once each may take what the other one needs, and give it back: whoever
// sees all of them free again after that has to try again, or none of them would
// get what was there all the time.
func (s *Semaphore) tryAcquireMany(n int64) (bool, error) {
	for range tries {
		if s.core.free() < n {
			break
		}
		if done, err := s.trySteps(n); done || err != nil {
			return done, err
		}
	}
	return false, nil
}

// trySteps is takeSteps with bulk, or without if somebody else has it: the owner may
// be stopped.
func (s *Semaphore) trySteps(n int64) (bool, error) {
	switch err := s.bulk.TryLock(); {
	case err == nil:
		defer s.freeBulk()
	case !errors.Is(err, robust.ErrLocked):
		return false, err
	}
	return s.takeSteps(n)
}

// takeSteps takes n permits in several steps, or none. It does not wait.
func (s *Semaphore) takeSteps(n int64) (bool, error) {
	t := &turn{short: n, waited: true}
	done, err := s.gather(t)
	if done {
		return true, s.keepOrReturn(n, 0, nil)
	}
	if err == nil {
		err = ErrNoPermit
	}
	if err = s.keepOrReturn(n, t.short, err); errors.Is(err, ErrNoPermit) {
		err = nil
	}
	return false, err
}

// releaseMany returns n permits in several steps, or none. Nobody else in this
// process can return those that the first step has not yet returned, because
// they are pledged before the first step decides that there are n.
func (s *Semaphore) releaseMany(n int64) error {
	l := s.local
	l.books.Lock()
	defer l.books.Unlock()
	left := n - maxChange
	l.pledged.Add(left)
	if _, err := s.core.give(s.slot, maxChange, maxChange, &l.pledged); err != nil {
		l.pledged.Add(-left)
		return err
	}
	for left > 0 {
		step := min(left, maxChange)
		k, err := s.core.give(s.slot, 0, step, nil)
		if err != nil || k == 0 {
			break // Close has returned them
		}
		l.pledged.Add(-k)
		left -= k
	}
	l.pledged.Add(-left)
	return nil
}

// releaseSlow returns n permits after an attempt failed with err. It may have
// met a moment at which more was pledged than is.
func (s *Semaphore) releaseSlow(n int64, err error) error {
	if !errors.Is(err, ErrNotHeld) {
		return err
	}
	l := s.local
	l.books.Lock()
	defer l.books.Unlock()
	_, err = s.core.give(s.slot, n, n, &l.pledged)
	return err
}

// freeBulk lets the next one gather. Unlock fails once the segment is closed,
// and Leave leaves bulk alone, because only this goroutine knows when it is done.
func (s *Semaphore) freeBulk() {
	if s.bulk.Unlock() != nil {
		robust.Leave(&s.core.head.bulk, policy, s.slot, 0)
	}
}
