package ring

import (
	"context"

	"github.com/shoal-ipc/shoal/internal/bare"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// Claim is a slot of the ring that this process writes (or one aside: see
// aside.go). Everybody waits for it, so nothing but a copy may happen between
// Claim and Publish.
type Claim struct {
	Index uint32
	word  uint64 // of the slot
}

// TryClaim takes the next slot for a message of at most inline bytes. It fails
// with ErrFull, ErrShutdown, fs.ErrPermission (SPSC) or a *mem.Corruption.
func (p *Port) TryClaim() (Claim, error) {
	c, err := p.claimInline()
	if err == errAgain {
		err = ErrFull
	}
	return c, err
}

// claimInline is tryClaim for a message that lies in its slot.
func (p *Port) claimInline() (Claim, error) {
	if p.putting != nil {
		return p.claimAlone()
	}
	return p.claimAmong()
}

// Claim is TryClaim, but it waits for room.
func (p *Port) Claim(ctx context.Context) (Claim, error) {
	if err := ctx.Err(); err != nil {
		return Claim{}, err
	}
	var c Claim
	var err error
	if p.putting != nil {
		c, err = p.claimAlone()
	} else {
		c, err = p.claimAmong()
	}
	if err == nil {
		return c, nil
	}
	if err == ErrFull || err == errAgain {
		return p.claimWait(ctx)
	}
	return Claim{}, err
}

func (p *Port) claimWait(ctx context.Context) (c Claim, err error) {
	if p.lingerFull() {
		if c, err = p.claimInline(); !vain(err) {
			return c, err
		}
	}
	err = p.await(ctx, &p.notFull, func() error {
		var err error
		c, err = p.claimInline()
		return err
	})
	return c, err
}

// Inline returns the bytes of the slot.
func (p *Port) Inline(c Claim) []byte { return p.inlineBytes(c.Index) }

func (r *Ring) inlineBytes(i uint32) []byte { return r.payloads.At(i) }

// Publish puts the message of length bytes that was written into the slot.
func (p *Port) Publish(c Claim, length int) {
	s := p.slots.At(c.Index)
	s.length = uint32(length)
	s.block = 0
	if !c.isAlone() {
		p.publish(c)
		return
	}
	p.sync.Release()
	side := p.putting
	s.word.PublishAndLeave(word(lapOf(c.word), full, 0, 0), &side.tenure.Load().inside, side.busy) // commit; pairs with: ring.slot.word (takeAlone)
	side.left()
	w := p.next(c.word | uint64(c.Index))
	p.writeHint.Store(w)
	if c.Index&bare.HintMask == bare.HintMask {
		p.head.writePos.Publish(w)
	}
	if p.head.notEmpty.waiting() {
		p.head.notEmpty.signalSlow(1)
	}
}

func (p *Port) publish(c Claim) {
	if c.Index >= p.n {
		p.publishAside(c.Index, c.word)
		return
	}
	p.sync.Release()
	p.store(&p.slots.At(c.Index).word, word(lapOf(c.word), full, 0, 0)) // commit; pairs with: ring.slot.word (takeAmong)
	if p.head.notEmpty.waiting() {
		p.head.notEmpty.signal(1)
	}
}

// claimAmong takes the next position, as one of many.
func (p *Port) claimAmong() (Claim, error) {
	if p.head.closing.Load() != 0 {
		return Claim{}, ErrShutdown
	}
	if p.spsc {
		if err := p.role(&p.head.producer, errProducer); err != nil {
			return Claim{}, err
		}
	}
	w := later(p.writeHint.Load(), p.head.writePos.Load())
	i := indexOf(w)
	if i >= p.n {
		return Claim{}, p.badPosition(w)
	}
	s := p.slots.At(i)
	c := Claim{Index: i, word: word(lapOf(w), writing, 0, p.me)}
	// pairs with: ring.slot.word (Finish). A free word is its lap alone.
	if !p.anyLent() && s.word.Load() == lapOf(w) && s.word.CompareAndSwap(lapOf(w), c.word) {
		p.claimed(p.next(w))
	} else {
		var err error
		if c, err = p.claimSlow(w, p.countLent()); err != nil {
			return Claim{}, err
		}
	}
	// A consumer that saw closing set, and then no claimed slot, has told its
	// caller that the queue is at its end. Whoever claims later must see it too.
	if p.head.closing.Load() != 0 {
		p.unclaim(c)
		return Claim{}, ErrShutdown
	}
	p.sync.Acquire()
	return c, nil
}

// claimed does what follows a successful claim; w is the next position.
func (p *Port) claimed(w uint64) {
	p.writeHint.Store(w)
	if indexOf(w)%8 == 0 {
		advance(&p.head.writePos, w)
	}
	if p.head.notFull.waiting() {
		p.passOnPlace(w)
	}
}

// passOnPlace wakes one more producer if there is another place: several may have
// become free at once, of which one producer was told. The next one may be the
// tip's, or a hole, whichever the caller took.
func (p *Port) passOnPlace(w uint64) {
	if p.claimable(w, 1) || p.hasHole(p.countLent()+1) {
		p.head.notFull.signal(1)
	}
}

// walkClaim looks for the next free position from w on and claims it, if there
// are at least places free ones. With ErrFull it returns the first position that
// is not claimed.
func (p *Port) walkClaim(w uint64, places uint32) (Claim, uint64, error) {
	checked := false // that there are so many
	for range 8*int64(p.n) + 64 {
		i := indexOf(w)
		s := p.slots.At(i)
		x := s.word.Load() // pairs with: ring.slot.word (Finish)
		d, state := ahead(x, w), stateOf(x)
		switch {
		case !inRing(state):
			return Claim{}, w, p.badSlot(i, x, w, "a state of the ring")
		case d > 0:
			w = p.skip(w, x)
			continue
		case d == 0 && state != free:
			w = p.next(w)
			continue
		case d < 0 && state == free:
			return Claim{}, w, p.badSlot(i, x, w, "nothing free this side of a claimed position")
		case d < 0 && !renewable(state):
			advance(&p.head.writePos, w)
			return Claim{}, w, ErrFull
		}
		// A position that is renewed is spent: that must be worth it.
		if !checked && (d < 0 || places > 1) {
			if !p.claimable(w, places) {
				advance(&p.head.writePos, w)
				return Claim{}, w, ErrFull
			}
			checked = true
		}
		mine := word(lapOf(w), writing, 0, p.me)
		if d < 0 {
			mine = lapOf(w) | x&indexMask
		}
		if !s.word.CompareAndSwap(x, mine) {
			continue
		}
		if d == 0 {
			p.claimed(p.next(w))
			return Claim{Index: i, word: mine}, w, nil
		}
		w = p.next(w)
	}
	advance(&p.head.writePos, w)
	return Claim{}, w, errAgain
}

// claimable reports whether a producer that looks from w on may find so many places.
func (r *Ring) claimable(w uint64, places uint32) bool {
	left := r.n // positions to look at from the first one that is not claimed
	// A hint may be two laps behind, and more that skip leaves out.
	for range 4*int64(r.n) + 8 {
		x := r.slots.At(indexOf(w)).word.Load()
		d, state := ahead(x, w), stateOf(x)
		switch {
		case d > 0:
			w = r.skip(w, x)
			continue
		case d < 0 && !renewable(state):
			return false
		case d < 0 || state == free:
			if d == 0 {
				places--
			}
			if left--; places == 0 || left == 0 {
				return places == 0
			}
		}
		w = r.next(w)
	}
	return true // too much is going on to be sure
}

// unclaim gives back a claimed slot that nothing was put into.
func (p *Port) unclaim(c Claim) {
	if c.Index >= p.n {
		p.vacate(Loan{index: c.Index, word: c.word})
		return
	}
	p.slots.At(c.Index).word.Store(nextFree(c.word))
	p.released()
}

// released tells those who wait that a slot became free.
func (r *Ring) released() {
	h := r.head
	if h.notFull.waiting() {
		h.notFull.signal(1)
	}
	if h.closing.Load() != 0 || h.idle.waiting() {
		r.perhapsTheEnd()
	}
}

// perhapsTheEnd tells those who wait for the queue to be drained, or empty.
func (r *Ring) perhapsTheEnd() {
	if r.head.closing.Load() != 0 {
		r.head.notEmpty.signal(wait.All)
	}
	if r.head.idle.waiting() {
		r.wakeIdle()
	}
}
