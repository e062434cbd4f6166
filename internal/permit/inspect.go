package permit

import (
	"fmt"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// looks is how often a reader looks again for books that nobody changes
// meanwhile, before it makes do with what it has.
const looks = 64

// Available returns the permits that are free now.
func (s *Semaphore) Available() int {
	m := s.pin()
	if m == nil {
		return 0
	}
	n := s.core.free()
	object.Unpin(m)
	return int(min(n, s.core.limit))
}

// Held returns the permits that this process holds; 0 for Signal.
func (s *Semaphore) Held() int {
	m := s.pin()
	if m == nil || s.core.signal || s.slot == 0 {
		return 0
	}
	l := s.local
	l.books.Lock()
	defer l.books.Unlock()
	n := s.core.holding(s.slot)
	object.Unpin(m)
	return int(max(n-l.pledged.Load(), 0))
}

// holding returns what slot holds; a hint if the books never stand still.
func (c *Core) holding(slot uint32) int64 {
	var n int64
	for range looks {
		t := tally(c.head.tally.Load())
		e := entry(c.accounts[slot].entry.Load())
		n = e.held()
		if t.slot() == slot {
			n = e.net(t)
		}
		if c.unchanged(t) {
			break
		}
	}
	return n
}

// Check is object.Core's.
func (c *Core) Check(live func(slot uint32) bool) []error {
	errs := robust.Check(&c.head.bulk, policy, offsetBulk, live)
	if q := claim(c.head.queue.Load()); q.slot() != 0 && !live(q.slot()) && claim(c.head.queue.Load()) == q {
		errs = append(errs, mem.Corrupt("semaphore.queue", offsetQueue, fmt.Sprintf("slot %d", q.slot()), "a participant"))
	}
	if c.signal {
		return c.checkStock(errs)
	}
	for range looks {
		if found, ok := c.checkBooks(live); ok {
			return append(errs, found...)
		}
	}
	return errs // too busy to tell
}

func (c *Core) checkStock(errs []error) []error {
	s, err := c.readStock()
	if err != nil {
		return append(errs, err)
	}
	if s.reserved() != 0 && c.gatherer() == 0 && stock(c.head.tally.Load()) == s {
		errs = append(errs, mem.Corrupt("semaphore.tally", offsetTally, fmt.Sprintf("%d permits reserved", s.reserved()), "0 while nobody gathers"))
	}
	return errs
}

// checkBooks verifies that no permit is lost or minted, and reports whether the
// books stood still meanwhile.
func (c *Core) checkBooks(live func(slot uint32) bool) ([]error, bool) {
	t, err := c.read()
	if err != nil {
		return []error{err}, true
	}
	var errs []error
	var sum int64
	for i := range c.accounts {
		slot := uint32(i)
		e := entry(c.accounts[i].entry.Load())
		n := e.held()
		if t.slot() == slot {
			n = e.net(t)
		}
		if n < 0 || n > c.limit {
			errs = append(errs, c.wrongEntry(slot, n, c.limit))
		} else if n != 0 && (slot == 0 || !live(slot)) {
			errs = append(errs, c.wrongEntry(slot, n, 0))
		}
		sum += n
	}
	if len(errs) == 0 && t.free()+sum != c.limit {
		errs = append(errs, mem.Corrupt("semaphore.tally", offsetTally, fmt.Sprintf("%d permits free and %d held", t.free(), sum), fmt.Sprintf("%d together", c.limit)))
	}
	return errs, c.unchanged(t)
}

// Holds is object.Core's.
func (c *Core) Holds(yield func(object.Hold) bool) {
	for i := 1; i < len(c.accounts); i++ {
		n := c.holding(uint32(i))
		if n > 0 && n <= c.limit && !yield(object.Hold{Slot: uint32(i), Count: int(n), What: "permit"}) {
			return
		}
	}
}

// State is object.Core's.
func (c *Core) State() string {
	free := c.free()
	if c.signal {
		return fmt.Sprintf("%d free", free)
	}
	return fmt.Sprintf("%d of %d free", free, c.limit)
}
