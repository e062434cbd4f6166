package ring

import "github.com/shoal-ipc/shoal/internal/satomic"

// Runs are messages in slots that follow each other, put or taken in one go: by the
// owner of one side of an SPSC queue (see solo), or by one of many, who claims each
// slot as ever, but publishes all of them before it looks whether anybody sleeps.

// runMost is the length of a run. The other side sees a run when all of it is
// written, and what was read or written first must not have left the cache by then.
const runMost = 64

// expectMost is how many bytes are worth fetching before they are looked at.
const expectMost = 2048

// ClaimRun claims up to most slots from c.Index on, each for a message of up to
// inline bytes. With n 0 nothing was claimed, and single messages may do better.
func (p *Port) ClaimRun(most int) (c Claim, n int) {
	side, h := p.putting, p.head
	if side == nil {
		return p.claimRunAmong(most)
	}
	if !side.enter() {
		return Claim{}, 0
	}
	if h.producer.Load() == p.me && h.closing.Load()|h.strict.Load() == 0 && !p.anyLent() {
		w := p.writeHint.Load()
		if i := indexOf(w); i < p.n {
			if n = p.countRun(i, most, lapOf(w)); n > 0 {
				p.sync.Acquire()
				return Claim{Index: i, word: lapOf(w)}, n
			}
		}
	}
	side.leave()
	p.perhapsTheEnd() // as in claimInside
	return Claim{}, 0
}

// countRun returns how many of the slots of the ring from i on have the word x, up
// to most or a run's length.
func (p *Port) countRun(i uint32, most int, x uint64) int {
	most = min(most, runMost, int(p.n-i))
	n := satomic.CountEach(&p.slots.At(i).word, p.slots.Stride(), most, x) // pairs with: ring.slot.word (FinishRun, PublishRun)
	p.expectAfter(i, n, most)
	return n
}

// expectAfter has the processor fetch what follows a run of n slots from i on, for
// the next one, unless it is shorter than it could be: who comes close behind the
// other side would take away from it what it is about to write.
func (p *Port) expectAfter(i uint32, n, most int) {
	if n == most && uintptr(n)*p.slots.Stride() <= expectMost {
		p.slots.Expect(i+uint32(n), uint32(n))
	}
}

// PublishRun puts the n messages of length bytes each that were written into the
// slots of a run. Others may see some first ones of them before the rest.
func (p *Port) PublishRun(c Claim, n, length int) {
	for k := range n - 1 {
		if s := p.slots.At(c.Index + uint32(k)); s.length != uint32(length) || s.block != 0 { // mostly they are as they were a lap ago
			s.length, s.block = uint32(length), 0
		}
	}
	if !c.isAlone() {
		p.publishRunAmong(c, n, length)
		return
	}
	p.sync.Release()
	first := &p.slots.At(c.Index).word
	c.Index += uint32(n) - 1
	satomic.PublishEach(first, p.slots.Stride(), n-1, word(lapOf(c.word), full, 0, 0)) // commit; pairs with: ring.slot.word (countRun)
	p.Publish(c, length)
}

// TakeRun takes up to most messages of length bytes each, which lie in the slots
// from m.Index on, for good, as TryTake does; FinishRun ends them. With n 0 nothing
// was taken, and single messages may do better.
func (p *Port) TakeRun(most, length int) (m Message, n int) {
	side, h := p.taking, p.head
	if side == nil {
		return p.takeRunAmong(most, length)
	}
	if !side.enter() {
		return Message{}, 0
	}
	if h.consumer.Load() == p.me && h.strict.Load() == 0 {
		r := p.readHint.Load()
		ready := word(lapOf(r), full, 0, 0)
		if i := indexOf(r); i < p.n {
			if n = p.countRun(i, most, ready); n > 0 && !pending(h.late.Load()) {
				p.sync.Acquire()
				if n = p.alike(i, n, length); n > 0 {
					return Message{Index: i, Length: length, word: ready}, n
				}
			}
		}
	}
	side.leave()
	return Message{}, 0
}

// alike returns how many of the n messages from slot i on have length bytes and
// lie in their slots.
func (p *Port) alike(i uint32, n, length int) int {
	for k := range n {
		if s := p.slots.At(i + uint32(k)); s.block != 0 || s.length != uint32(length) {
			return k
		}
	}
	return n
}

// FinishRun is Finish for a run of n messages.
func (p *Port) FinishRun(m Message, n int) {
	if !m.isAlone() {
		p.finishRunAmong(m, n)
		return
	}
	p.sync.Release()
	first := &p.slots.At(m.Index).word
	m.Index += uint32(n) - 1
	satomic.PublishEach(first, p.slots.Stride(), n-1, nextFree(m.word)) // commit; pairs with: ring.slot.word (countRun)
	p.Finish(m)
}
