package permit

import (
	"sync/atomic"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Quick is what it takes to take and return permits of a Bounded semaphore that a
// participant has to itself: one compare-and-swap, in the code of the caller, and
// every doubt is left to the long way. What it decides on is all in one word, or
// cannot change while that word stays as it is. It is part of the public handle, so
// that few loads come after each other. The caller looks after all but the permits:
// see semaphore.Semaphore. The zero Quick is of a semaphore that takes the long way
// always.
type Quick struct {
	Use     *object.Use // nil in a zero Quick
	head    *header
	entry   *satomic.Uint64 // of this participant's account
	pledged *atomic.Int64   // of local
	limit   int64
	own     tally // that of this participant, with nothing else in it
	sync    *race.Token
}

// Quick returns the quick way to s. There is none if this process may not write, or
// if the permits belong to nobody: those are a plain count, and have a way as quick
// but for the calls.
func (s *Semaphore) Quick() Quick { return s.quick }

// quickOf returns the quick way to s, of which all else is there.
func quickOf(s *Semaphore) Quick {
	if s.slot == 0 || s.core.signal {
		return Quick{}
	}
	return Quick{
		Use: s.use, head: s.core.head, entry: &s.core.accounts[s.slot].entry, pledged: &s.local.pledged,
		limit: s.core.limit, own: tally(s.slot) << slotShift, sync: s.sync,
	}
}

// Take takes n permits and reports whether it did. The caller then confirms that the
// segment is open, or gives them back by GiveBack.
func (q *Quick) Take(n int) bool {
	ok := false
	object.InlineIn(func() {
		if uint(n-1) < maxChange && claim(q.head.queue.Load()).slot() == 0 {
			t := tally(q.head.tally.Load()) // pairs with: permit.tally (Acquire)
			free := t.free()
			ok = free >= int64(n) && free <= q.limit && t&(slotMask<<slotShift|sealedBit) == q.own && t.change()-int64(n) >= -maxChange &&
				q.head.tally.CompareAndSwap(uint64(t), uint64(t.add(-int64(n))))
		}
	})
	return ok
}

// Taken tells the race detector, if race.Enabled, that Take was confirmed.
func (q *Quick) Taken() { q.sync.Acquire() }

// Giving tells the race detector, if race.Enabled, that Give follows.
func (q *Quick) Giving() { q.sync.Release() }

// Give returns n permits and reports whether it did. The caller then rings, if the
// bell is Awaited.
func (q *Quick) Give(n int) bool {
	ok := false
	object.InlineIn(func() {
		if uint(n-1) < maxChange {
			t := tally(q.head.tally.Load())
			if t&(slotMask<<slotShift|sealedBit) == q.own && t.change()+int64(n) <= maxChange {
				held := entry(q.entry.Load()).net(t)
				ok = int64(n) <= held-q.pledged.Load() && held <= q.limit-t.free() &&
					q.head.tally.CompareAndSwap(uint64(t), uint64(t.add(int64(n)))) // commit; pairs with: permit.tally (Acquire)
			}
		}
	})
	return ok
}

// Awaited reports whether somebody may sleep who wants what was returned.
func (q *Quick) Awaited() bool {
	return q.head.bell.Load()&bellBits != quiet // pairs with: permit.bell (announce)
}

// Ring wakes n sleepers, if there are any, for who found the bell Awaited in mapping.
func (s *Semaphore) Ring(mapping *object.Mapping, n int) {
	s.core.ring(int64(n))
	object.Unpin(mapping)
}

// GiveBack gives back n permits that Take took while the segment was closed, and
// returns fs.ErrClosed. The caller has pinned the mapping.
func (s *Semaphore) GiveBack(n int) error { return s.undo(int64(n)) }
