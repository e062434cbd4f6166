package ring

// Positions are claimed in order, so a place that becomes free out of turn (a
// delivery was acknowledged late, or a producer has died) lies ahead of the tip
// of the ring while an earlier message still waits in the slot of the tip: a
// hole. So that exactly Cap messages fit all the same, what fits into a hole is
// put aside: into a slot that is otherwise a loan's, as LATE, to be delivered
// when consumers come to the position at which the tip was.

// claimSlow is claimAmong for when the first look found no free slot at w, or
// places are spoken for.
func (p *Port) claimSlow(w uint64, lent uint32) (Claim, error) {
	c, w, err := p.walkClaim(w, lent+1)
	if err != ErrFull || !p.hasHole(lent+1) {
		return c, err
	}
	if lent > 0 { // places are free one by one, of which the first may do
		if c, w, err = p.walkClaim(w, 1); err != ErrFull {
			return c, err
		}
	}
	l, ok := p.occupy(Terms{})
	if !ok {
		return Claim{}, ErrFull
	}
	if !p.hasHole(p.countLent()) {
		p.vacate(l) // others were quicker
		return Claim{}, ErrFull
	}
	p.aside(l.index).after.Store(w)
	if p.head.notFull.waiting() {
		p.passOnPlace(w)
	}
	return Claim{Index: l.index, word: l.word}, nil
}

// hasHole reports whether there are so many places free, although the tip does
// not come to them.
func (r *Ring) hasHole(places uint32) bool {
	h := r.head.holes.Load()
	if !pending(h) {
		return false
	}
	taken := uint32(0)
	for i := range r.n {
		if stateOf(r.slots.At(i).word.Load()) != free {
			taken++
		}
	}
	if taken == r.n {
		r.head.holes.CompareAndSwap(h, served(h))
		return false
	}
	return taken+places <= r.n
}

// hasRoom reports whether a producer that looks from w on may find so many places.
func (r *Ring) hasRoom(w uint64, places uint32) bool {
	return r.claimable(w, places) || r.hasHole(places)
}

// punch says that a place may have become free that the tip cannot reach yet.
func (r *Ring) punch() { r.head.holes.Add(lateUnit) }

// publishAside puts the message that was written into slot i of a loan, whose
// word is x: after those before the position in the slot's after, and in the
// order of tickets.
func (p *Port) publishAside(i uint32, x uint64) {
	p.aside(i).ticket.Store(uint32(p.head.late.Load() >> 32))
	p.sync.Release()
	p.slots.At(i).word.Store(word(lapOf(x), late, 0, 0)) // commit; pairs with: ring.slot.late (firstLate)
	p.bumpLate()
}
