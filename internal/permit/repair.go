package permit

import (
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// Repair is object.Core's.
func (c *Core) Repair(d object.Dead) {
	if d.Slot == 0 {
		return
	}
	if q := claim(c.head.queue.Load()); q.slot() == d.Slot {
		c.unclaim(q)
	}
	if c.signal {
		// The reserved permits are the owner's of bulk: first they, then it.
		if c.gatherer() == d.Slot {
			c.unreserve()
		}
	} else {
		c.returnAll(d.Slot)
	}
	robust.Repair(&c.head.bulk, policy, d)
	c.ringAll()
}

// Leave is object.Core's. What a goroutine gathers it returns itself, because
// only it can tell when it takes no more.
func (c *Core) Leave(slot uint32) {
	if c.signal || slot == 0 {
		return
	}
	c.returnAll(slot)
	c.ringAll()
}

// returnAll returns what slot holds, in its name.
func (c *Core) returnAll(slot uint32) {
	if int(slot) >= len(c.accounts) {
		return
	}
	for {
		n, err := c.give(slot, 0, maxChange, nil)
		if err != nil {
			c.forget(slot)
			return
		}
		if n == 0 {
			return
		}
	}
}

// forget ends the account of slot when the books are corrupt: what it held
// cannot be known. Check reports what is wrong.
func (c *Core) forget(slot uint32) {
	t := tally(c.head.tally.Load())
	number := entry(c.accounts[slot].entry.Load()).number()
	if t.slot() == slot {
		number = t.number() // so that the change is not pending
	}
	c.accounts[slot].entry.Store(uint64(newEntry(0, number)))
}

// gatherer returns the slot of the owner of bulk, 0 if there is none.
func (c *Core) gatherer() uint32 {
	var slot uint32
	bulk := robust.Core{Words: &c.head.bulk, Policy: policy}
	bulk.Holds(func(h object.Hold) bool {
		slot = h.Slot
		return false
	})
	return slot
}
