package ring

// A message that is to be delivered again stays in its slot, in state LATE, and
// is found through the word late: it must not become FULL again, because
// consumers would run past it.

const lateUnit = 1 << 32

// pending reports whether there may be LATE slots.
func pending(t uint64) bool { return uint32(t>>32) != uint32(t) }

// bumped reports whether slots became LATE between two readings of the word.
func bumped(before, now uint64) bool { return before>>32 != now>>32 }

// served is t with all that it counts known to be served.
func served(t uint64) uint64 { return t&^(lateUnit-1) | t>>32 }

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
		if now := p.head.late.Load(); bumped(t, now) && (x == 0 || p.cameAfter(t, i, x)) {
			// A slot may have become LATE that the search had passed, before what it found.
			t = now
			continue
		}
		if x == 0 {
			if !early {
				p.head.late.CompareAndSwap(t, served(t)) // no slot is LATE that t counts
			}
			return Message{}, false, nil
		}
		mine := word(lapOf(x), state, onceMore(x), p.me)
		if p.slots.At(i).word.CompareAndSwap(x, mine) {
			if p.head.notEmpty.waiting() {
				p.passOn(pos)
			}
			m, err = p.message(i, mine)
			return m, true, err
		}
	}
	return Message{}, false, errAgain
}

// cameAfter reports whether the message that made x the word of slot i was put aside
// after late was t. Whatever its producer had put aside before it t counts otherwise,
// and a search begun after that would have found it. And of messages that were given
// back, none has to come before another: they are taken even if more and more come.
func (r *Ring) cameAfter(t uint64, i uint32, x uint64) bool {
	return i >= r.n && triesOf(x) == 0 && int32(r.aside(i).ticket.Load()-uint32(t>>32)) > 0
}

// hasLate reports whether there is a LATE message for a consumer at pos.
func (r *Ring) hasLate(pos uint64) bool {
	if !pending(r.head.late.Load()) {
		return false
	}
	_, x, _ := r.firstLate(pos)
	return x != 0
}

// firstLate returns the LATE slot that comes first for a consumer at pos, and its
// word, or 0; early reports whether there are others that may be delivered only
// later. What was delivered before comes first, in order of positions, and then
// what lies in slots of loans, in order of tickets.
func (r *Ring) firstLate(pos uint64) (slot uint32, found uint64, early bool) {
	var best uint64
	var bestAgain bool
	for i := range r.all() {
		x := r.slots.At(i).word.Load() // pairs with: ring.slot.late (publishLate)
		if stateOf(x) != late {
			continue
		}
		again, rank := triesOf(x) > 0 || i < r.n, lapOf(x)|uint64(i)
		if !again {
			a := r.aside(i)
			if before(pos, a.after.Load()) {
				early = true
				continue
			}
			rank = uint64(a.ticket.Load()) << 32
		}
		first := found == 0
		if !first && again == bestAgain {
			first = before(rank, best)
		} else if !first {
			first = again
		}
		if first {
			slot, found, best, bestAgain = i, x, rank, again
		}
	}
	return slot, found, early
}
