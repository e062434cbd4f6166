package ring

// Runs are messages in slots that follow each other, which the owner of one side
// of an SPSC queue puts or takes in one go: see solo.

// ClaimRun claims up to most slots from c.Index on, each for a message of up to
// inline bytes. With n 0 nothing was claimed, and single messages may do better.
func (p *Port) ClaimRun(most int) (c Claim, n int) {
	side, h := p.putting, p.head
	if side == nil || !side.enter() {
		return Claim{}, 0
	}
	if h.producer.Load() == p.me && h.closing.Load()|h.strict.Load() == 0 && !p.anyLent() {
		w := p.writeHint.Load()
		i := indexOf(w)
		for n < most && i+uint32(n) < p.n && p.slots.At(i+uint32(n)).word.Load() == lapOf(w) { // pairs with: ring.slot.word (finishAlone)
			n++
		}
		if n > 0 {
			p.sync.Acquire()
			return Claim{Index: i, word: lapOf(w)}, n
		}
	}
	side.leave()
	p.perhapsTheEnd() // as in claimInside
	return Claim{}, 0
}

// PublishRun puts the n messages of length bytes each that were written into the
// slots of a run. Others may see some first ones of them before the rest.
func (p *Port) PublishRun(c Claim, n, length int) {
	p.sync.Release()
	ready := word(lapOf(c.word), full, 0, 0)
	for ; n > 1; n-- {
		s := p.slots.At(c.Index)
		s.length = uint32(length)
		s.block = 0
		s.word.Publish(ready) // commit; pairs with: ring.slot.word (TakeRun)
		c.Index++
	}
	p.Publish(c, length)
}

// TakeRun takes up to most messages of length bytes each, which lie in the slots
// from m.Index on, for good, as TryTake does; FinishRun ends them. With n 0 nothing
// was taken, and single messages may do better.
func (p *Port) TakeRun(most, length int) (m Message, n int) {
	side, h := p.taking, p.head
	if side == nil || !side.enter() {
		return Message{}, 0
	}
	if h.consumer.Load() == p.me && h.strict.Load() == 0 {
		r := p.readHint.Load()
		i := indexOf(r)
		ready := word(lapOf(r), full, 0, 0)
		for n < most && i+uint32(n) < p.n && p.slots.At(i+uint32(n)).word.Load() == ready { // pairs with: ring.slot.word (PublishRun)
			n++
		}
		if n > 0 && !pending(h.late.Load()) {
			p.sync.Acquire()
			if n = p.alike(i, n, length); n > 0 {
				return Message{Index: i, Length: length, word: ready}, n
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
	p.sync.Release()
	for ; n > 1; n-- {
		p.slots.At(m.Index).word.Publish(nextFree(m.word)) // commit; pairs with: ring.slot.word (ClaimRun)
		m.Index++
	}
	p.finishAlone(m)
}
