//go:build linux

package linear

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
)

// The faults that the proof must find.

// at makes a call between two times, by lane and process p.
func at(p int, from, to int64, op, code uint32, in, out [2]uint64) call {
	return call{op: op, code: code, in: in, out: out, begin: from, end: to, lane: p, proc: p}
}

// killed makes a call that did not return before the repair, at time to.
func killed(p int, from, to int64, op uint32, in [2]uint64) call {
	c := at(p, from, to, op, done, in, [2]uint64{})
	c.pending = true
	return c
}

type numbers = [2]uint64

// written is a history that somebody has written by hand.
type written struct {
	name    string
	kind    kind
	variant int
	right   bool
	calls   []call
	deaths  []death
}

// firstDies is the death of process 0.
func firstDies() []death { return []death{{proc: 0, from: 15, to: 30}} }

// TestProofLinearHistories has histories that must be refused, each beside one
// that differs little and is right.
func TestProofLinearHistories(t *testing.T) {
	first := firstDies()
	rows := []written{
		{"an event goes up", eventKind(), 0, true, []call{
			at(0, 1, 4, await, done, numbers{}, numbers{}),
			at(1, 2, 3, raise, done, numbers{}, numbers{}),
			at(1, 5, 6, isUp, done, numbers{}, numbers{1}),
		}, nil},
		{"a wait for an event that is down ends", eventKind(), 0, false, []call{
			at(1, 1, 2, raise, done, numbers{}, numbers{}),
			at(1, 3, 4, lower, done, numbers{}, numbers{}),
			at(0, 5, 6, await, done, numbers{}, numbers{}),
		}, nil},
		{"a Set is lost", eventKind(), 0, false, []call{
			at(1, 1, 2, raise, done, numbers{}, numbers{}),
			at(0, 3, 4, isUp, done, numbers{}, numbers{}),
		}, nil},
		{"a writer comes after a dead reader", rwKind(), 0, true, []call{
			at(0, 1, 2, readLock, done, numbers{}, numbers{}),
			at(1, 16, 32, writeLock, done, numbers{}, numbers{}),
		}, first},
		{"a writer beside a reader", rwKind(), 0, false, []call{
			at(0, 1, 2, readLock, done, numbers{}, numbers{}),
			at(1, 3, 4, writeLock, done, numbers{}, numbers{}),
		}, nil},
		{"a dead writer stays", rwKind(), 0, false, []call{
			at(0, 1, 2, writeLock, done, numbers{}, numbers{}),
			at(1, 31, 32, tryReadLock, refused, numbers{}, numbers{}),
		}, first},
		{"a number stays taken", tableKind(), 0, true, []call{
			at(0, 1, 2, allocate, done, numbers{}, numbers{0}),
			at(1, 31, 32, allocate, refused, numbers{}, numbers{}),
			at(1, 33, 34, free, done, numbers{}, numbers{}),
		}, first},
		{"a number is taken twice", tableKind(), 1, false, []call{
			at(0, 1, 2, allocate, done, numbers{}, numbers{1}),
			at(1, 3, 4, allocateAt, done, numbers{1}, numbers{}),
		}, nil},
		{"a table is called full that never was", tableKind(), 1, false, []call{
			at(0, 1, 2, allocate, done, numbers{}, numbers{0}),
			at(1, 3, 9, allocate, refused, numbers{}, numbers{}),
			at(0, 4, 5, free, done, numbers{0}, numbers{}),
			at(0, 6, 7, allocateAt, done, numbers{1}, numbers{}),
		}, nil},
		{"a message", queueKind(), 1, true, []call{
			at(0, 1, 2, put, done, numbers{7}, numbers{}),
			at(1, 3, 4, tryGet, done, numbers{}, numbers{7}),
		}, nil},
		{"a message is lost", queueKind(), 1, false, []call{
			at(0, 1, 2, put, done, numbers{7}, numbers{}),
			at(1, 3, 4, tryGet, refused, numbers{}, numbers{}),
		}, nil},
		{"a message is delivered twice", queueKind(), 1, false, []call{
			at(0, 1, 2, put, done, numbers{7}, numbers{}),
			at(1, 3, 6, tryGet, done, numbers{}, numbers{7}),
			at(2, 3, 6, get, done, numbers{}, numbers{7}),
		}, nil},
		{"a message from nowhere", queueKind(), 1, false, []call{
			at(1, 3, 4, tryGet, done, numbers{}, numbers{0}),
		}, nil},
		{"a message overtakes", queueKind(), 1, false, []call{
			at(0, 1, 2, put, done, numbers{7}, numbers{}),
			at(0, 3, 4, put, done, numbers{8}, numbers{}),
			at(1, 5, 6, get, done, numbers{}, numbers{8}),
			at(1, 7, 8, get, done, numbers{}, numbers{7}),
		}, nil},
		{"one more than fits", queueKind(), 0, false, []call{
			at(0, 1, 2, put, done, numbers{7}, numbers{}),
			at(0, 3, 4, put, done, numbers{8}, numbers{}),
		}, nil},
		{"two at once, one more than fits", queueKind(), 0, true, []call{
			at(0, 1, 4, tryPut, done, numbers{7}, numbers{}),
			at(1, 1, 4, tryPut, done, numbers{8}, numbers{}),
		}, nil},
		{"two at once, and later one more", queueKind(), 0, false, []call{
			at(0, 1, 4, tryPut, done, numbers{7}, numbers{}),
			at(1, 1, 4, tryPut, done, numbers{8}, numbers{}),
			at(2, 5, 6, tryPut, done, numbers{9}, numbers{}),
		}, nil},
		{"full with room", queueKind(), 1, false, []call{
			at(0, 1, 2, put, done, numbers{7}, numbers{}),
			at(0, 3, 4, tryPut, refused, numbers{8}, numbers{}),
		}, nil},
		{"a killed put was done", queueKind(), 1, true, []call{
			killed(0, 10, 30, put, numbers{7}),
			at(1, 31, 32, get, done, numbers{}, numbers{7}),
		}, first},
		{"a killed put was not done", queueKind(), 1, true, []call{
			killed(0, 10, 30, put, numbers{7}),
			at(1, 31, 32, tryGet, refused, numbers{}, numbers{}),
		}, first},
		{"a killed put is done after the repair", queueKind(), 1, false, []call{
			killed(0, 10, 30, put, numbers{7}),
			at(1, 31, 32, tryGet, refused, numbers{}, numbers{}),
			at(1, 33, 34, get, done, numbers{}, numbers{7}),
		}, first},
		{"a delivery comes back first", queueKind(), 1, true, []call{
			at(1, 1, 2, put, done, numbers{7}, numbers{}),
			at(1, 3, 4, put, done, numbers{8}, numbers{}),
			at(0, 5, 6, receive, done, numbers{}, numbers{7, 1}),
			at(2, 31, 32, receive, done, numbers{}, numbers{7, 2}),
			at(2, 33, 34, receive, done, numbers{}, numbers{8, 1}),
		}, first},
		{"a delivery comes back last", queueKind(), 1, false, []call{
			at(1, 1, 2, put, done, numbers{7}, numbers{}),
			at(1, 3, 4, put, done, numbers{8}, numbers{}),
			at(0, 5, 6, receive, done, numbers{}, numbers{7, 1}),
			at(2, 31, 32, receive, done, numbers{}, numbers{8, 1}),
			at(2, 33, 34, receive, done, numbers{}, numbers{7, 2}),
		}, first},
		{"a delivery dies with its process", queueKind(), 1, false, []call{
			at(1, 1, 2, put, done, numbers{7}, numbers{}),
			at(0, 5, 6, receive, done, numbers{}, numbers{7, 1}),
			at(2, 31, 32, tryGet, refused, numbers{}, numbers{}),
		}, first},
		{"a delivery comes back before the death", queueKind(), 1, false, []call{
			at(1, 1, 2, put, done, numbers{7}, numbers{}),
			at(0, 5, 6, receive, done, numbers{}, numbers{7, 1}),
			at(2, 7, 8, receive, done, numbers{}, numbers{7, 2}),
		}, first},
		{"a stale read", valueKind(), 0, false, []call{
			at(0, 1, 2, store, done, numbers{7}, numbers{}),
			at(1, 3, 4, load, done, numbers{}, numbers{0}),
		}, nil},
		{"an old or a new read", valueKind(), 0, true, []call{
			at(0, 1, 4, store, done, numbers{7}, numbers{}),
			at(1, 2, 5, load, done, numbers{}, numbers{0}),
			at(2, 2, 5, load, done, numbers{}, numbers{7}),
		}, nil},
		{"back in time", valueKind(), 0, false, []call{
			at(0, 1, 9, store, done, numbers{7}, numbers{}),
			at(1, 2, 3, load, done, numbers{}, numbers{7}),
			at(2, 4, 5, load, done, numbers{}, numbers{0}),
		}, nil},
		{"a torn read", valueKind(), 0, false, []call{
			at(1, 3, 4, load, torn, numbers{}, numbers{}),
		}, nil},
		{"a lost update", valueKind(), 0, false, []call{
			at(0, 1, 4, update, done, numbers{7}, numbers{0}),
			at(1, 1, 4, update, done, numbers{8}, numbers{0}),
		}, nil},
		{"a killed store appears, and goes", valueKind(), 0, false, []call{
			killed(0, 10, 30, store, numbers{7}),
			at(1, 31, 32, load, done, numbers{}, numbers{7}),
			at(1, 33, 34, load, done, numbers{}, numbers{0}),
		}, first},
		{"a lost sum", atomicKind(), 0, false, []call{
			at(0, 1, 4, add, done, numbers{1}, numbers{1}),
			at(1, 1, 4, add, done, numbers{1}, numbers{1}),
		}, nil},
		{"two exchanges of one number", atomicKind(), 1, false, []call{
			at(0, 1, 4, compare, done, numbers{0, 1}, numbers{1}),
			at(1, 1, 4, compare, done, numbers{0, 2}, numbers{1}),
		}, nil},
		{"two holders", mutexKind(), releases, false, []call{
			at(0, 1, 4, lockIt, done, numbers{}, numbers{}),
			at(1, 5, 6, tryLock, done, numbers{}, numbers{}),
		}, nil},
		{"a free mutex is refused", mutexKind(), releases, false, []call{
			at(1, 5, 6, tryLock, refused, numbers{}, numbers{}),
		}, nil},
		{"no poison", mutexKind(), poisons, false, []call{
			at(0, 1, 4, lockIt, done, numbers{}, numbers{}),
			at(1, 31, 32, tryLock, done, numbers{}, numbers{}),
		}, first},
		{"poison, and its end", mutexKind(), poisons, true, []call{
			at(0, 1, 4, lockIt, done, numbers{}, numbers{}),
			at(1, 31, 32, tryLock, poisoned, numbers{}, numbers{}),
			at(1, 33, 34, recovers, done, numbers{}, numbers{}),
			at(1, 35, 36, tryLock, done, numbers{}, numbers{}),
		}, first},
		{"poison where nobody died holding", mutexKind(), poisons, false, []call{
			at(0, 1, 4, lockIt, done, numbers{}, numbers{}),
			at(0, 5, 6, unlock, done, numbers{}, numbers{}),
			at(1, 31, 32, tryLock, poisoned, numbers{}, numbers{}),
		}, first},
		{"taken from the living", mutexKind(), releases, false, []call{
			at(0, 1, 4, lockIt, done, numbers{}, numbers{}),
			at(1, 5, 14, lockIt, done, numbers{}, numbers{}),
		}, first},
		{"repaired twice", mutexKind(), repairs, false, []call{
			at(0, 1, 4, lockIt, done, numbers{}, numbers{}),
			at(1, 31, 32, lockIt, done, numbers{}, numbers{1}),
			at(1, 33, 34, unlock, done, numbers{}, numbers{}),
			at(1, 35, 36, lockIt, done, numbers{}, numbers{1}),
		}, first},
		{"more permits than there are", semaphoreKind(), 1, false, []call{
			at(0, 1, 4, acquire, done, numbers{2}, numbers{}),
			at(1, 5, 6, tryAcquire, done, numbers{2}, numbers{}),
		}, nil},
		{"permits die with their holder", semaphoreKind(), 1, false, []call{
			at(0, 1, 4, acquire, done, numbers{2}, numbers{}),
			at(1, 31, 32, available, done, numbers{}, numbers{1}),
		}, first},
		{"permits come back", semaphoreKind(), 1, true, []call{
			at(0, 1, 4, acquire, done, numbers{2}, numbers{}),
			killed(0, 10, 30, release, numbers{1}),
			at(1, 31, 32, available, done, numbers{}, numbers{3}),
		}, first},
		{"permits are minted", semaphoreKind(), 1, false, []call{
			at(0, 1, 4, acquire, done, numbers{2}, numbers{}),
			killed(0, 10, 30, release, numbers{2}),
			at(1, 31, 32, available, done, numbers{}, numbers{5}),
		}, first},
	}
	for _, row := range slices.Concat(rows, barrierHistories(), conditionHistories(), pipeHistories(), bytesHistories()) {
		t.Run(row.name, func(t *testing.T) {
			h := &history{variant: row.variant, calls: row.calls, deaths: row.deaths, lanes: 3}
			want := porcupine.Illegal
			if row.right {
				want = porcupine.Ok
			}
			if got, _, _ := verdict(row.kind, h); got != want {
				t.Errorf("it is %s, want %s\n%s", got, want, h)
			}
		})
	}
}

// broken are kinds whose operations have a fault, which shows only when several
// processes, or a death, meet.
func broken() []kind {
	stale, torn, lossy, double, lax, forgetful, generous := valueKind(), valueKind(), queueKind(), queueKind(), mutexKind(), mutexKind(), semaphoreKind()
	stale.name, stale.variants = "stale value", 1
	spoil(&stale, func(s *valueSubject[small]) { s.stale = true })
	torn.name, torn.variants = "torn value", 1
	spoil(&torn, func(s *valueSubject[small]) { s.halves = true })
	lossy.name = "lossy queue"
	spoil(&lossy, func(s *queueSubject) { s.fault = loses })
	double.name = "doubling queue"
	spoil(&double, func(s *queueSubject) { s.fault = doubles })
	lax.name = "lax mutex"
	spoil(&lax, func(s *mutexSubject) { s.lax = true })
	forgetful.name = "forgetful mutex"
	forgetful.create = func(ctx context.Context, seg *shm.Segment, name string, _ int) error {
		_, err := lock.CreateMutex(ctx, seg, name, lock.Spec{OnDeath: lock.Release})
		return err
	}
	spoil(&forgetful, func(s *mutexSubject) { s.dwells = true })
	generous.name = "generous semaphore"
	generous.create = func(ctx context.Context, seg *shm.Segment, name string, variant int) error {
		_, err := semaphore.Create(ctx, seg, name, semaphore.Spec{Permits: permits(variant) + 1})
		return err
	}
	selfish, hasty := rwKind(), tableKind()
	selfish.name = "selfish rwmutex"
	spoil(&selfish, func(s *rwSubject) { s.selfish = true })
	hasty.name = "hasty table"
	spoil(&hasty, func(s *tableSubject) { s.hasty = true })
	early := barrierKind()
	early.name = "early barrier"
	spoil(&early, func(s *barrierSubject) { s.hasty = true })
	deaf := conditionKind()
	deaf.name = "deaf condition"
	spoil(&deaf, func(s *conditionSubject) { s.deaf = true })
	numbered := tableMutexKind()
	numbered.name = "forgetful mutex of a table"
	numbered.create = func(ctx context.Context, seg *shm.Segment, name string, _ int) error {
		t, err := lock.CreateTable(ctx, seg, name, lock.TableSpec{Len: 3, OnDeath: lock.Release})
		if err != nil {
			return err
		}
		return t.AllocAt(tableMutex)
	}
	spoil(&numbered, func(s *mutexSubject) { s.dwells = true })
	careless := pipeKind()
	careless.name, careless.variants = "careless pipe", 1
	spoil(&careless, func(s *pipeSubject[small]) { s.rash = true })
	halving := bytesKind()
	halving.name = "halving pipe"
	spoil(&halving, func(s *bytesSubject) { s.halves = true })
	return []kind{stale, torn, lossy, double, lax, forgetful, generous, selfish, hasty, early, deaf, numbered, careless, halving}
}

// spoil gives the children's subjects of k a fault.
func spoil[S subject](k *kind, fault func(S)) {
	open := k.open
	k.open = func(ctx context.Context, seg *shm.Segment, name string, variant int) (func(*lane) subject, error) {
		f, err := open(ctx, seg, name, variant)
		return func(l *lane) subject {
			s := f(l)
			if broken, ok := s.(S); ok && l.number > 0 { // not the leader
				fault(broken)
			}
			return s
		}, err
	}
}

// The faults of a queue.
const (
	loses   = iota + 1 // what it gets while nobody looks
	doubles            // gives back what it has got
)

// spoiltGet gets with the fault.
func (s *queueSubject) spoiltGet(f func() (small, error)) (small, error) {
	switch {
	case s.fault == loses && s.rand.IntN(4) == 0:
		_, _ = s.q.TryGet()
	case s.fault == doubles:
		d, err := s.q.TryReceive()
		if err != nil {
			return small{}, queue.ErrEmpty
		}
		defer d.Nack()
		return *d.Value(), nil
	}
	return f()
}

// mostHistories is how many there are for a fault to be found, of which most are
// found in the first.
const mostHistories = 4000

// TestProofLinearCatches has real processes work on broken objects.
func TestProofLinearCatches(t *testing.T) {
	for _, k := range broken() {
		t.Run(strings.ReplaceAll(k.name, " ", "-"), func(t *testing.T) {
			histories := 0
			for histories < mostHistories {
				c := newCrew(t, k)
				for i := range roundsOfCrew {
					histories++
					if result, _, _ := verdict(k, c.play(i%3)); result == porcupine.Illegal {
						c.end()
						t.Logf("found in history %d", histories)
						return
					}
				}
				c.end()
			}
			t.Errorf("not found in %d histories", histories)
		})
	}
}
