package permit

// takeFast takes n permits in one step, if there is nothing to doubt, and reports
// whether it did.
func (s *Semaphore) takeFast(n int) bool {
	if s.quick.Use != nil {
		return s.quick.Take(n)
	}
	c, want := s.core, int64(n)
	if uint(n-1) >= maxChange || s.slot == 0 || claim(c.head.queue.Load()).slot() != 0 {
		return false
	}
	x := c.head.tally.Load() // pairs with: permit.stock (Acquire)
	t := stock(x)
	free := t.free()
	return free >= want && free+t.reserved() <= c.limit &&
		c.head.tally.CompareAndSwap(x, x-uint64(want))
}

// giveFast returns n permits in one step, if there is nothing to doubt, and reports
// whether it did.
func (s *Semaphore) giveFast(n int) bool {
	if s.slot != 0 {
		s.sync.Release()
	}
	if s.quick.Use != nil {
		return s.quick.Give(n)
	}
	c, k := s.core, int64(n)
	if uint(n-1) >= maxChange || s.slot == 0 {
		return false
	}
	x := c.head.tally.Load()
	t := stock(x)
	return k <= c.limit-t.free()-t.reserved() &&
		c.head.tally.CompareAndSwap(x, x+uint64(k)) // commit; pairs with: permit.stock (Acquire)
}
