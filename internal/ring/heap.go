package ring

import "github.com/shoal-ipc/shoal/internal/wait"

// The word of a cell or granule names its one owner, so that a death needs no
// second rule, and nothing can be owned twice or by nobody:
//
//	kind 63..60 | pieces 59..40 | tag 39..24 | who 23..0
//
//	0       free
//	OWNED   a participant (who) is inside an operation with it
//	LENT    a participant (who) has it as a loan (tag): its user writes it
//	QUEUED  the message in ring slot (who) lies there
//	REST    it follows the piece (who) of a run, and shares its fate
//
// Of a run, the first piece is taken first and freed last, and only its word
// changes in between.
const (
	owned  = 1
	lent   = 2
	queued = 3
	rest   = 4

	kindShift   = 60
	piecesShift = 40
	tagShift    = 24

	piecesMask = 1<<20 - 1
	tagMask    = 1<<16 - 1
	whoMask    = 1<<24 - 1
)

// claimOf makes an owner word.
func claimOf(kind uint64, pieces uint32, tag uint16, who uint32) uint64 {
	return kind<<kindShift | uint64(pieces)<<piecesShift | uint64(tag)<<tagShift | uint64(who)
}

func kindOf(w uint64) uint64 { return w >> kindShift }

func piecesOf(w uint64) uint32 { return uint32(w >> piecesShift & piecesMask) }

func whoOf(w uint64) uint32 { return uint32(w & whoMask) }

// keepPieces returns w with another kind, tag and owner.
func keepPieces(w, kind uint64, tag uint16, who uint32) uint64 {
	return claimOf(kind, piecesOf(w), tag, who)
}

// takeBlock takes a block for a message of size bytes. It fails with ErrFull if
// there is none now. The block belongs to this participant until it is queued,
// lent or freed.
//
// One look at all of them does not say that there is none: a block may become free
// that it has passed, before another one is taken that it comes to. So it announces a
// sleeper, though nobody will sleep, and looks again: who frees a block then changes
// that word.
func (p *Port) takeBlock(size int64) (uint32, error) {
	b, err := p.lookForBlock(size)
	for range blockLooks {
		if err != ErrFull {
			break
		}
		word, ok := p.head.space.announce()
		if !ok {
			break
		}
		if b, err = p.lookForBlock(size); p.head.space.word.Load() == word {
			break
		}
	}
	return b, err
}

// blockLooks is how often takeBlock looks; more often only if blocks are freed all
// the time and each is taken before it comes to it.
const blockLooks = 64

// lookForBlock takes the first block that it comes to, if any.
func (p *Port) lookForBlock(size int64) (uint32, error) {
	if p.cells > 0 && size <= p.spec.SlotSize {
		// The cell of the slot that comes next is most likely free, as all goes round.
		if b, ok := p.takeCell(indexOf(p.writeHint.Load())); ok {
			return b, nil
		}
	}
	if p.granules == 0 {
		return 0, ErrFull
	}
	n := uint32((max(size, 1) + p.spec.Granule - 1) / p.spec.Granule)
	if n > p.granules {
		return 0, ErrTooLarge
	}
	if b, ok := p.takeRun(n); ok {
		return b, nil
	}
	return 0, ErrFull
}

func (p *Port) takeCell(first uint32) (uint32, bool) {
	mine := claimOf(owned, 1, 0, p.me)
	for k := range p.cells {
		b := first + k
		if b >= p.cells {
			b -= p.cells
		}
		w := &p.owners[b]
		if w.Load() == 0 && w.CompareAndSwap(0, mine) { // pairs with: ring.owner (freeBlock)
			return b, true
		}
	}
	return 0, false
}

// takeRun takes n granules that lie together. Runs that begin at multiples of n
// are tried first: where all messages have one size, that wastes nothing.
func (p *Port) takeRun(n uint32) (uint32, bool) {
	starts := p.granules / n
	first := p.cursor.Load() / n
	for k := range starts {
		at := (first + k) % starts * n
		if _, ok := p.takeRunAt(p.cells+at, n); ok {
			p.cursor.Store(at + n)
			return p.cells + at, true
		}
	}
	if n == 1 {
		return 0, false
	}
	for b := p.cells; b+n <= p.cells+p.granules; {
		taken, ok := p.takeRunAt(b, n)
		if ok {
			return b, true
		}
		b = taken + 1
	}
	return 0, false
}

// takeRunAt takes the n pieces from b on, or none and returns the last one that
// it found taken.
func (p *Port) takeRunAt(b, n uint32) (uint32, bool) {
	for i := b + n; i > b; i-- {
		if p.owners[i-1].Load() != 0 {
			return i - 1, false
		}
	}
	if !p.owners[b].CompareAndSwap(0, claimOf(owned, n, 0, p.me)) {
		return b, false
	}
	for i := b + 1; i < b+n; i++ {
		if !p.owners[i].CompareAndSwap(0, claimOf(rest, 0, 0, b)) {
			p.freeRest(b, i-b)
			p.owners[b].Store(0)
			p.head.space.signal(wait.All) // who saw these pieces taken may be asleep now
			return i, false
		}
	}
	return 0, true
}

// freeRest frees the pieces of a run of n that follow the first one.
func (r *Ring) freeRest(b, n uint32) {
	tail := claimOf(rest, 0, 0, b)
	for i := b + 1; i < b+n && i < uint32(len(r.owners)); i++ {
		if r.owners[i].Load() == tail {
			r.owners[i].Store(0)
		}
	}
}

// freeBlock frees a block that this participant owns, or acts for the owner of.
func (r *Ring) freeBlock(b uint32) {
	w := &r.owners[b]
	r.freeRest(b, piecesOf(w.Load()))
	w.Store(0)                    // commit; pairs with: ring.owner (takeCell)
	r.head.space.signal(wait.All) // what fits depends on who comes
}

// queue makes block b, which this participant owns, that of the message in slot i.
func (r *Ring) queue(b, i uint32) {
	w := &r.owners[b]
	w.Store(keepPieces(w.Load(), queued, 0, i)) // commit; pairs with: ring.queued (consumed)
}

// consumed makes block b of the message in slot i this participant's own: that
// is the end of the message. It fails if the block is no longer the message's.
func (p *Port) consumed(b, i uint32) bool {
	w := &p.owners[b]
	x := w.Load() // pairs with: ring.queued (queue)
	return isQueued(x, i) && w.CompareAndSwap(x, keepPieces(x, owned, 0, p.me))
}

func isQueued(x uint64, i uint32) bool { return kindOf(x) == queued && whoOf(x) == i }

// queuedIn reports whether block b holds the message of length bytes in slot i.
func (r *Ring) queuedIn(b, i uint32, length int64) bool {
	if b >= uint32(len(r.owners)) {
		return false
	}
	x := r.owners[b].Load()
	n := piecesOf(x)
	return isQueued(x, i) && n >= 1 && n <= uint32(len(r.owners))-b && length <= r.room(b, n)
}
