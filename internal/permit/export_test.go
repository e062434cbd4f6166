package permit

import (
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// Tally returns the word of a Bounded semaphore with free permits and a pending
// change of slot, for tests that begin in the middle.
func (c *Core) Tally() (free, change int64, slot, number uint32, sealed bool) {
	t := tally(c.head.tally.Load())
	return t.free(), t.change(), t.slot(), t.number(), t.sealed()
}

// SetNumbers makes the next change of every slot have the number n plus one. The
// semaphore must be at rest and new.
func (c *Core) SetNumbers(n uint32) {
	for i := range c.accounts {
		c.accounts[i].entry.Store(uint64(newEntry(0, n)))
	}
}

// SettleLate settles a sealed change of slot that was seen when it had the number
// n, but was booked since: as does a process that was stopped in between.
func (c *Core) SettleLate(change int64, slot, n uint32) error {
	_, _, err := c.settle(newTally(0, change, slot, n) | sealedBit)
	return err
}

// Asleep reports whether somebody sleeps, or is about to, or was just woken.
func (c *Core) Asleep() bool { return c.head.bell.Load()&bellBits != quiet }

// Claimant returns the slot that has put up a claim, 0 if none.
func (c *Core) Claimant() uint32 { return claim(c.head.queue.Load()).slot() }

// PutClaim puts up a claim as slot would.
func (c *Core) PutClaim(slot uint32, need int64) {
	c.head.queue.Store(uint64(claim(c.head.queue.Load()).next(slot, need)))
}

// Reserved returns the permits that a gatherer of a Signal semaphore has put aside.
func (c *Core) Reserved() int64 { return stock(c.head.tally.Load()).reserved() }

// Gatherer returns the slot that gathers, 0 if none.
func (c *Core) Gatherer() uint32 { return c.gatherer() }

// CoreOf returns the semaphore that s is a side of.
func CoreOf(s *Semaphore) *Core { return s.core }

// Pledged returns what is in the account of s and no user's to release.
func Pledged(s *Semaphore) int64 { return s.local.pledged.Load() }

// WakeSleepers wakes who sleeps without changing the word.
func (c *Core) WakeSleepers() { wakeUnchanged(&c.head.bell) }

func wakeUnchanged(word *satomic.Uint32) { wait.Wake(word, wait.All) }
