package scripts_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/semaphore"
)

const nobody = -1

// FuzzMutexScript compares a mutex with two variables.
func FuzzMutexScript(f *testing.F) {
	const ops = 9
	f.Add(true, everything(ops))
	f.Add(false, everything(ops))
	f.Add(true, []byte{0, 0, 18, 0, 1, 0, 13, 0, 1, 0})
	f.Fuzz(func(t *testing.T, poison bool, script []byte) {
		tr := gather(t)
		spec := lock.Spec{OnDeath: lock.Release}
		if poison {
			spec.OnDeath = lock.Poison
		}
		var ms [size]*lock.Mutex
		for p := range ms {
			m, err := lock.OpenOrCreateMutex(bg(), tr.segs[p], "m", spec)
			ms[p] = must(tr, m, err)
		}
		owner, poisoned := nobody, false
		state := func(free error) error {
			switch {
			case poisoned:
				return lock.ErrPoisoned
			case owner != nobody:
				return lock.ErrLocked
			}
			return free
		}
		gone := func(p int) {
			if owner == p {
				owner, poisoned = nobody, poison
			}
			m, err := lock.OpenMutex(bg(), tr.segs[p], "m")
			ms[p] = must(tr, m, err)
		}
		unlock := func(p int) error {
			if owner != p {
				return lock.ErrNotOwner
			}
			owner = nobody
			return nil
		}
		tr.play(script, func(op, p, arg int) {
			m := ms[p]
			switch op % ops {
			case 0, 1:
				want := state(nil)
				tr.same("TryLock", p, m.TryLock(), want)
				if want == nil {
					owner = p
				}
			case 2:
				if want := state(nil); !errors.Is(want, lock.ErrLocked) {
					tr.same("Lock", p, m.Lock(bg()), want)
					if want == nil {
						owner = p
					}
				}
			case 3, 4:
				tr.same("Unlock", p, m.Unlock(), unlock(p))
			case 5:
				if owner != nobody && !poisoned {
					return // Recover may wait for the owner
				}
				called := false
				var result error
				if arg%2 == 1 {
					result = errNo
				}
				err := m.Recover(bg(), func() error { called = true; return result })
				equal(tr, "Recover calls", p, called, poisoned)
				if !poisoned {
					result = nil
				}
				tr.same("Recover", p, err, result)
				poisoned = poisoned && result != nil
			case 6:
				tr.die(p)
				gone(p)
			case 7:
				tr.close(p)
				gone(p)
			case 8:
				_, held := m.Holder()
				equal(tr, "Holder", p, held, owner != nobody || poisoned)
			}
		})
	})
}

// FuzzSemaphoreScript compares a semaphore with a few numbers.
func FuzzSemaphoreScript(f *testing.F) {
	const ops = 8
	f.Add(true, byte(3), everything(ops))
	f.Add(false, byte(3), everything(ops))
	f.Add(true, byte(1), []byte{0, 0, 18, 0, 1, 0, 13, 0, 1, 0})
	f.Fuzz(func(t *testing.T, bounded bool, permits byte, script []byte) {
		tr := gather(t)
		spec := semaphore.Spec{Kind: semaphore.Signal, Permits: int(permits % 8)}
		if bounded {
			spec = semaphore.Spec{Kind: semaphore.Bounded, Permits: int(permits%8) + 1}
		}
		var ss [size]*semaphore.Semaphore
		for p := range ss {
			s, err := semaphore.OpenOrCreate(bg(), tr.segs[p], "s", spec)
			ss[p] = must(tr, s, err)
		}
		free := spec.Permits
		var held [size]int
		gone := func(p int) {
			free += held[p]
			held[p] = 0
			s, err := semaphore.Open(bg(), tr.segs[p], "s")
			ss[p] = must(tr, s, err)
		}
		acquire := func(p, n int) error {
			switch {
			case n < 1 || bounded && n > spec.Permits:
				return fs.ErrInvalid
			case free < n:
				return semaphore.ErrNoPermit
			}
			free -= n
			if bounded {
				held[p] += n
			}
			return nil
		}
		release := func(p, n int) error {
			switch {
			case n < 1:
				return fs.ErrInvalid
			case bounded && held[p] < n:
				return semaphore.ErrNotHeld
			case bounded:
				held[p] -= n
			}
			free += n
			return nil
		}
		tr.play(script, func(op, p, arg int) {
			s, n := ss[p], arg%6
			switch op % ops {
			case 0, 1:
				tr.same("TryAcquire", p, s.TryAcquire(n), acquire(p, n))
			case 2:
				if free >= n {
					tr.same("Acquire", p, s.Acquire(bg(), n), acquire(p, n))
				}
			case 3, 4:
				tr.same("Release", p, s.Release(n), release(p, n))
			case 5:
				if free < n {
					return
				}
				want := acquire(p, n)
				ran := false
				err := s.Do(bg(), n, func() error { ran = true; return nil })
				tr.same("Do", p, err, want)
				equal(tr, "Do calls", p, ran, want == nil)
				if want == nil {
					tr.same("Do's end", p, nil, release(p, n))
				}
			case 6:
				tr.die(p)
				gone(p)
			case 7:
				tr.close(p)
				gone(p)
			}
			equal(tr, "Available", p, ss[p].Available(), free)
			equal(tr, "Held", p, ss[p].Held(), held[p])
		})
	})
}

// FuzzEventScript compares an event with a flag.
func FuzzEventScript(f *testing.F) {
	const ops = 6
	f.Add(everything(ops))
	f.Fuzz(func(t *testing.T, script []byte) {
		tr := gather(t)
		var es [size]*lock.Event
		open := func(p int) {
			e, err := lock.OpenOrCreateEvent(bg(), tr.segs[p], "e")
			es[p] = must(tr, e, err)
		}
		for p := range es {
			open(p)
		}
		set := false
		tr.play(script, func(op, p, _ int) {
			switch op % ops {
			case 0:
				es[p].Set()
				set = true
			case 1:
				es[p].Clear()
				set = false
			case 2:
				if set {
					tr.same("Wait", p, es[p].Wait(bg()), nil)
				}
			case 4:
				tr.die(p)
				open(p)
			case 5:
				tr.close(p)
				open(p)
			}
			equal(tr, "IsSet", p, es[p].IsSet(), set)
		})
	})
}
