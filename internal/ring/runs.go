package ring

import "github.com/shoal-ipc/shoal/internal/satomic"

// claimRunAmong is ClaimRun as one of many. Whoever dies has every slot of the run
// in its name.
func (p *Port) claimRunAmong(most int) (c Claim, n int) {
	w := later(p.writeHint.Load(), p.head.writePos.Load())
	i := indexOf(w)
	if i >= p.n || p.head.closing.Load() != 0 {
		return Claim{}, 0
	}
	most = min(most, runMost, int(p.n-i))
	mine := word(lapOf(w), writing, 0, p.me)
	for n < most && !p.anyLent() {
		s := p.slots.At(i + uint32(n))
		if s.word.Load() != lapOf(w) || !s.word.CompareAndSwap(lapOf(w), mine) { // pairs with: ring.slot.word (finishRunAmong)
			break
		}
		n++
	}
	if n == 0 {
		return Claim{}, 0
	}
	p.expectAfter(i, n, most)
	p.claimed(p.next(w + uint64(n) - 1))
	c = Claim{Index: i, word: mine}
	if p.head.closing.Load() != 0 { // as in claimAmong
		for range n {
			p.unclaim(c)
			c.Index++
		}
		return Claim{}, 0
	}
	p.sync.Acquire()
	return c, n
}

// publishRunAmong is PublishRun for a run of claimRunAmong.
func (p *Port) publishRunAmong(c Claim, n, length int) {
	last := p.slots.At(c.Index + uint32(n) - 1)
	last.length, last.block = uint32(length), 0
	p.sync.Release()
	p.storeRun(c.Index, n, word(lapOf(c.word), full, 0, 0)) // commit; pairs with: ring.slot.word (takeRunAmong)
	if p.head.notEmpty.waiting() {
		p.head.notEmpty.signal(n)
	}
}

// storeRun is store for the words of a run.
func (p *Port) storeRun(i uint32, n int, x uint64) {
	if p.head.strict.Load() == 0 {
		satomic.PublishEach(&p.slots.At(i).word, p.slots.Stride(), n, x)
		return
	}
	for k := range n {
		p.slots.At(i + uint32(k)).word.Store(x)
	}
}

// takeRunAmong is TakeRun as one of many.
func (p *Port) takeRunAmong(most, length int) (m Message, n int) {
	r := later(p.readHint.Load(), p.head.readPos.Load())
	i := indexOf(r)
	if i >= p.n {
		return Message{}, 0
	}
	most = min(most, runMost, int(p.n-i))
	ready, mine := word(lapOf(r), full, 0, 0), word(lapOf(r), reading, 1, p.me)
	for n < most {
		s := p.slots.At(i + uint32(n))
		x := s.word.Load() // pairs with: ring.slot.word (publishRunAmong)
		if x != ready || pending(p.head.late.Load()) || !s.word.CompareAndSwap(x, mine) {
			break
		}
		n++
	}
	if n == 0 {
		return Message{}, 0
	}
	p.expectAfter(i, n, most)
	p.taken(p.next(r + uint64(n) - 1))
	p.sync.Acquire()
	m = Message{Index: i, Length: length, word: mine}
	like := p.alike(i, n, length)
	for k := like; k < n; k++ { // somebody wrote nonsense: TakeRun's caller takes them one by one
		p.Nack(Message{Index: i + uint32(k), word: mine})
	}
	return m, like
}

// finishRunAmong is FinishRun for a run of takeRunAmong.
func (p *Port) finishRunAmong(m Message, n int) {
	p.sync.Release()
	p.storeRun(m.Index, n, nextFree(m.word)) // commit; pairs with: ring.slot.word (claimRunAmong)
	h := p.head
	if h.notFull.waiting() {
		h.notFull.signal(n)
	}
	if h.closing.Load() != 0 || h.idle.waiting() {
		p.perhapsTheEnd()
	}
}
