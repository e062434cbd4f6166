package ring

import (
	"context"
	"fmt"

	"github.com/shoal-ipc/shoal/internal/bare"
	"github.com/shoal-ipc/shoal/internal/mem"
)

// Message is a message that this process takes or holds. The zero Message is none.
type Message struct {
	Index  uint32 // of its slot
	Length int
	block  uint32 // of slotHead
	word   uint64 // of its slot, but for the lap
}

// Attempt returns how often the message was handed out, this time included.
func (m Message) Attempt() int { return int(triesOf(m.word)) }

// IsInline reports whether the message lies in its slot.
func (m Message) IsInline() bool { return m.block == 0 }

// TryTake takes the next message for good: the caller copies it and then calls
// Finish. Should the process die before, another one gets it. It fails with
// ErrEmpty, ErrShutdown, fs.ErrPermission (SPSC) or a *mem.Corruption.
func (p *Port) TryTake() (Message, error) {
	m, err := p.takeForGood()
	if err == errAgain {
		err = ErrEmpty
	}
	return m, err
}

// takeForGood is tryTake(reading).
func (p *Port) takeForGood() (Message, error) {
	if p.taking != nil {
		return p.takeAlone()
	}
	return p.takeAmong(reading)
}

// Take is TryTake, but it waits for a message.
func (p *Port) Take(ctx context.Context) (Message, error) {
	if err := ctx.Err(); err != nil {
		return Message{}, err
	}
	var m Message
	var err error
	if p.taking != nil {
		m, err = p.takeAlone()
	} else {
		m, err = p.takeAmong(reading)
	}
	if err == nil {
		return m, nil
	}
	if err == ErrEmpty || err == errAgain {
		return p.takeWait(ctx, reading)
	}
	return Message{}, err
}

func (p *Port) take(ctx context.Context, state uint64) (Message, error) {
	if err := ctx.Err(); err != nil {
		return Message{}, err
	}
	m, err := p.tryTake(state)
	if err == ErrEmpty || err == errAgain {
		return p.takeWait(ctx, state)
	}
	return m, err
}

func (p *Port) takeWait(ctx context.Context, state uint64) (m Message, err error) {
	if p.soon() {
		if m, err = p.tryTake(state); !vain(err) {
			return m, err
		}
	}
	err = p.await(ctx, &p.notEmpty, func() error {
		var err error
		m, err = p.tryTake(state)
		return err
	})
	return m, err
}

// soon waits for a moment and reports whether there seems to be a message to take then.
func (p *Port) soon() bool { return p.lingerEmpty() || p.notEmpty.point.Glance(p.mayTake) }

// mayTake reports whether there seems to be a message to take.
func (p *Port) mayTake() bool {
	r := later(p.readHint.Load(), p.head.readPos.Load())
	i := indexOf(r)
	return i < p.n && p.slots.At(i).word.Load() == word(lapOf(r), full, 0, 0)
}

// takeAmong takes the next message in state reading or loaned, as one of many.
func (p *Port) takeAmong(state uint64) (Message, error) {
	if p.spsc {
		if err := p.role(&p.head.consumer, errConsumer); err != nil {
			return Message{}, err
		}
	}
	r := later(p.readHint.Load(), p.head.readPos.Load())
	i := indexOf(r)
	if i >= p.n {
		return Message{}, p.badPosition(r)
	}
	s := p.slots.At(i)
	x := s.word.Load()      // pairs with: ring.slot.word (publish)
	t := p.head.late.Load() // pairs with: ring.late (bumpLate). After the slot, or order is lost
	mine := word(lapOf(r), state, 1, p.me)
	if x == word(lapOf(r), full, 0, 0) && !pending(t) && s.word.CompareAndSwap(x, mine) {
		p.taken(p.next(r))
		return p.message(i, mine)
	}
	return p.walkTake(r, state)
}

// taken does what follows the claim of a message; r is the next position.
func (p *Port) taken(r uint64) {
	p.readHint.Store(r)
	if indexOf(r)%8 == 0 {
		advance(&p.head.readPos, r)
	}
	if p.head.notEmpty.waiting() {
		p.passOn(r)
	}
}

// passOn wakes one more consumer if there is more to take: several messages may
// have become takeable at once, of which one consumer was told.
func (p *Port) passOn(r uint64) {
	if p.takeable(r) {
		p.head.notEmpty.signal(1)
	}
}

// walkTake looks for the next message from position r on.
func (p *Port) walkTake(r, state uint64) (Message, error) {
	for range 8*int64(p.n) + 64 {
		i := indexOf(r)
		s := p.slots.At(i)
		x := s.word.Load()
		if t := p.head.late.Load(); pending(t) {
			if m, ok, err := p.takeLate(t, r, state); ok || err != nil {
				return m, err
			}
		}
		d, st := ahead(x, r), stateOf(x)
		switch {
		case !inRing(st):
			return Message{}, p.badSlot(i, x, r, "a state of the ring")
		case d > 0:
			r = p.skip(r, x)
		case d == 0 && st == full:
			mine := word(lapOf(r), state, onceMore(x), p.me)
			if s.word.CompareAndSwap(x, mine) {
				p.taken(p.next(r))
				return p.message(i, mine)
			}
		case d == 0 && passedBy(st):
			r = p.next(r)
		case d < 0 && !passedBy(st):
			return Message{}, p.badSlot(i, x, r, "nothing this side of a passed position")
		default: // free or being written at its own lap, or still held at an earlier one
			if s.word.Load() != x {
				continue // a LATE message may have been there until this one was
			}
			advance(&p.head.readPos, r)
			return Message{}, p.nothing()
		}
	}
	advance(&p.head.readPos, r)
	return Message{}, errAgain
}

// takeable reports whether a consumer that looks from r on may find something.
func (r *Ring) takeable(pos uint64) bool {
	for range 3*int64(r.n) + 8 {
		x := r.slots.At(indexOf(pos)).word.Load()
		switch d := ahead(x, pos); {
		case d > 0:
			pos = r.skip(pos, x)
		case d == 0 && stateOf(x) == full:
			return true
		case d == 0 && passedBy(stateOf(x)):
			pos = r.next(pos)
		default:
			return r.hasLate(pos)
		}
	}
	return true // too much is going on to be sure
}

// message returns the message in slot i, which this process has just taken with
// word x.
func (p *Port) message(i uint32, x uint64) (Message, error) {
	p.sync.Acquire()
	s := p.slots.At(i)
	m := Message{Index: i, Length: int(s.length), block: s.block, word: x}
	if m.block == 0 && m.Length <= int(p.inline) {
		return m, nil
	}
	return p.longMessage(m)
}

// longMessage checks a message that does not lie in its slot. One that makes no
// sense is thrown away.
func (p *Port) longMessage(m Message) (Message, error) {
	if m.block != 0 && p.queuedIn(m.block-1, m.Index, int64(m.Length)) {
		return m, nil
	}
	block, length := m.block, m.Length
	m.block = 0
	p.discard(m)
	return Message{}, mem.Corrupt("message length", p.payloadAt(m.Index)-slotHeadSize+8,
		fmt.Sprintf("%d bytes in block %d", length, block), "what fits")
}

// Bytes returns the message itself. It is not to be used after Finish, Ack or Nack.
func (p *Port) Bytes(m Message) []byte {
	if m.block == 0 {
		return p.payloads.At(m.Index)[:m.Length:m.Length]
	}
	b, err := p.region.Bytes(p.blockAt(m.block-1), int64(m.Length))
	if err != nil {
		return nil // longMessage has checked that it fits
	}
	return b
}

// CopyOut copies the message to dst.
func (p *Port) CopyOut(dst []byte, m Message) { bare.Copy(dst, p.Bytes(m)) }

// Offset returns where the message lies in the region.
func (p *Port) Offset(m Message) int64 {
	if m.block == 0 {
		return p.payloadAt(m.Index)
	}
	return p.blockAt(m.block - 1)
}

// Finish ends a message that was taken by TryTake or Take: from here on nobody
// gets it again.
func (p *Port) Finish(m Message) {
	switch {
	case m.isAlone(): // not a function of its own: the call would show
		p.sync.Release()
		side := p.taking
		p.slots.At(m.Index).word.PublishAndLeave(nextFree(m.word), &side.tenure.Load().inside, side.busy) // commit; pairs with: ring.slot.word (claimAlone)
		side.left()
		h, r := p.head, p.next(lapOf(m.word)|uint64(m.Index))
		p.readHint.Store(r) // not before the slot is free: until then the hint must not have passed it
		if m.Index&bare.HintMask == bare.HintMask {
			h.readPos.Publish(r)
		}
		if h.notEmpty.waiting() {
			p.passOn(r)
		}
		if h.notFull.waiting() || h.closing.Load() != 0 || h.idle.waiting() {
			p.released()
		}
	case m.block != 0 || m.Index >= p.n || triesOf(m.word) > 1:
		p.finishSlow(m)
	default:
		p.sync.Release()
		p.store(&p.slots.At(m.Index).word, nextFree(m.word)) // commit; pairs with: ring.slot.word (walkClaim)
		p.released()
	}
}

// finishSlow is Finish for a message with a block, whose end is that the block is
// no longer the message's, and for one that was delivered out of its turn.
func (p *Port) finishSlow(m Message) {
	p.sync.Release()
	mine := m.block != 0 && p.consumed(m.block-1, m.Index)
	p.freeSlot(m.Index, m.word)
	if mine {
		p.freeBlock(m.block - 1)
	}
}

// freeSlot frees slot i, which this participant has for itself, with word x.
func (p *Port) freeSlot(i uint32, x uint64) {
	if i >= p.n {
		p.clearLent(i)
	}
	p.slots.At(i).word.Store(nextFree(x))
	p.punch()
	p.released()
}

// discard ends a message that cannot be read, whether it was taken or received.
func (p *Port) discard(m Message) {
	s := p.slots.At(m.Index)
	for range lostRaces {
		x := s.word.Load()
		if x&indexMask != m.word&indexMask {
			return
		}
		if mine := word(lapOf(x), reading, triesOf(x), p.me); s.word.CompareAndSwap(x, mine) {
			p.freeSlot(m.Index, mine)
			return
		}
	}
}

// Slots returns the messages that lie in the slots of r, as Ts.
func Slots[T any](r *Ring) (mem.Strided[T], error) {
	return mem.NewStrided[T](r.region, r.payloadAt(0), r.stride, r.all())
}

// Long returns a T that lies in the region at off, where a block is.
func Long[T any](r *Ring, off int64) (*T, error) { return mem.At[T](r.region, off) }
