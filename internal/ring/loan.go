package ring

import (
	"context"
	"io/fs"
	"math/bits"

	"github.com/shoal-ipc/shoal/internal/bare"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Loan is room for a message, lent to a producer that builds it: a slot of its
// own, which stands for a place of the ring without being one, so that nobody
// waits for it; and perhaps a block of the heap.
type Loan struct {
	index uint32 // of the slot
	word  uint64 // of the slot
	block uint32 // 0, or 1 + its first owner word
	owner uint64 // its owner word
}

// Terms say what is lent, and to whom.
type Terms struct {
	Size int64  // bytes that must be there; up to inline no block is lent
	Tag  uint16 // spreads the loans of one process over slots
	// Lent is true if the loan is left in the hands of a user, so that Close ends
	// it; else it ends with the operation that took it.
	Lent bool
}

// Reserve waits until there is room for a message, and lends it. Errors are as
// those of Claim.
func (p *Port) Reserve(ctx context.Context, t Terms) (Loan, error) {
	if err := ctx.Err(); err != nil {
		return Loan{}, err
	}
	l, err := p.tryReserve(t)
	if err == ErrFull || err == errAgain {
		err = p.await(ctx, &p.notFull, func() error {
			var err error
			l, err = p.tryReserve(t)
			return err
		})
	}
	if err != nil {
		return Loan{}, err
	}
	if t.Size > int64(p.inline) {
		b, err := p.waitBlock(ctx, t.Size, p.stopped)
		if err != nil {
			p.vacate(l)
			return Loan{}, err
		}
		p.lend(&l, b, t)
	}
	return p.hand(l, t)
}

// TryReserve is Reserve without waiting: ErrFull.
func (p *Port) TryReserve(t Terms) (Loan, error) {
	l, err := p.tryReserve(t)
	if err == errAgain {
		err = ErrFull
	}
	if err != nil {
		return Loan{}, err
	}
	if t.Size > int64(p.inline) {
		b, err := p.takeBlock(t.Size)
		if err != nil {
			p.vacate(l)
			return Loan{}, err
		}
		p.lend(&l, b, t)
	}
	return p.hand(l, t)
}

// tryReserve takes a slot for a loan, if there are places for all that is spoken
// for then.
func (p *Port) tryReserve(t Terms) (Loan, error) {
	if p.head.closing.Load() != 0 {
		return Loan{}, ErrShutdown
	}
	if p.spsc {
		if err := p.role(&p.head.producer, errProducer); err != nil {
			return Loan{}, err
		}
	}
	w, err := p.start(p.writeHint.Load(), p.head.writePos.Load())
	if err != nil {
		return Loan{}, err
	}
	if !p.hasRoom(w, p.countLent()+1) {
		return Loan{}, ErrFull
	}
	l, ok := p.occupy(t)
	if !ok {
		return Loan{}, ErrFull
	}
	// As in claimAmong: a consumer may have been told that this is the end.
	if p.head.closing.Load() != 0 {
		p.vacate(l)
		return Loan{}, ErrShutdown
	}
	if lent := p.countLent(); lent > 1 && !p.hasRoom(w, lent) {
		p.vacate(l) // others were quicker
		return Loan{}, ErrFull
	}
	if p.head.notFull.waiting() && p.hasRoom(w, p.countLent()+1) {
		p.head.notFull.signal(1) // the baton, as in claimed
	}
	return l, nil
}

// occupy takes a free slot of a loan for this operation.
func (p *Port) occupy(t Terms) (Loan, bool) {
	first := p.next64(t)
	for k := range p.loans {
		i := p.n + (first+k)%p.loans
		s := p.slots.At(i)
		x := s.word.Load()
		l := Loan{index: i, word: word(lapOf(x), filling, uint64(t.Tag)&triesMask, p.me)}
		if x == lapOf(x) && s.word.CompareAndSwap(x, l.word) {
			p.setLent(i)
			return l, true
		}
	}
	return Loan{}, false
}

// next64 spreads the loans of participants over different slots, so that they
// seldom meet.
func (p *Port) next64(t Terms) uint32 { return p.me*7 + uint32(t.Tag>>2) }

// The bits of lent are set after the slot's word names an owner, and cleared
// before it names none, so that they, too, belong to somebody who can die.

func (r *Ring) setLent(i uint32) {
	bit := i - r.n
	r.head.lent[bit/64%uint32(len(r.head.lent))].Or(1 << (bit % 64))
}

func (r *Ring) clearLent(i uint32) {
	bit := i - r.n
	r.head.lent[bit/64%uint32(len(r.head.lent))].And(^(uint64(1) << (bit % 64)))
}

// countLent returns how many places are spoken for by slots of loans.
func (r *Ring) countLent() uint32 {
	if r.loans <= 64 {
		return uint32(bits.OnesCount64(r.head.lent[0].Load()))
	}
	n := 0
	for i := range (r.loans + 63) / 64 {
		n += bits.OnesCount64(r.head.lent[i].Load())
	}
	return uint32(n)
}

// regainSlot makes the slot of a loan, which Close could take away, one that only
// this operation has. It reports whether it was there still.
func (p *Port) regainSlot(l *Loan) bool {
	mine := word(lapOf(l.word), filling, triesOf(l.word), p.me)
	if l.word == mine {
		return true
	}
	ok := p.slots.At(l.index).word.CompareAndSwap(l.word, mine)
	l.word = mine
	return ok
}

// vacate gives back the slot of a loan.
func (p *Port) vacate(l Loan) {
	if p.regainSlot(&l) {
		p.clearLent(l.index)
		p.slots.At(l.index).word.Store(nextFree(l.word))
		p.released()
	}
}

func (p *Port) lend(l *Loan, b uint32, t Terms) {
	l.block, l.owner = b+1, p.owners[b].Load()
	if t.Lent {
		l.owner = keepPieces(l.owner, lent, uint16(p.lendings.Add(1)), p.me)
		p.owners[b].Store(l.owner)
	}
}

// hand lets the caller have the loan unless the segment was closed meanwhile.
func (p *Port) hand(l Loan, t Terms) (Loan, error) {
	if t.Lent {
		l.word = word(lapOf(l.word), reserved, triesOf(l.word), p.me)
		p.slots.At(l.index).word.Store(l.word)
	}
	if p.use.Closed() {
		p.Abandon(l)
		return Loan{}, fs.ErrClosed
	}
	return l, nil
}

// stopped ends a wait for room when the queue is shut down.
func (p *Port) stopped() error {
	if p.head.closing.Load() != 0 {
		return ErrShutdown
	}
	return nil
}

// HasBlock reports whether the loan has a block, in which its message is built.
func (l Loan) HasBlock() bool { return l.block != 0 }

// BlockOffset returns where the loan's block lies in the region.
func (p *Port) BlockOffset(l Loan) int64 { return p.blockAt(l.block - 1) }

// BlockBytes returns the first size bytes of the loan's block.
func (p *Port) BlockBytes(l Loan, size int64) []byte {
	b, err := p.region.Bytes(p.blockAt(l.block-1), size)
	if err != nil {
		return nil // lend has checked that it fits
	}
	return b
}

// Abandon gives the loan back.
func (p *Port) Abandon(l Loan) {
	if l.block != 0 && p.regain(&l) {
		p.freeBlock(l.block - 1)
	}
	p.vacate(l)
}

// regain makes the block of a loan, which Close could take away, one that only
// this operation has. It reports whether it was there still.
func (p *Port) regain(l *Loan) bool {
	mine := keepPieces(l.owner, owned, 0, p.me)
	if l.owner == mine {
		return true
	}
	ok := p.owners[l.block-1].CompareAndSwap(l.owner, mine)
	l.owner = mine
	return ok
}

// PublishBlock puts the message of length bytes that was built in the loan's
// block. On an error the loan is over all the same: fs.ErrClosed if the segment
// was closed, or a *mem.Corruption.
func (p *Port) PublishBlock(l Loan, length int) error {
	if !p.regain(&l) {
		p.vacate(l)
		return fs.ErrClosed
	}
	err := p.settle(l, content{length: length, block: l.block})
	if err != nil {
		p.freeBlock(l.block - 1)
	}
	return err
}

// PublishBytes puts b, which is not longer than Inline, and gives the loan's
// block back, in which b may lie. Errors are those of PublishBlock.
func (p *Port) PublishBytes(l Loan, b []byte) error {
	if l.block == 0 {
		return p.settle(l, content{length: len(b), inline: b})
	}
	if !p.regain(&l) {
		p.vacate(l)
		return fs.ErrClosed
	}
	err := p.settle(l, content{length: len(b), inline: b})
	p.freeBlock(l.block - 1) // not before b was copied
	return err
}

// PublishLong puts b, which may be longer than the loan has room for. It waits
// for room in the heap then, also after Shutdown. over says whether that was the
// end of the loan: it is not with ErrTooLarge, nor when ctx is done.
func (p *Port) PublishLong(ctx context.Context, l *Loan, b []byte) (over bool, err error) {
	if over, err = p.publishShort(l, b); over || err != nil {
		return over, err
	}
	block, err := p.waitBlock(ctx, int64(len(b)), func() error { return nil })
	if err != nil && err == ctx.Err() {
		return false, err
	}
	return true, p.publishIn(block, *l, b, err)
}

// TryPublishLong is PublishLong without waiting: it fails with ErrFull, after
// which the loan goes on.
func (p *Port) TryPublishLong(l *Loan, b []byte) (over bool, err error) {
	if over, err = p.publishShort(l, b); over || err != nil {
		return over, err
	}
	block, err := p.takeBlock(int64(len(b)))
	if err == ErrFull {
		return false, err
	}
	return true, p.publishIn(block, *l, b, err)
}

// publishShort puts b if the loan has room for it. Otherwise l has no block any
// more, so that two of them do not wait for each other.
func (p *Port) publishShort(l *Loan, b []byte) (over bool, err error) {
	if len(b) <= int(p.inline) {
		return true, p.PublishBytes(*l, b)
	}
	if l.block != 0 && int64(len(b)) <= p.spec.SlotSize {
		if !p.regain(l) {
			p.vacate(*l)
			return true, fs.ErrClosed
		}
		p.fillBlock(l.block-1, b)
		return true, p.PublishBlock(*l, len(b))
	}
	if int64(len(b)) > p.spec.MaxSize {
		return false, ErrTooLarge
	}
	if l.block != 0 {
		if p.regain(l) {
			p.freeBlock(l.block - 1)
		}
		l.block = 0
	}
	return false, nil
}

// publishIn puts b by way of a block that was taken for it, unless taking it failed.
func (p *Port) publishIn(block uint32, l Loan, b []byte, err error) error {
	if err != nil {
		p.vacate(l)
		return err
	}
	p.fillBlock(block, b)
	if err = p.settle(l, content{length: len(b), block: block + 1}); err != nil {
		p.freeBlock(block)
	}
	return err
}

// content is a message that has no slot yet.
type content struct {
	inline []byte
	length int
	block  uint32 // as in slotHead
}

// fill writes a message into slot i, which this participant has for itself.
func (p *Port) fill(i uint32, c content) {
	s := p.slots.At(i)
	s.length = uint32(c.length)
	s.block = c.block
	if c.block != 0 {
		p.queue(c.block-1, i)
		return
	}
	p.copyIn(p.inlineBytes(i), c.inline)
}

// copyIn copies in two steps, so that tests can stop between them.
func (p *Port) copyIn(dst, src []byte) {
	if !satomic.Checked {
		bare.Copy(dst, src)
		return
	}
	half := len(src) / 2
	bare.Copy(dst, src[:half])
	satomic.Step()
	bare.Copy(dst[half:], src[half:])
	satomic.Step()
}

// settle puts a message in exchange for a loan. It does not wait: the loan counts
// as one of the ring's places, so there is one free; and should others have been
// quicker, the message stays in the loan's own slot.
func (p *Port) settle(l Loan, m content) error {
	w, err := p.start(p.writeHint.Load(), p.head.writePos.Load())
	for err == nil {
		var c Claim
		c, w, err = p.claimFrom(w)
		switch err {
		case nil:
			p.fill(c.Index, m)
			p.publish(c)
			p.vacate(l)
			return nil
		case ErrFull:
			return p.publishLate(l, m, w)
		case errAgain:
			err = p.open()
		}
	}
	p.vacate(l)
	return err
}

// claimFrom is walkClaim for a place that a loan speaks for.
func (p *Port) claimFrom(w uint64) (Claim, uint64, error) {
	s := p.putting
	if s == nil {
		return p.walkClaim(w, 1)
	}
	if s.enter() {
		defer s.leave()
		return p.walkClaim(w, 1)
	}
	if !s.join() {
		return Claim{}, w, fs.ErrClosed
	}
	c, w, err := p.walkClaim(w, 1)
	p.part(s, err)
	return c, w, err
}

// open fails if the segment is closed.
func (p *Port) open() error {
	if p.use.Closed() {
		return fs.ErrClosed
	}
	return nil
}

// publishLate puts a message into the loan's own slot. It is not delivered until
// consumers come to position at.
func (p *Port) publishLate(l Loan, m content, at uint64) error {
	if !p.regainSlot(&l) {
		return fs.ErrClosed
	}
	p.fill(l.index, m)
	p.aside(l.index).after.Store(at)
	p.publishAside(l.index, l.word)
	return nil
}
