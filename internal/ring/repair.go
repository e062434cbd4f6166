package ring

import (
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Repair implements object.Core. Every step is one atomic on a word that names
// d, so that it can be repeated from the beginning at any time.
func (r *Ring) Repair(d object.Dead) {
	anyLate := false
	for i := range r.all() {
		if r.repairSlot(i, d) {
			anyLate = true // also one whose repairer, or owner, died before it could say so
		}
	}
	if d.Exited {
		r.freeAll(d.Slot)
	}
	if r.head.producer.Load() == d.Slot {
		r.head.putting.Store(0) // while the role is its still
	}
	for _, role := range []*satomic.Uint32{&r.head.gatherer, &r.head.producer, &r.head.consumer} {
		role.CompareAndSwap(d.Slot, 0)
	}
	if anyLate {
		r.head.late.Add(lateUnit)
	}
	r.punch()
	// A waiter that was woken and died has taken the wake-up with it.
	for _, e := range []*event{&r.head.notEmpty, &r.head.notFull, &r.head.space, &r.head.idle} {
		e.wakeAll()
	}
}

// repairSlot ends what d did with slot i, and reports whether the slot is LATE then.
func (r *Ring) repairSlot(i uint32, d object.Dead) bool {
	s := r.slots.At(i)
	for range lostRaces {
		x := s.word.Load()
		state := stateOf(x)
		if state == late {
			return true
		}
		if !held(state) || ownerOf(x) != d.Slot {
			return false
		}
		y := nextFree(x)
		switch state {
		case writing:
			r.unqueue(i, d.Slot)
		case filling, reserved:
			if i < r.n {
				return false // nonsense
			}
			r.unqueue(i, d.Slot)
			r.clearLent(i)
		case loaned:
			if !d.Exited {
				return false // its memory may have been lent to a system call that still runs
			}
			y = word(lapOf(x), late, triesOf(x), 0)
		case reading:
			if b := s.block; b == 0 || r.stillQueued(b-1, i) {
				y = word(lapOf(x), late, triesOf(x), 0)
			}
			if i >= r.n {
				r.countAgain(i, y)
			}
		}
		s.word.CompareAndSwap(x, y) // lost only to a producer that renews the lap
	}
	return false
}

// countAgain makes the bit of a slot of a loan what it is when its word becomes y:
// the dead participant may have cleared it already.
func (r *Ring) countAgain(i uint32, y uint64) {
	if stateOf(y) == late {
		r.setLent(i)
	} else {
		r.clearLent(i)
	}
}

// stillQueued reports whether block b is still that of the message in slot i: if
// not, its consumer was done with it.
func (r *Ring) stillQueued(b, i uint32) bool {
	return b >= uint32(len(r.owners)) || isQueued(r.owners[b].Load(), i)
}

// unqueue gives the blocks that are those of slot i back to the dead participant
// slot, which was about to publish one there; freeAll frees them.
func (r *Ring) unqueue(i, slot uint32) {
	for b := range r.owners {
		if x := r.owners[b].Load(); isQueued(x, i) {
			r.owners[b].CompareAndSwap(x, keepPieces(x, owned, 0, slot))
		}
	}
}

// freeAll frees the blocks that a dead participant had.
func (r *Ring) freeAll(slot uint32) {
	for b := range r.owners {
		x := r.owners[b].Load()
		if k := kindOf(x); (k == owned || k == lent) && whoOf(x) == slot {
			r.freeRest(uint32(b), piecesOf(x))
			r.owners[b].CompareAndSwap(x, 0)
		}
	}
}

// Leave implements object.Core: it returns deliveries, and ends loans that users
// hold. What operations hold that still run they give back themselves.
func (r *Ring) Leave(slot uint32) {
	for i := range r.all() {
		r.leaveSlot(i, slot)
	}
	for b := range r.owners {
		x := r.owners[b].Load()
		if kindOf(x) == lent && whoOf(x) == slot && r.owners[b].CompareAndSwap(x, keepPieces(x, owned, 0, slot)) {
			r.freeBlock(uint32(b))
		}
	}
	for _, role := range []*satomic.Uint32{&r.head.producer, &r.head.consumer} {
		role.CompareAndSwap(slot, 0)
	}
	r.bumpLate()
	r.released()
}

func (r *Ring) leaveSlot(i, slot uint32) {
	s := r.slots.At(i)
	for range lostRaces {
		x := s.word.Load()
		if ownerOf(x) != slot {
			return
		}
		switch stateOf(x) {
		case loaned:
			s.word.CompareAndSwap(x, word(lapOf(x), late, triesOf(x), 0))
		case reserved:
			// Whoever settles the loan now is too late, or was quicker.
			if y := word(lapOf(x), filling, triesOf(x), slot); i >= r.n && s.word.CompareAndSwap(x, y) {
				r.clearLent(i)
				s.word.Store(nextFree(y))
			}
		default:
			return
		}
	}
}
