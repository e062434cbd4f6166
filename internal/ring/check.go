package ring

import (
	"fmt"
	"math"
	"slices"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
)

// Check implements object.Core.
func (r *Ring) Check(live func(slot uint32) bool) []error {
	var faults []error
	for _, hint := range []uint64{r.head.writePos.Load(), r.head.readPos.Load()} {
		if indexOf(hint) >= r.n {
			faults = append(faults, mem.Corrupt("queue position", -1, indexOf(hint), fmt.Sprintf("less than %d", r.n)))
		}
	}
	for i := range r.all() {
		if err := r.checkSlot(i, live); err != nil {
			faults = append(faults, err)
		}
	}
	for b := range r.owners {
		if err := r.checkOwner(b, live); err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 {
		return faults
	}
	if shot, ok := r.photograph(); ok {
		faults = slices.Concat(r.checkOrder(shot), r.checkLent(shot), r.checkBlocks(shot))
	}
	return faults
}

// checkSlot verifies what holds of a slot's word at any time.
func (r *Ring) checkSlot(i uint32, live func(slot uint32) bool) error {
	w := &r.slots.At(i).word
	x := w.Load()
	state, owner := stateOf(x), ownerOf(x)
	bad := func(want string) error {
		if w.Load() != x {
			return nil // it was changed, by somebody who may have gone since
		}
		got := fmt.Sprintf("%s, owner %d, attempts %d", stateName(x), owner, triesOf(x))
		return mem.Corrupt("slot word", r.payloadAt(i)-slotHeadSize, got, want)
	}
	switch {
	case state >= states, i < r.n && !inRing(state):
		return bad("a state")
	case i >= r.n && (state == writing || state == full):
		return bad("a state of a loan")
	case !held(state) && owner != 0:
		return bad("no owner")
	case (state == free || state == full) && triesOf(x) != 0:
		return bad("no attempts")
	case held(state) && (owner == 0 || owner > r.geometry.slots || !live(owner)):
		return bad("a live owner")
	}
	return nil
}

// checkOwner verifies what holds of an owner word at any time.
func (r *Ring) checkOwner(b int, live func(slot uint32) bool) error {
	w := &r.owners[b]
	x := w.Load()
	bad := func(want string) error {
		if w.Load() != x {
			return nil
		}
		return mem.Corrupt("owner word", r.ownersAt+8*int64(b), fmt.Sprintf("%#x", x), want)
	}
	who := whoOf(x)
	switch kindOf(x) {
	case owned, lent:
		if who == 0 || who > r.geometry.slots || !live(who) {
			return bad("a live owner")
		}
	case queued:
		if who >= r.all() {
			return bad("the number of a slot")
		}
	case rest:
		if int(who) >= b {
			return bad("the number of an earlier piece")
		}
		return nil
	default:
		if x != 0 {
			return bad("a kind")
		}
		return nil
	}
	if n := int(piecesOf(x)); n < 1 || n > len(r.owners)-b || b < int(r.cells) && n != 1 {
		return bad("pieces that exist")
	}
	return nil
}

// picture is the state of a queue at one instant.
type picture struct {
	words  []uint64
	blocks []uint32 // of each slot, as in slotHead; 0 if it has no message
	owners []uint64
	lent   [maxLoans / 64]uint64
}

// photograph returns the state at an instant at which nothing changed.
func (r *Ring) photograph() (picture, bool) {
	const attempts = 4
	last := r.expose()
	for range attempts {
		now := r.expose()
		if slices.Equal(now.words, last.words) && slices.Equal(now.owners, last.owners) && now.lent == last.lent {
			return now, true
		}
		last = now
	}
	return picture{}, false
}

func (h *header) lentBits() (bits [maxLoans / 64]uint64) {
	for i := range bits {
		bits[i] = h.lent[i].Load()
	}
	return bits
}

func (r *Ring) expose() picture {
	p := picture{make([]uint64, r.all()), make([]uint32, r.all()), make([]uint64, len(r.owners)), r.head.lentBits()}
	for i := range r.all() {
		s := r.slots.At(i)
		p.words[i] = s.word.Load()
		if hasMessage(p.words[i]) {
			p.blocks[i] = s.block
		}
	}
	for b := range r.owners {
		p.owners[b] = r.owners[b].Load()
	}
	return p
}

// hasMessage reports whether a slot with word x holds a message that is complete.
func hasMessage(x uint64) bool {
	s := stateOf(x)
	return s == full || s == reading || s == loaned || s == late
}

// checkOrder verifies that the positions claimed are exactly those before the tip.
func (r *Ring) checkOrder(p picture) []error {
	w, err := r.start(r.head.writePos.Load(), r.head.readPos.Load())
	if err != nil {
		return []error{err}
	}
	for range 4 * int64(r.n) {
		x := p.words[indexOf(w)]
		if d := ahead(x, w); d > 0 {
			w = r.skip(w, x)
		} else if d == 0 && stateOf(x) != free {
			w = r.next(w)
		} else {
			break
		}
	}
	var faults []error
	for i, x := range p.words[:r.n] {
		at := lapOf(w) | uint64(i) // the position of the slot in the lap of the tip
		want := int64(0)
		if uint32(i) >= indexOf(w) {
			want = -1
		}
		if stateOf(x) == free {
			want++
		}
		if ahead(x, at) != want {
			faults = append(faults, r.badSlot(uint32(i), x, at, fmt.Sprintf("%d laps", want)))
		}
	}
	return faults
}

// checkLent verifies that what is lent, and nothing else, takes up places.
func (r *Ring) checkLent(p picture) []error {
	var faults []error
	for bit := range uint32(maxLoans) {
		set := p.lent[bit/64]>>(bit%64)&1 != 0
		state := uint64(free)
		if bit < r.loans {
			state = stateOf(p.words[r.n+bit])
		}
		if set && state == free {
			faults = append(faults, mem.Corrupt("lent", 768+int64(bit)/8, fmt.Sprintf("bit %d of a free slot", bit), "a slot in use"))
		}
	}
	return faults
}

// checkBlocks verifies that every block belongs to one message, and every long
// message has one.
func (r *Ring) checkBlocks(p picture) []error {
	var faults []error
	bad := func(b int, want string) {
		faults = append(faults, mem.Corrupt("owner word", r.ownersAt+8*int64(b), fmt.Sprintf("%#x", p.owners[b]), want))
	}
	for b, x := range p.owners {
		switch kindOf(x) {
		case rest:
			h := p.owners[whoOf(x)]
			if k := kindOf(h); k != owned && k != lent && k != queued || uint32(b) >= whoOf(x)+piecesOf(h) {
				bad(b, "a piece of a run")
			}
		case queued:
			y := p.words[whoOf(x)]
			if s := stateOf(y); s == writing || s == filling {
				continue // about to say so
			}
			if !hasMessage(y) || p.blocks[whoOf(x)] != uint32(b)+1 {
				bad(b, "the block of its slot's message")
			}
		}
	}
	for i, b := range p.blocks {
		if b == 0 || stateOf(p.words[i]) == reading {
			continue // its consumer may be done with the block
		}
		if int(b) > len(p.owners) || !isQueued(p.owners[b-1], uint32(i)) {
			faults = append(faults, mem.Corrupt("message block", r.payloadAt(uint32(i))-slotHeadSize+12, b, "a block of its own"))
		}
	}
	return faults
}

// Holds implements object.Core.
func (r *Ring) Holds(yield func(object.Hold) bool) {
	type key struct {
		slot uint32
		what string
	}
	names := [states]string{writing: "claimed slot", reading: "message", loaned: "delivery", reserved: "loan", filling: "loan"}
	counts := map[key]int{}
	var order []key
	for i := range r.all() {
		x := r.slots.At(i).word.Load()
		if s := stateOf(x); s < states && held(s) {
			k := key{ownerOf(x), names[s]}
			if counts[k]++; counts[k] == 1 {
				order = append(order, k)
			}
		}
	}
	for _, k := range order {
		if !yield(object.Hold{Slot: k.slot, Count: counts[k], What: k.what}) {
			return
		}
	}
}

// State implements object.Core.
func (r *Ring) State() string {
	read, written := r.positions()
	text := fmt.Sprintf("%d of %d, reading at %d, writing at %d", r.Len(), r.n, read, written)
	if r.head.closing.Load() != 0 {
		text += ", shut down"
	}
	return text
}

// positions returns, counted in messages for people, where the oldest message
// lies that nobody has taken, and where the next one will.
func (r *Ring) positions() (read, written uint64) {
	written = math.MaxUint64
	read = written
	for i := range r.n {
		x := r.slots.At(i).word.Load()
		at := lapOf(x)>>lapShift*uint64(r.n) + uint64(i)
		next := at
		switch stateOf(x) {
		case free:
		case full, writing, late:
			read = min(read, at)
			fallthrough
		default:
			next += uint64(r.n)
		}
		written = min(written, next)
	}
	return min(read, written), written
}
