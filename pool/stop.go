package pool

import (
	"slices"
	"time"
)

// stopJob gives j up: what has not begun is dropped, the ctx of what runs ends,
// and a worker that does not heed that is killed.
func (p *Pool) stopJob(j *job) {
	p.mu.Lock()
	j.ended = true
	pieces := p.prune(j, stopHard)
	p.mu.Unlock()
	p.deliver(pieces)
	p.nudge()
}

// limitJob sees to it that no element of j from limit on is begun.
func (p *Pool) limitJob(j *job, limit int) {
	p.mu.Lock()
	if j.limit >= 0 && j.limit <= limit {
		p.mu.Unlock()
		return
	}
	j.limit = limit
	pieces := p.prune(j, 0)
	p.mu.Unlock()
	p.deliver(pieces)
	p.nudge()
}

// prune drops what is unwanted of j. It is called with mu held.
func (p *Pool) prune(j *job, how uint64) []piece {
	var pieces []piece
	for _, c := range slices.Clone(p.pending) {
		if c.job == j && c.unwanted() {
			pieces = append(pieces, p.endChunk(c, p.rest(c), nil)...)
		}
	}
	for _, m := range p.members {
		if !slices.ContainsFunc(m.assigned, func(c *chunk) bool { return c.job == j && c.unwanted() }) {
			continue
		}
		var wanted []*chunk
		for _, c := range p.recall(m) {
			if c.unwanted() {
				pieces = append(pieces, p.endChunk(c, p.rest(c), nil)...)
			} else {
				wanted = append(wanted, c)
			}
		}
		p.requeue(wanted)
		p.stopRunning(m, j, how)
	}
	p.dispatch()
	return pieces
}

// stopRunning tells m to give up the chunk that it is in, if that is an unwanted
// one of j: it is the last one that could not be recalled.
func (p *Pool) stopRunning(m *member, j *job, how uint64) {
	if len(m.assigned) == 0 {
		return
	}
	c := m.assigned[len(m.assigned)-1]
	if c.job != j || !c.unwanted() {
		return
	}
	m.stop.Store(c.id<<1 | how)
	if how&stopHard == 0 {
		return
	}
	time.AfterFunc(p.opts.Grace, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if c.worker == m && !c.ended && m.child != nil && !p.past(m, c) {
			_ = m.child.Kill() // one that has ended needs none
		}
	})
}

// past reports whether m is at work on a chunk that it got after c: then it is done
// with c, and what came of that is on its way. It is called with mu held.
func (p *Pool) past(m *member, c *chunk) bool {
	at := p.progress.Load(m.index*wordsPerWorker + wordChunk)
	i := slices.Index(m.assigned, c)
	return i >= 0 && slices.ContainsFunc(m.assigned[i+1:], func(next *chunk) bool { return next.id == at })
}

// withdraw drops c if it has not begun, and reports whether it did.
func (p *Pool) withdraw(c *chunk) bool {
	p.mu.Lock()
	found := !c.ended && c.worker == nil
	if m := c.worker; m != nil && !c.ended {
		back := p.recall(m)
		found = slices.Contains(back, c)
		p.requeue(back)
	}
	var pieces []piece
	if found {
		pieces = p.endChunk(c, p.rest(c), nil)
	}
	p.dispatch()
	p.mu.Unlock()
	p.deliver(pieces)
	p.nudge()
	return found
}
