package permit

// The operations of a participant that has the semaphore to itself: one
// compare-and-swap, and every doubt is left to the long way. What they decide on
// is all in one word, or cannot change while that word stays as it is.

// takeFast takes n permits and reports whether it did.
func (s *Semaphore) takeFast(n int) bool {
	c, want := s.core, int64(n)
	if uint(n-1) >= maxChange || s.slot == 0 || claim(c.head.queue.Load()).slot() != 0 {
		return false
	}
	x := c.head.tally.Load() // pairs with: permit.tally (Acquire)
	if c.signal {
		t := stock(x)
		free := t.free()
		return free >= want && free+t.reserved() <= c.limit &&
			c.head.tally.CompareAndSwap(x, x-uint64(want))
	}
	t := tally(x)
	free := t.free()
	return free >= want && free <= c.limit && t.open(s.slot) && t.change()-want >= -maxChange &&
		c.head.tally.CompareAndSwap(x, uint64(t.add(-want)))
}

// giveFast returns n permits and reports whether it did.
func (s *Semaphore) giveFast(n int) bool {
	c, k := s.core, int64(n)
	if uint(n-1) >= maxChange || s.slot == 0 {
		return false
	}
	s.sync.Release()
	x := c.head.tally.Load()
	if c.signal {
		t := stock(x)
		return k <= c.limit-t.free()-t.reserved() &&
			c.head.tally.CompareAndSwap(x, x+uint64(k)) // commit; pairs with: permit.stock (Acquire)
	}
	t := tally(x)
	if !t.open(s.slot) || t.change()+k > maxChange {
		return false
	}
	held := entry(c.accounts[s.slot].entry.Load()).net(t)
	return k <= held-s.local.pledged.Load() && held <= c.limit-t.free() &&
		c.head.tally.CompareAndSwap(x, uint64(t.add(k))) // commit; pairs with: permit.tally (Acquire)
}
