//go:build linux

package linear

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// The operations of a mutex. The output of those that lock is how often they
// called the Repair function.
const (
	lockIt = iota
	tryLock
	unlock
	recovers // has two steps: between them the mutex is being repaired
)

var mutexNames = []string{"Lock", "TryLock", "Unlock", "Recover"}

// The variants of a mutex.
const (
	releases = iota // lock.Release
	poisons         // lock.Poison, and Recover
	repairs         // lock.Poison, and a Repair function
)

// mutexState is the model of a mutex.
type mutexState struct {
	holder    int8   // process that holds it, or nobody
	poisoned  bool   // its holder died
	repairing int8   // lane that is inside Recover, or nobody
	dead      uint16 // a bit for each process
}

const nobody = -1

func (s mutexState) lives(proc int) bool { return s.dead&(1<<proc) == 0 }

func mutexKind() kind {
	return kind{
		name: "mutex", variants: 3,
		create: func(ctx context.Context, seg *shm.Segment, name string, variant int) error {
			_, err := lock.CreateMutex(ctx, seg, name, lock.Spec{OnDeath: onDeathOf(variant)})
			return err
		},
		open: func(ctx context.Context, seg *shm.Segment, name string, variant int) (func(*lane) subject, error) {
			m, err := lock.OpenMutex(ctx, seg, name)
			return func(l *lane) subject {
				own := func() (*lock.Mutex, error) { return lock.OpenMutex(l.ctx, seg, name) }
				return newMutexSubject(l, m, own, variant)
			}, err
		},
		check: func(h *history) []part {
			sp := spec[mutexState]{
				begin: mutexState{holder: nobody, repairing: nobody},
				next: func(s mutexState, x step) []mutexState {
					if x.call == nil {
						return []mutexState{s.die(x.dead, h.variant)}
					}
					return s.after(x, h.variant)
				},
				show: func(s mutexState) string { return fmt.Sprintf("%+v", s) },
			}
			parts := func(c *call) int {
				if c.op == recovers && c.code == done {
					return 2
				}
				return 1
			}
			return []part{{sp.model(), h.steps(describeMutex, parts, one[death])}}
		},
	}
}

// onDeathOf returns what becomes of a mutex of that variant.
func onDeathOf(variant int) lock.OnDeath {
	if variant == releases {
		return lock.Release
	}
	return lock.Poison
}

func describeMutex(x step) string {
	if x.call == nil {
		return fmt.Sprintf("death of %d", x.dead)
	}
	if x.pending {
		return fmt.Sprintf("%s by %d killed", mutexNames[x.op], x.proc)
	}
	return fmt.Sprintf("%s by %d: %d %d", mutexNames[x.op], x.proc, x.code, x.out[0])
}

// die is s after the death of a process and the repair.
func (s mutexState) die(proc, variant int) mutexState {
	s.dead |= 1 << proc
	if s.holder == int8(proc) {
		s.holder, s.repairing = nobody, nobody
		s.poisoned = variant != releases
	}
	return s
}

// after says what s may become by x.
func (s mutexState) after(x step, variant int) []mutexState {
	var list []mutexState
	if x.pending {
		list = append(list, s) // it did not do it
		if !s.lives(x.proc) {
			return list
		}
	}
	held := s
	held.holder, held.poisoned = int8(x.proc), false
	freed := s
	freed.holder = nobody
	switch {
	case x.op == recovers:
		return append(list, s.recover(x)...)
	case x.pending && x.op == unlock:
		if s.holder == int8(x.proc) && s.repairing == nobody {
			list = append(list, freed)
		}
	case x.pending:
		// To repair and to hold is one to those who look from outside.
		if s.holder == nobody && (!s.poisoned || variant == repairs) {
			list = append(list, held)
		}
		if s.holder == nobody && s.poisoned && variant == repairs {
			held.poisoned = true // it came no further than into the repair
			list = append(list, held)
		}
	case x.op == unlock && x.code == done:
		return only(s.holder == int8(x.proc) && s.repairing == nobody, freed)
	case x.op == unlock:
		return only(x.code == notMine && (s.holder != int8(x.proc) || s.repairing != nobody), s)
	case x.code == done:
		return only(s.holder == nobody && s.poisoned == (x.out[0] == 1) && x.out[0] <= 1, held)
	case x.code == poisoned:
		return only(variant == poisons && s.poisoned, s)
	case x.code == refused: // it may stand back for those that wait
		return only(s.holder != nobody || x.crowded, s)
	case x.code == gaveUp:
		return []mutexState{s}
	}
	return list
}

// recover is a step of Recover: the first begins a repair, the second ends it. If
// there is nothing to repair, neither does anything.
func (s mutexState) recover(x step) []mutexState {
	begun, ended := s, s
	begun.holder, begun.repairing = int8(x.proc), int8(x.lane)
	ended.holder, ended.repairing, ended.poisoned = nobody, nobody, false
	can, mine := s.poisoned && s.holder == nobody, s.repairing == int8(x.lane)
	switch {
	case x.pending:
		if can {
			return []mutexState{begun, ended}
		}
		return nil
	case x.code != done: // its context ended
		return []mutexState{s}
	case x.part == 1 && mine:
		return []mutexState{ended}
	case x.part == 0 && can:
		return []mutexState{begun}
	}
	return only(!s.poisoned || x.part == 1, s)
}

type mutexSubject struct {
	*lane
	m       *lock.Mutex
	variant int
	holds   bool
	called  uint64 // how often Repair was
	// What is done with a broken one.
	lax    bool // it sometimes takes a no for a yes
	dwells bool // it is held for long, so that also on one processor many die with it
}

// newMutexSubject returns the lane's use of m, of which open returns a handle of its own.
func newMutexSubject(l *lane, m *lock.Mutex, open func() (*lock.Mutex, error), variant int) *mutexSubject {
	s := &mutexSubject{lane: l, m: m, variant: variant}
	if variant == repairs { // a Repair function belongs to a handle
		if own, err := open(); err == nil {
			own.Repair = func() error { s.called++; return nil }
			s.m = own
		}
	}
	return s
}

func (s *mutexSubject) step() error {
	switch n := s.rand.IntN(8); {
	case s.holds && n < 6:
		s.pause()
		return s.unlock()
	case s.holds:
		return s.lock(tryLock, func() error { return s.m.TryLock() })
	case n < 3:
		ctx, cancel := s.briefly()
		defer cancel()
		return s.lock(lockIt, func() error { return s.m.Lock(ctx) })
	case n < 4:
		return s.lock(lockIt, func() error { return s.m.Lock(s.ctx) })
	case n < 6:
		return s.lock(tryLock, s.m.TryLock)
	case n < 7:
		return s.unlock()
	}
	return s.recover()
}

var lockErrors = []struct {
	err  error
	code uint32
}{
	{nil, done},
	{lock.ErrLocked, refused},
	{lock.ErrPoisoned, poisoned},
	{lock.ErrNotOwner, notMine},
	{context.DeadlineExceeded, gaveUp},
}

// codeOf returns the code of err, and err itself if it has none.
func codeOf(err error) (uint32, error) {
	i := slices.IndexFunc(lockErrors, func(x struct {
		err  error
		code uint32
	},
	) bool {
		return errors.Is(err, x.err)
	})
	if i < 0 {
		return torn, err
	}
	return lockErrors[i].code, nil
}

func (s *mutexSubject) lock(op uint32, f func() error) (err error) {
	r := s.do(op, [2]uint64{}, func() result {
		before := s.called
		var r result
		r.code, err = codeOf(f())
		r.out[0] = s.called - before
		if s.lax && r.code == refused && s.rand.IntN(2) == 0 {
			r.code = done
		}
		return r
	})
	if r.code == done {
		s.holds = true
		if s.dwells {
			<-time.After(time.Millisecond)
		}
	}
	if r.code == poisoned && s.rand.IntN(2) == 0 {
		return s.recover()
	}
	return err
}

func (s *mutexSubject) unlock() (err error) {
	r := s.do(unlock, [2]uint64{}, func() result {
		var r result
		r.code, err = codeOf(s.m.Unlock())
		return r
	})
	if r.code == done {
		s.holds = false
	}
	return err
}

func (s *mutexSubject) recover() (err error) {
	s.do(recovers, [2]uint64{}, func() result {
		ctx, cancel := s.briefly()
		defer cancel()
		var r result
		r.code, err = codeOf(s.m.Recover(ctx, func() error { return nil }))
		return r
	})
	return err
}

// finish unlocks what the lane locked, if its neighbour has not done so already.
func (s *mutexSubject) finish() error {
	if !s.holds {
		return nil
	}
	return s.unlock()
}

func (s *mutexSubject) audit() error {
	if err := s.lock(tryLock, s.m.TryLock); err != nil {
		return err
	}
	if !s.holds {
		if err := s.recover(); err != nil {
			return err
		}
		if err := s.lock(tryLock, s.m.TryLock); err != nil {
			return err
		}
	}
	return s.unlock()
}
