package ring

// A message that is to be delivered again stays in its slot, in state LATE, and
// is found through the word late: it must not become FULL again, because
// consumers would run past it.

const lateUnit = 1 << 32

// pending reports whether there may be LATE slots.
func pending(t uint64) bool { return uint32(t>>32) != uint32(t) }

// bumpLate says that a slot became LATE.
func (r *Ring) bumpLate() {
	r.head.late.Add(lateUnit) // commit; pairs with: ring.late (tryTake)
	r.head.notEmpty.signal(1)
}

// takeLate takes the LATE message of the lowest position, if there is one that a
// consumer at position pos may have. t is the word late as it was read before.
func (p *Port) takeLate(t, pos, state uint64) (m Message, ok bool, err error) {
	for range lostRaces {
		i, x, early := p.firstLate(pos)
		if x == 0 {
			if !early {
				// No slot was LATE that t counts; one that became so since has changed the word.
				p.head.late.CompareAndSwap(t, t&^(lateUnit-1)|t>>32)
			}
			return Message{}, false, nil
		}
		mine := word(lapOf(x), state, onceMore(x), p.me)
		if p.slots.At(i).word.CompareAndSwap(x, mine) {
			p.passOn(pos)
			m, err = p.message(i, mine)
			return m, true, err
		}
	}
	return Message{}, false, errAgain
}

// firstLate returns the LATE slot of the lowest position that may be delivered
// to a consumer at pos, and its word, or 0; early reports whether others may
// only later.
func (r *Ring) firstLate(pos uint64) (slot uint32, found uint64, early bool) {
	lowest := uint64(0)
	for i := range r.n {
		s := r.slots.At(i)
		x := s.word.Load() // pairs with: ring.slot.late (publishLate)
		if stateOf(x) != late {
			continue
		}
		if triesOf(x) == 0 && before(pos, s.after.Load()) {
			early = true
			continue
		}
		if at := lapOf(x) | uint64(i); found == 0 || before(at, lowest) {
			slot, found, lowest = i, x, at
		}
	}
	return slot, found, early
}
