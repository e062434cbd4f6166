package permit

import (
	"sync/atomic"
	"time"
)

// patience is how long a waiter waits before newcomers make way for it, and how
// long a newcomer then does.
const patience = time.Millisecond

// turn is one goroutine's wait for permits.
type turn struct {
	began  time.Time
	short  int64 // permits it still lacks
	waited bool  // it has slept or lost its patience: no newcomer any more
	mine   claim // the claim that it put up, 0: none
	spared claim // the claim for which it left free permits alone, 0: none
}

// free returns the permits that anybody may take, for decisions that need not
// be right: it may be any number if the memory is corrupt.
func (c *Core) free() int64 {
	if c.signal {
		return stock(c.head.tally.Load()).free()
	}
	return tally(c.head.tally.Load()).free()
}

// claimed returns the claim for which a newcomer that wants between least and
// most permits must leave those that are free, or 0.
func (c *Core) claimed(least, most int64) claim {
	q := claim(c.head.queue.Load())
	if q.slot() == 0 {
		return 0
	}
	if free := c.free(); free < least || free-most >= q.need() {
		return 0 // there are too few anyway, or enough for both
	}
	return q
}

// defers reports whether the waiter t leaves free permits to a claimant, though
// it wants between least and most.
func (t *turn) defers(c *Core, least, most int64) bool {
	if t.waited {
		return false
	}
	q := c.claimed(least, most)
	if q == 0 || q == t.mine {
		return false
	}
	t.spared = q
	return true
}

// claim makes newcomers leave permits for t, unless they do so for somebody else.
func (t *turn) claim(c *Core, slot uint32) {
	q := claim(c.head.queue.Load())
	if q.slot() != 0 {
		return
	}
	next := q.next(slot, t.short)
	if c.head.queue.CompareAndSwap(uint64(q), uint64(next)) {
		t.mine = next
	}
}

// withdraw ends the claims that t is done with: its own, and one that stood in
// its way for a patience while there were permits: that claimant is stopped.
func (t *turn) withdraw(c *Core) {
	c.unclaim(t.mine)
	if t.spared != 0 && time.Since(t.began) >= patience {
		c.unclaim(t.spared)
	}
	t.mine, t.spared = 0, 0
}

// unclaim ends the claim q if it still stands.
func (c *Core) unclaim(q claim) {
	if q != 0 {
		c.head.queue.CompareAndSwap(uint64(q), uint64(q.none()))
	}
}

// deference is how long this process's TryAcquire has left permits alone for a
// claim, so that a claimant that is stopped does not make it fail for ever.
type deference struct {
	to    atomic.Uint64 // claim
	since atomic.Int64  // when it was first met, as time since epoch
}

// lasts reports whether TryAcquire is still to defer to q.
func (d *deference) lasts(q claim, now time.Duration) bool {
	if d.to.Load() != uint64(q) {
		d.since.Store(int64(now))
		d.to.Store(uint64(q))
		return true
	}
	return now-time.Duration(d.since.Load()) < patience
}
