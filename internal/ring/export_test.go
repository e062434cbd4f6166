package ring

import (
	"fmt"
	"time"
)

// SetLap makes an empty queue one whose positions are at a lap, for tests of
// what happens when laps wrap.
func (r *Ring) SetLap(lap uint64) {
	at := lap << lapShift
	for i := range r.n {
		r.slots.At(i).word.Store(at)
	}
	r.head.writePos.Store(at)
	r.head.readPos.Store(at)
}

// SetPositions sets the positions that both sides start from.
func (r *Ring) SetPositions(pos uint64) {
	r.head.writePos.Store(pos)
	r.head.readPos.Store(pos)
}

// SetTickets sets the counts of the word late.
func (r *Ring) SetTickets(n uint32) { r.head.late.Store(uint64(n)<<32 | uint64(n)) }

// SetEvents sets the words of all events.
func (r *Ring) SetEvents(v uint32) {
	for _, e := range []*event{&r.head.notEmpty, &r.head.notFull, &r.head.space, &r.head.idle} {
		e.word.Store(v)
	}
}

// Dump describes every slot that is not free, for messages of tests.
func (r *Ring) Dump() string {
	text := fmt.Sprintf("holes %#x gatherer %d lent %x write %#x read %#x late %#x closing %d\n", r.head.holes.Load(), r.head.gatherer.Load(), r.head.lentBits(), r.head.writePos.Load(), r.head.readPos.Load(),
		r.head.late.Load(), r.head.closing.Load())
	text += fmt.Sprintf("producer %d putting %d consumer %d strict %d\n", r.head.producer.Load(), r.head.putting.Load(), r.head.consumer.Load(), r.head.strict.Load())
	for _, e := range []*event{&r.head.notEmpty, &r.head.notFull, &r.head.space, &r.head.idle} {
		text += fmt.Sprintf("event %d:%d\n", e.word.Load()>>2, e.word.Load()&flagMask)
	}
	for i := range r.all() {
		s := r.slots.At(i)
		x := s.word.Load()
		if i >= r.n && stateOf(x) == free {
			continue
		}
		text += fmt.Sprintf("slot %d: lap %#x %s tries %d owner %d length %d block %d", i, x>>lapShift, stateName(x), triesOf(x), ownerOf(x), s.length, s.block)
		if i >= r.n {
			text += fmt.Sprintf(" after %#x", r.aside(i).after.Load())
		}
		text += "\n"
	}
	for b := range r.owners {
		if x := r.owners[b].Load(); x != 0 {
			text += fmt.Sprintf("owner %d: kind %d pieces %d tag %d who %d\n", b, kindOf(x), piecesOf(x), x>>tagShift&tagMask, whoOf(x))
		}
	}
	return text
}

// FreeBlocks returns how many cells and granules nobody owns.
func (r *Ring) FreeBlocks() (free, all int) {
	for b := range r.owners {
		if r.owners[b].Load() == 0 {
			free++
		}
	}
	return free, len(r.owners)
}

// AtRest reports what keeps the queue from being empty, with nobody inside.
func (r *Ring) AtRest() error {
	for i := range r.all() {
		if x := r.slots.At(i).word.Load(); stateOf(x) != free {
			return fmt.Errorf("slot %d is %s", i, stateName(x))
		}
	}
	if free, all := r.FreeBlocks(); free != all {
		return fmt.Errorf("%d of %d blocks are free", free, all)
	}
	return nil
}

// NoSlices makes the waits of p sleep for an hour (but for those for the heap,
// which is asked again and again): see withoutSlice.
func (p *Port) NoSlices() {
	for _, l := range []*line{&p.notEmpty, &p.notFull, &p.idle} {
		l.limit = time.Hour
	}
}

// Done is what Join waits for.
func (r *Ring) Done() (done, sure bool) { return r.done() }

// PutAnyway puts b although every place may be spoken for by loans, as somebody
// can who looked a moment before they were lent.
func (p *Port) PutAnyway(b []byte) error {
	c, err := p.ClaimAnyway()
	if err == nil {
		p.copyIn(p.Inline(c), b)
		p.Publish(c, len(b))
	}
	return err
}

// ClaimAnyway is the first half of PutAnyway.
func (p *Port) ClaimAnyway() (Claim, error) {
	w, err := p.start(p.writeHint.Load(), p.head.writePos.Load())
	if err != nil {
		return Claim{}, err
	}
	c, _, err := p.walkClaim(w, 1)
	return c, err
}

// Lingers returns how often a producer at a full ring, and a consumer at an empty
// one, would look at the other side before the next attempt, if nothing changed
// meanwhile.
func (p *Port) Lingers() (putting, getting int) {
	count := func(l lead) int {
		n := 1
		for l.grows() {
			n++
		}
		return n
	}
	return count(p.leadOfConsumer()), count(p.leadOfProducer())
}

// Used returns how many places are taken, or spoken for.
func (r *Ring) Used() uint32 {
	n := r.countLent()
	for i := range r.n {
		if stateOf(r.slots.At(i).word.Load()) != free {
			n++
		}
	}
	return n
}

// Deliverable returns which messages somebody could take first now, and how often
// each of them was delivered.
func (r *Ring) Deliverable() map[string]int {
	found := map[string]int{}
	add := func(i uint32, x uint64) {
		found[string(r.inlineBytes(i)[:r.slots.At(i).length])] = int(triesOf(x))
	}
	at := r.head.readPos.Load()
	for range 8 * r.n {
		i := indexOf(at)
		x := r.slots.At(i).word.Load()
		d := ahead(x, at)
		if d > 0 {
			at = r.skip(at, x)
		} else if d == 0 && passedBy(stateOf(x)) {
			at = r.next(at)
		} else {
			if d == 0 && stateOf(x) == full {
				add(i, x)
			}
			break
		}
	}
	for i := range r.all() {
		x := r.slots.At(i).word.Load()
		if stateOf(x) == late && (i < r.n || triesOf(x) > 0 || !before(at, r.aside(i).after.Load())) {
			add(i, x)
		}
	}
	return found
}

// SetStrict has everybody store with a fence.
func (r *Ring) SetStrict() { r.head.strict.Store(1) }

// SetRoles gives both roles to a participant.
func (r *Ring) SetRoles(slot uint32) {
	r.head.producer.Store(slot)
	r.head.consumer.Store(slot)
}

// LingerEmpty lingers as a consumer at an empty ring, and reports whether it did.
func (p *Port) LingerEmpty() bool { return p.lingerEmpty() }
