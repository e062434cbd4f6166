package ring

import (
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/bare"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// What an SPSC queue does in place of claims: see solo. The words of slots are
// those of every other queue, but that a message goes from FREE to FULL to FREE.
// What dies on the way has changed nothing that others see; so there is nothing
// to repair but the role. Whatever is not simply a message in its slot (a block of
// the heap, a loan, a delivery, one that comes again) goes the way of the many.

// claimAlone is tryClaim for a message that lies in its slot.
func (p *Port) claimAlone() (Claim, error) {
	s, h := p.putting, p.head
	t := s.tenure.Load()
	// As enter does, but that is not compiled into this.
	if in := satomic.Enter(&t.owner, &t.inside, s.busy); in != bare.Inside && !s.turnedAway(in) {
		return p.claimInCrowd()
	}
	if h.producer.Load() == p.me && h.closing.Load()|h.strict.Load() == 0 { // pairs with: ring.closing (Shutdown)
		w := p.writeHint.Load()
		i := indexOf(w)
		if i < p.n && !p.anyLent() && p.slots.At(i).word.Load() == lapOf(w) { // pairs with: ring.slot.word (Finish)
			p.sync.Acquire()
			return Claim{Index: i, word: lapOf(w)}, nil
		}
	}
	return p.claimInside()
}

// isAlone reports whether c is one of claimAlone: the slot is FREE still.
func (c Claim) isAlone() bool { return stateOf(c.word) == free }

// tryClaim takes the next position, for a message that may have a block: that must
// not be nobody's.
func (p *Port) tryClaim() (Claim, error) {
	switch s := p.putting; {
	case s == nil:
		return p.claimAmong()
	case s.enter():
		return p.claimInside()
	}
	return p.claimInCrowd()
}

// claimInside is claimAmong by the owner, who is inside, and then leaves.
func (p *Port) claimInside() (Claim, error) {
	c, err := p.claimAmong()
	p.putting.leave()
	if err != nil {
		p.perhapsTheEnd() // somebody may have waited for this, as it looked like a message
	}
	return c, err
}

func (p *Port) claimInCrowd() (Claim, error) {
	if !p.putting.join() {
		return Claim{}, fs.ErrClosed
	}
	c, err := p.claimAmong()
	p.part(p.putting, err)
	return c, err
}

// part lets the goroutine be alone from now on if it was successful and may.
func (p *Port) part(s *solo, err error) {
	if err == nil && p.solitary && p.head.strict.Load() == 0 {
		s.part()
	} else {
		s.depart()
	}
}

// anyLent reports whether places are spoken for by loans.
func (r *Ring) anyLent() bool {
	return r.head.lent[0].Load() != 0 || r.loans > 64 && r.moreLent()
}

func (r *Ring) moreLent() bool {
	l := &r.head.lent
	return l[1].Load()|l[2].Load()|l[3].Load() != 0
}

// takeAlone is tryTake for a message that is taken for good.
func (p *Port) takeAlone() (Message, error) {
	s, h := p.taking, p.head
	t := s.tenure.Load()
	if in := satomic.Enter(&t.owner, &t.inside, s.busy); in != bare.Inside && !s.turnedAway(in) { // as enter does
		return p.takeInCrowd(reading)
	}
	if h.consumer.Load() == p.me && h.strict.Load() == 0 {
		r := p.readHint.Load()
		if i := indexOf(r); i < p.n {
			slot := p.slots.At(i)
			x := slot.word.Load() // pairs with: ring.slot.word (Publish)
			if x == word(lapOf(r), full, 0, 0) && !pending(h.late.Load()) {
				p.sync.Acquire()
				if length := slot.length; slot.block == 0 && length <= p.inline {
					return Message{Index: i, Length: int(length), word: x}, nil
				}
			}
		}
	}
	return p.takeInside(reading)
}

// isAlone reports whether m is one of takeAlone: the slot is FULL still.
func (m Message) isAlone() bool { return stateOf(m.word) == full }

// tryTake takes the next message in state reading or loaned.
func (p *Port) tryTake(state uint64) (Message, error) {
	switch s := p.taking; {
	case s == nil:
		return p.takeAmong(state)
	case state == reading:
		return p.takeAlone()
	case s.enter():
		return p.takeInside(state)
	}
	return p.takeInCrowd(state)
}

// takeInside is takeAmong by the owner, who is inside, and then leaves.
func (p *Port) takeInside(state uint64) (Message, error) {
	m, err := p.takeAmong(state)
	p.taking.leave()
	return m, err
}

func (p *Port) takeInCrowd(state uint64) (Message, error) {
	if !p.taking.join() {
		return Message{}, fs.ErrClosed
	}
	m, err := p.takeAmong(state)
	p.part(p.taking, err)
	return m, err
}
