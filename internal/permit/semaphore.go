package permit

import (
	"context"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// Semaphore is this process's side of a semaphore: one participant of it. Its
// methods may be called at once by any number of goroutines, which share what the
// process holds. A nil Semaphore is a closed one.
type Semaphore struct {
	core  *Core
	use   *object.Use
	slot  uint32 // of this process; 0 if it may not write
	sync  *race.Token
	point *wait.Point // where those wait who want one permit
	bulk  *robust.Mutex
	local *local
	quick Quick
	// object keeps the object's memory from being used for another.
	object *object.Object
}

// local is what all handles of one participant share.
type local struct {
	// pledged counts the permits in the participant's account that are no
	// user's to release: those that a goroutine gathers, or is returning. It is
	// exact while books is free, and never less than exact.
	pledged atomic.Int64
	books   sync.Mutex
	gather  *wait.Point // where the one waits that gathers
	epoch   time.Time
	defers  deference
}

// New returns the process's side of the semaphore obj.
func New(use *object.Use, obj *object.Object) (*Semaphore, error) {
	core, err := Attach(obj.Region, obj.Shape)
	if err != nil {
		return nil, err
	}
	s := &Semaphore{core: core, use: use, sync: obj.Sync, point: obj.Point(&core.head.bell), object: obj}
	if !use.ReadOnly {
		s.slot = use.Slot
	}
	if s.slot > obj.Shape.Slots {
		return nil, fmt.Errorf("semaphore: participant %d of %d: %w", s.slot, obj.Shape.Slots, fs.ErrInvalid)
	}
	s.bulk = robust.New(&core.head.bulk, policy, use, obj)
	shared := obj.Local(fmt.Sprintf("semaphore of %d", s.slot), func() any {
		return &local{gather: wait.NewPoint(&core.head.bell, obj.Index), epoch: time.Now()}
	})
	s.local = shared.(*local) //nolint:errcheck // made above
	s.quick = quickOf(s)
	return s, nil
}

// Acquire waits until this process holds n more permits (or, Signal, has
// consumed n), all or none. It fails with fs.ErrInvalid if there can never be so
// many, ctx.Err(), fs.ErrClosed, fs.ErrPermission or a *mem.Corruption. If the
// process dies inside, no permit is lost.
func (s *Semaphore) Acquire(ctx context.Context, n int) error {
	m := s.pin()
	if m == nil {
		return fs.ErrClosed
	}
	err := ctx.Err()
	switch {
	case err != nil:
	case s.takeFast(n):
		err = s.confirm(int64(n))
	default:
		err = s.acquire(ctx, n)
	}
	object.Unpin(m)
	runtime.KeepAlive(s)
	return err
}

func (s *Semaphore) acquire(ctx context.Context, n int) error {
	if err := s.admits(n); err != nil {
		return err
	}
	want := int64(n)
	got, err := s.grab(want)
	if err == nil && !got {
		err = s.acquireSlow(ctx, want)
	}
	if err != nil {
		return err
	}
	return s.confirm(want)
}

// TryAcquire is Acquire without waiting: ErrNoPermit if fewer than n are free, or
// if they are left for somebody who has waited long.
func (s *Semaphore) TryAcquire(n int) error {
	m := s.pin()
	if m == nil {
		return fs.ErrClosed
	}
	var err error
	if s.takeFast(n) {
		err = s.confirm(int64(n))
	} else {
		err = s.tryAcquire(n)
	}
	object.Unpin(m)
	runtime.KeepAlive(s)
	return err
}

func (s *Semaphore) tryAcquire(n int) error {
	if err := s.admits(n); err != nil {
		return err
	}
	want := int64(n)
	got, err := s.grab(want)
	if err == nil && !got {
		got, err = s.tryAcquireSlow(want)
	}
	switch {
	case err != nil:
		return err
	case !got:
		return ErrNoPermit
	}
	return s.confirm(want)
}

// Release returns n permits (Signal: adds them) and wakes as many waiters. It
// fails with ErrNotHeld if the process holds fewer (Signal: with fs.ErrInvalid if
// there would be too many), fs.ErrClosed, fs.ErrPermission or a *mem.Corruption,
// and then nothing changes. It never blocks. If the process dies inside, the
// permits are returned or (Signal) added, or not, as if it had died before.
func (s *Semaphore) Release(n int) error {
	m := s.pin()
	if m == nil {
		return fs.ErrClosed
	}
	var err error
	if s.giveFast(n) {
		s.core.ring(int64(n))
	} else {
		err = s.release(n)
	}
	object.Unpin(m)
	runtime.KeepAlive(s)
	return err
}

// Drop is Release for a caller that has pinned the mapping since before it
// acquired: it returns the permits also after this use of the segment was closed.
// It fails with fs.ErrClosed if the closing has returned them already.
func (s *Semaphore) Drop(n int) error {
	var err error
	if s.giveFast(n) {
		s.core.ring(int64(n))
	} else {
		err = s.release(n)
	}
	runtime.KeepAlive(s)
	return err
}

func (s *Semaphore) release(n int) error {
	if n < 1 {
		return invalid("release", n)
	}
	if s.slot == 0 {
		return errReadOnly()
	}
	s.sync.Release()
	k := int64(n)
	var err error
	switch {
	case s.core.signal:
		err = s.core.supply(k)
	case k > maxChange:
		err = s.releaseMany(k)
	default:
		if _, err = s.core.give(s.slot, k, k, &s.local.pledged); err != nil {
			err = s.releaseSlow(k, err)
		}
	}
	switch {
	case err == nil:
		s.core.ring(k)
	case s.use.Closed():
		return fs.ErrClosed // Close has returned them
	}
	return err
}

// pin keeps the mapping; nil if the segment is closed.
func (s *Semaphore) pin() *object.Mapping {
	if s == nil {
		return nil
	}
	return s.use.Pin()
}

// admits returns why n permits cannot be asked for, if so.
func (s *Semaphore) admits(n int) error {
	if n < 1 || int64(n) > s.core.limit {
		return invalid("acquire", n)
	}
	if s.slot == 0 {
		return errReadOnly()
	}
	return nil
}

// grab takes n permits if they are free and nobody has a claim on them, by one
// compare-and-swap; it does not try if n are too many for one.
func (s *Semaphore) grab(n int64) (bool, error) {
	if claim(s.core.head.queue.Load()).slot() != 0 && s.core.claimed(n, n) != 0 {
		return false, nil
	}
	return s.takeAll(n)
}

// takeAll takes n permits if they are free, whoever has a claim on them.
func (s *Semaphore) takeAll(n int64) (bool, error) {
	if s.core.signal {
		return s.core.consume(n)
	}
	if n > maxChange {
		return false, nil
	}
	k, err := s.core.take(s.slot, n, n)
	return k != 0, err
}

// confirm ends the taking of n permits: it gives them back if the segment was
// closed meanwhile, because Close may have looked before they were taken.
func (s *Semaphore) confirm(n int64) error {
	if s.use.Closed() {
		return s.undo(n)
	}
	s.sync.Acquire()
	return nil
}

func (s *Semaphore) undo(n int64) error {
	s.giveBack(n)
	return fs.ErrClosed
}

// giveBack returns n permits that were taken for a call that fails; fewer if the
// closing of the segment has returned them already.
func (s *Semaphore) giveBack(n int64) {
	if s.core.signal {
		if s.core.supply(n) == nil {
			s.core.ring(n)
		}
		return
	}
	for left := n; left > 0; {
		k, err := s.core.give(s.slot, 0, min(left, maxChange), nil)
		if err != nil || k == 0 {
			break
		}
		left -= k
	}
	s.core.ring(n)
}

func invalid(verb string, n int) error {
	return fmt.Errorf("semaphore: %s %d permits: %w", verb, n, fs.ErrInvalid)
}

func errReadOnly() error {
	return fmt.Errorf("semaphore: segment is open read-only: %w", fs.ErrPermission)
}
