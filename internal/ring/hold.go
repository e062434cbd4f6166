package ring

import (
	"context"
	"io/fs"
)

// Receive is Take, but the message stays the queue's until Ack: should this
// process die, or close the segment, another one gets it.
func (p *Port) Receive(ctx context.Context) (Message, error) {
	m, err := p.take(ctx, loaned)
	return p.keep(m, err)
}

// TryReceive is Receive without waiting: ErrEmpty.
func (p *Port) TryReceive() (Message, error) {
	m, err := p.tryTake(loaned)
	if err == errAgain {
		err = ErrEmpty
	}
	return p.keep(m, err)
}

// keep lets the caller have m unless the segment was closed meanwhile.
func (p *Port) keep(m Message, err error) (Message, error) {
	if err == nil && p.use.Closed() {
		p.Nack(m)
		return Message{}, fs.ErrClosed
	}
	return m, err
}

// Ack ends a message that was received. It fails with fs.ErrClosed if it is this
// process's no longer, because the segment was closed.
func (p *Port) Ack(m Message) error {
	p.sync.Release()
	s := p.slots.At(m.Index)
	for range lostRaces {
		x := s.word.Load()
		if x&indexMask != m.word&indexMask {
			return fs.ErrClosed
		}
		if m.block != 0 || m.Index >= p.n || x != m.word || triesOf(x) > 1 {
			// It takes several steps, in which Close must not take it away.
			mine := word(lapOf(x), reading, triesOf(x), p.me)
			if s.word.CompareAndSwap(x, mine) {
				m.word = mine
				p.finishSlow(m)
				return nil
			}
			continue
		}
		if s.word.CompareAndSwap(x, nextFree(x)) { // commit; pairs with: ring.slot.word (walkClaim)
			p.released()
			return nil
		}
	}
	return errAgain
}

// Nack gives back a message that was received: it comes first in line.
func (p *Port) Nack(m Message) {
	p.sync.Release()
	s := p.slots.At(m.Index)
	for range lostRaces {
		x := s.word.Load()
		if x&indexMask != m.word&indexMask {
			return // given back already, because the segment was closed
		}
		if s.word.CompareAndSwap(x, word(lapOf(x), late, triesOf(x), 0)) {
			p.bumpLate()
			return
		}
	}
}
