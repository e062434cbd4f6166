package permit

import (
	"fmt"
	"sync/atomic"

	"github.com/shoal-ipc/shoal/internal/mem"
)

// The operations of a Bounded semaphore on its books. Each is one step of one
// participant, named by slot, of at most maxChange permits: it takes effect by
// one compare-and-swap of the tally. None of them waits; a step is repeated only
// because another participant completed one. Repair calls them in the name of
// the dead.

// read returns the tally, or an error if no correct process writes it.
func (c *Core) read() (tally, error) {
	t := tally(c.head.tally.Load()) // pairs with: permit.tally (Acquire)
	if t.free() > c.limit {
		return t, mem.Corrupt("semaphore.tally", offsetTally, fmt.Sprintf("%d permits free", t.free()), fmt.Sprintf("at most %d", c.limit))
	}
	if int(t.slot()) >= len(c.accounts) {
		return t, mem.Corrupt("semaphore.tally", offsetTally, fmt.Sprintf("slot %d", t.slot()), fmt.Sprintf("at most %d", len(c.accounts)-1))
	}
	return t, nil
}

func (c *Core) unchanged(t tally) bool { return tally(c.head.tally.Load()) == t }

// take takes between least and most permits for slot, as many as are free, and
// returns how many: 0 if fewer than least are free.
func (c *Core) take(slot uint32, least, most int64) (int64, error) {
	for {
		t, err := c.read()
		if err != nil {
			return 0, err
		}
		if t.free() < least {
			return 0, nil
		}
		n := min(most, t.free())
		if t.open(slot) && t.change()-n >= -maxChange {
			if c.head.tally.CompareAndSwap(uint64(t), uint64(t.add(-n))) {
				return n, nil
			}
			continue
		}
		t, ok, err := c.settle(t)
		if err != nil {
			return 0, err
		}
		if ok && c.begin(t, slot, -n, entry(c.accounts[slot].entry.Load())) {
			return n, nil
		}
	}
}

// give returns between least and most permits of slot, as many as it holds, and
// returns how many. If it holds fewer than least, besides those that keep counts
// (nil: none), it returns ErrNotHeld and nothing changes.
func (c *Core) give(slot uint32, least, most int64, keep *atomic.Int64) (int64, error) {
	for {
		t, err := c.read()
		if err != nil {
			return 0, err
		}
		if !t.open(slot) {
			var ok bool
			if t, ok, err = c.settle(t); err != nil {
				return 0, err
			} else if !ok {
				continue
			}
		}
		// While the tally stays as it is, so does the account.
		e := entry(c.accounts[slot].entry.Load()) // pairs with: permit.entry (settle)
		n, err := c.returnable(t, slot, e, keep)
		if (err != nil || n < least) && !c.unchanged(t) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if n < least {
			return 0, ErrNotHeld
		}
		if n = min(n, most); n == 0 {
			return 0, nil
		}
		if !t.open(slot) {
			if c.begin(t, slot, n, e) {
				return n, nil
			}
			continue
		}
		if t.change()+n <= maxChange {
			if c.head.tally.CompareAndSwap(uint64(t), uint64(t.add(n))) { // commit; pairs with: permit.tally (Acquire)
				return n, nil
			}
			continue
		}
		if _, _, err := c.settle(t); err != nil { // makes room for a new change
			return 0, err
		}
	}
}

// returnable returns how many permits slot, whose entry is e, can return.
func (c *Core) returnable(t tally, slot uint32, e entry, keep *atomic.Int64) (int64, error) {
	n := e.held()
	if t.slot() == slot {
		n = e.net(t)
	}
	if n < 0 || n > c.limit-t.free() {
		return 0, c.wrongEntry(slot, n, c.limit-t.free())
	}
	if keep != nil {
		n -= keep.Load()
	}
	return n, nil
}

// settle seals and books the change of t, and returns t sealed. It returns false
// if the tally was not t any more.
func (c *Core) settle(t tally) (tally, bool, error) {
	if !t.sealed() {
		if !c.head.tally.CompareAndSwap(uint64(t), uint64(t|sealedBit)) {
			return t, false, nil
		}
		t |= sealedBit
	}
	slot := t.slot()
	if slot == 0 {
		return t, true, nil
	}
	a := &c.accounts[slot].entry
	e := entry(a.Load())
	if !e.pending(t) {
		return t, true, nil
	}
	if !c.unchanged(t) {
		return t, false, nil // booked; and the entry may be one so much later that its number comes around again
	}
	if held := e.held() - t.change(); held < 0 || held > c.limit {
		return t, false, c.wrongEntry(slot, held, c.limit)
	}
	// Losing means that another booked it: nothing else changes this entry while
	// it lacks this change, and it has the change but once, for its number.
	a.CompareAndSwap(uint64(e), uint64(e.book(t))) // commit; pairs with: permit.entry (give)
	return t, true, nil
}

// begin replaces the booked change of t by the first one of slot, whose entry
// was e after t was booked, and reports whether the tally was still t.
func (c *Core) begin(t tally, slot uint32, n int64, e entry) bool {
	next := newTally(t.free()+n, n, slot, e.number()+1)
	return c.head.tally.CompareAndSwap(uint64(t), uint64(next)) // commit; pairs with: permit.tally (Acquire)
}

// wrongEntry returns the error for an account that cannot be.
func (c *Core) wrongEntry(slot uint32, held, most int64) error {
	return mem.Corrupt("semaphore.account", headerSize+accountSize*int64(slot), fmt.Sprintf("%d permits held", held), fmt.Sprintf("0 to %d", most))
}
