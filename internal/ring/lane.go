package ring

import (
	"github.com/shoal-ipc/shoal/internal/bare"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// lanes are the quick way of an SPSC queue whose messages all have one size: what
// claimAlone, a copy and Publish do, and takeAlone, a copy and Finish, in one piece of
// assembly each (see bare.Put). It goes only where none of them would have to do
// anything else; everything else is theirs.
type lanes struct {
	put, get satomic.Lane
}

// Straighten makes PutAlone and GetAlone work, for messages of size bytes, and reports
// whether they do.
func (p *Port) Straighten(size int) bool {
	if !satomic.Lanes || !p.spsc || size < 1 || size > int(p.inline) || size >= mem.Large {
		return false
	}
	first, row := p.slots.At(0), satomic.Row{Stride: p.slots.Stride(), N: p.n, Me: p.me, Size: size}
	p.lanes = &lanes{
		put: satomic.NewLane(p.head, first, &p.writeHint, row),
		get: satomic.NewLane(p.head, first, &p.readHint, row),
	}
	return true
}

// PutAlone puts the message at src, if this goroutine is alone on the producer's side
// and nothing stands in the way. Else it has done nothing, and Claim knows more.
func (p *Port) PutAlone(src *byte) bool {
	side := p.putting
	t := side.tenure.Load()
	in := p.lanes.put.Put(&t.owner, &t.inside, src) // commit; pairs with: ring.slot.word (takeAlone)
	if in != bare.Done {
		return p.turnBack(side, in)
	}
	side.left()
	if p.head.notEmpty.waiting() {
		p.head.notEmpty.signalSlow(1)
	}
	return true
}

// GetAlone gets a message to dst, if this goroutine is alone on the consumer's side, there
// is one, and nothing stands in the way. Else it has done nothing, and TryTake knows more.
func (p *Port) GetAlone(dst *byte) bool {
	side, h := p.taking, p.head
	t := side.tenure.Load()
	in := p.lanes.get.Get(&t.owner, &t.inside, dst) // commit; pairs with: ring.slot.word (claimAlone)
	if in != bare.Done {
		return p.turnBack(side, in)
	}
	side.left()
	if h.notEmpty.waiting() {
		p.passOn(p.readHint.Load())
	}
	if h.notFull.waiting() || h.closing.Load() != 0 || h.idle.waiting() {
		p.released()
	}
	return true
}

// AwaitAlone is GetAlone, but where there is no message it waits a moment for one.
func (p *Port) AwaitAlone(dst *byte) bool {
	return p.GetAlone(dst) || !p.mayTake() && p.soon() && p.GetAlone(dst)
}

// turnBack is false. It ends what a lane began that has done nothing.
func (p *Port) turnBack(side *solo, in uint32) bool {
	if in != bare.Inside {
		return side.turnedAway(in)
	}
	side.leave()
	if side == p.putting {
		p.perhapsTheEnd() // as in claimInside
	}
	return false
}
