package hashmap

import (
	"fmt"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// Repair is object.Core's: it ends what the dead one was about in the stripes
// whose locks it holds, and then gives those back.
func (c *Core) Repair(d object.Dead) {
	for s := range c.stripes {
		lock := &c.stripes[s].lock
		if owner, _ := lock.Owner(); owner == d.Slot && d.Slot != 0 {
			c.mendStripe(uint32(s))
		}
		robust.Repair(lock, robust.Release, d)
	}
}

// mendStripe makes a stripe whole whose lock a dead participant holds: nobody else
// changes its chains, or claims for it.
func (c *Core) mendStripe(s uint32) {
	seen, reached := newMarks(c), newMarks(c)
	count, whole := uint32(0), true
	for b := s; b < c.places.buckets; b += c.places.stripes {
		n, ok := c.mendChain(b, seen, reached)
		count += n
		whole = whole && ok
		x := c.buckets[b].Load()
		// Also if nothing is to be unlinked: the dead one may have unlinked an entry,
		// and the bucket changes before an entry is free.
		c.buckets[b].Store(nextBucket(x, uint32(x&headMask))) // commit; pairs with: hashmap.bucket (look)
	}
	if !whole {
		return // what was not reached may be behind what cannot be read
	}
	for i := range uint32(len(c.owners)) {
		switch owner := c.owners[i].Load(); {
		case owner == s+1 && !reached.has(i):
			c.free(i)
		case owner == 0:
			c.clearBit(i) // who died freeing it may have come no further
		}
	}
	c.stripes[s].count.Store(count)
	c.countFreed(&c.stripes[s])
}

// mendChain unlinks the entries of a chain that are not live, and marks and counts
// the others. It reports whether the chain has an end.
func (c *Core) mendChain(b uint32, seen, reached marks) (count uint32, ok bool) {
	at := spot{bucket: b, link: uint32(c.buckets[b].Load() & headMask)}
	for at.link != 0 {
		if !c.within(at.link) || !seen.set(at.index()) {
			return count, false
		}
		e := c.entries.At(at.index())
		next := e.next.Load()
		if e.meta.Load()&live == 0 {
			c.unlink(at)
		} else {
			reached.set(at.index())
			count++
			at.prev = at.link
		}
		at.link = next
	}
	return count, true
}

// marks is a set of entries.
type marks []uint64

func newMarks(c *Core) marks { return make(marks, len(c.bitmap)) }

func (m marks) has(i uint32) bool { return m[i/64]>>(i%64)&1 != 0 }

// set adds i, and reports whether it was not there.
func (m marks) set(i uint32) bool {
	fresh := !m.has(i)
	m[i/64] |= 1 << (i % 64)
	return fresh
}

// Leave is object.Core's. Only goroutines inside of operations hold locks, and
// they give them back themselves.
func (c *Core) Leave(uint32) {}

// Holds is object.Core's: those who change something.
func (c *Core) Holds(yield func(object.Hold) bool) {
	for s := range c.stripes {
		if !robust.Holds(&c.stripes[s].lock, yield) {
			return
		}
	}
}

// State is object.Core's.
func (c *Core) State() string { return fmt.Sprintf("%d of %d entries", c.Len(), c.spec.Cap) }
