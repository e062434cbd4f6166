package ring

import (
	"context"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Loan is room for a message, lent to a producer that builds it: a place in the
// ring, which nobody waits for, and perhaps a block of the heap.
type Loan struct {
	place Claim
	block uint32 // 0, or 1 + its first owner word
	owner uint64 // its owner word
}

// Terms say what is lent, and to whom.
type Terms struct {
	Size int64  // bytes that must be there; up to inline no block is lent
	Tag  uint16 // tells the loans of one process apart
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
	c, err := p.tryClaim(reserved, uint64(t.Tag)&triesMask)
	if err == ErrFull || err == errAgain {
		c, err = p.claimWait(ctx, reserved, uint64(t.Tag)&triesMask)
	}
	if err != nil {
		return Loan{}, err
	}
	l := Loan{place: c}
	if t.Size > int64(p.inline) {
		b, err := p.waitBlock(ctx, t.Size, p.stopped)
		if err != nil {
			p.unclaim(c)
			return Loan{}, err
		}
		p.lend(&l, b, t)
	}
	return p.keepLoan(l)
}

// TryReserve is Reserve without waiting: ErrFull.
func (p *Port) TryReserve(t Terms) (Loan, error) {
	c, err := p.tryClaim(reserved, uint64(t.Tag)&triesMask)
	if err == errAgain {
		err = ErrFull
	}
	if err != nil {
		return Loan{}, err
	}
	l := Loan{place: c}
	if t.Size > int64(p.inline) {
		b, err := p.takeBlock(t.Size)
		if err != nil {
			p.unclaim(c)
			return Loan{}, err
		}
		p.lend(&l, b, t)
	}
	return p.keepLoan(l)
}

func (p *Port) lend(l *Loan, b uint32, t Terms) {
	w := &p.owners[b]
	l.block, l.owner = b+1, w.Load()
	if t.Lent {
		l.owner = keepPieces(l.owner, lent, t.Tag, p.me)
		w.Store(l.owner)
	}
}

func (p *Port) keepLoan(l Loan) (Loan, error) {
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
	p.unclaim(l.place)
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
		p.unclaim(l.place)
		return fs.ErrClosed
	}
	err := p.settle(l, content{length: length, block: l.block})
	if err != nil {
		p.freeBlock(l.block - 1)
	}
	return err
}

// PublishBytes puts b, which is not longer than Inline, and gives the loan's
// block back. Errors are those of PublishBlock.
func (p *Port) PublishBytes(l Loan, b []byte) error {
	if l.block != 0 && p.regain(&l) {
		p.freeBlock(l.block - 1)
	}
	return p.settle(l, content{length: len(b), inline: b})
}

// PublishLong puts b, which may be longer than the loan has room for. It waits
// for room in the heap then, also after Shutdown. over says whether that was the
// end of the loan: it is not with ErrTooLarge, or if the wait ended.
func (p *Port) PublishLong(ctx context.Context, l Loan, b []byte) (over bool, err error) {
	if len(b) <= int(p.inline) {
		return true, p.PublishBytes(l, b)
	}
	if l.block != 0 && int64(len(b)) <= p.spec.SlotSize {
		p.fillBlock(l.block-1, b)
		return true, p.PublishBlock(l, len(b))
	}
	if int64(len(b)) > p.spec.MaxSize {
		return false, ErrTooLarge
	}
	block, err := p.waitBlock(ctx, int64(len(b)), func() error { return nil })
	if err != nil {
		return false, err
	}
	p.fillBlock(block, b)
	if l.block != 0 && p.regain(&l) {
		p.freeBlock(l.block - 1)
	}
	err = p.settle(l, content{length: len(b), block: block + 1})
	if err != nil {
		p.freeBlock(block)
	}
	return true, err
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
	half := len(src) / 2
	copy(dst, src[:half])
	satomic.Step()
	copy(dst[half:], src[half:])
	satomic.Step()
}

// settle puts a message in exchange for the place that was reserved for it. It
// does not wait: the place counts as one of the ring's, so either there is
// another one free, or the reserved one is used itself.
func (p *Port) settle(l Loan, m content) error {
	w, err := p.start(p.writeHint.Load(), p.head.writePos.Load())
	if err != nil {
		p.unclaim(l.place)
		return err
	}
	for range lostRaces {
		c, at, err := p.walkClaim(w, word(0, writing, 0, p.me), l.place.word&indexMask)
		switch err {
		case nil:
			p.fill(c.Index, m)
			p.publish(c)
			if c.Index != l.place.Index {
				p.unclaim(l.place)
			}
			return nil
		case ErrFull:
			return p.publishLate(l, m, at)
		case errAgain:
			w = at
		default:
			p.unclaim(l.place)
			return err
		}
	}
	p.unclaim(l.place)
	return errAgain
}

// publishLate puts a message into the place that was reserved for it, although
// that lies before others: it is not delivered until consumers come to position at.
func (p *Port) publishLate(l Loan, m content, at uint64) error {
	s := p.slots.At(l.place.Index)
	for range lostRaces {
		x := s.word.Load()
		if x&indexMask != l.place.word&indexMask {
			return fs.ErrClosed
		}
		mine := word(lapOf(x), filling, 0, p.me)
		if !s.word.CompareAndSwap(x, mine) {
			continue
		}
		p.fill(l.place.Index, m)
		s.after.Store(at)
		p.sync.Release()
		s.word.Store(word(lapOf(x), late, 0, 0)) // commit; pairs with: ring.slot.late (firstLate)
		p.bumpLate()
		return nil
	}
	return errAgain
}
