package condition

import (
	"iter"
	"math/bits"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

func bit(slot uint32) uint64 { return 1 << (slot % 64) }

// slots yields the members of a set.
func (c *Core) slots(set []satomic.Uint64) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i := range set {
			for x := set[i].Load(); x != 0; x &= x - 1 {
				slot := 64*i + bits.TrailingZeros64(x)
				if slot >= len(c.places) || !yield(uint32(slot)) {
					return
				}
			}
		}
	}
}

// enter counts in one that waits, of slot. The caller holds the mutex.
func (c *Core) enter(slot uint32) {
	if c.ever[slot/64].Load()&bit(slot) == 0 {
		c.ever[slot/64].Or(bit(slot))
	}
	c.places[slot].counts.Add(oneWaiting)
}

// signal gives a signal to one that waits, of a slot other than but if it can be,
// and reports whether there was one.
func (c *Core) signal(but uint32) bool {
	for {
		slot, x := c.next(but)
		if slot == 0 {
			return false
		}
		p := &c.places[slot]
		if p.counts.CompareAndSwap(uint64(x), uint64(x-oneWaiting+oneSignal)) { // commit; pairs with: condition.counts (distribute)
			c.head.cursor.Store(slot)
			c.ring(slot)
			return true
		}
	}
}

// next returns the first slot after the cursor of which somebody waits, and its
// counts; 0 if there is none.
func (c *Core) next(but uint32) (uint32, counts) {
	cursor := c.head.cursor.Load()
	var first uint32
	var before counts
	for slot := range c.slots(c.ever) {
		x := counts(c.places[slot].counts.Load())
		if slot == 0 || slot == but || x.waiting() == 0 {
			continue
		}
		if slot > cursor {
			return slot, x
		}
		if first == 0 {
			first, before = slot, x
		}
	}
	return first, before
}

// ring wakes who sleeps on the slot's bell.
func (c *Core) ring(slot uint32) {
	if bell := &c.places[slot].bell; cell.Flagged(bell) {
		cell.Notify(bell)
	}
}

// broadcast gives a signal to all that wait, and rings the first one's bell. The
// caller holds the mutex.
func (c *Core) broadcast() {
	var first uint32
	for slot := range c.slots(c.ever) {
		for slot != 0 {
			x := counts(c.places[slot].counts.Load())
			n := counts(x.waiting())
			if n == 0 {
				break
			}
			if !c.places[slot].counts.CompareAndSwap(uint64(x), uint64(x-n*oneWaiting+n*oneSignal)) { // commit; pairs with: condition.counts (distribute)
				continue
			}
			if first == 0 {
				first = slot
			} else {
				c.due[slot/64].Or(bit(slot))
			}
			break
		}
	}
	if first != 0 {
		c.ring(first)
	}
}

// ringNext rings one bell that a Broadcast has left to ring.
func (c *Core) ringNext() {
	for slot := range c.slots(c.due) {
		if c.due[slot/64].And(^bit(slot))&bit(slot) == 0 {
			continue // another one has
		}
		if counts(c.places[slot].counts.Load()).signals() > 0 {
			c.ring(slot)
			return
		}
	}
}

// take uses up a signal of slot.
func (c *Core) take(slot uint32) {
	for {
		x := counts(c.places[slot].counts.Load())
		if x.signals() == 0 || c.places[slot].counts.CompareAndSwap(uint64(x), uint64(x-oneSignal)) {
			return
		}
	}
}
