package pool

import (
	"context"
	"slices"
	"time"
)

// How much work is sent to a worker before it has done what it has.
const (
	inboxCap  = 32
	ahead     = 2                      // chunks, always
	aheadTime = 200 * time.Microsecond // of short ones
	unknown   = 100 * time.Microsecond // how long a task takes that was never seen
	patience  = time.Millisecond       // after which a worker that is silent has a long task, at first
	doublings = 8                      // of patience, at most
	handTime  = 500 * time.Nanosecond  // in which the pool sends a chunk and takes its result
)

// submit queues c, or fails. The caller may use a borrowed payload again.
func (p *Pool) submit(c *chunk) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusal != nil {
		return p.refusal
	}
	if c.job.ended {
		return c.job.ctx.Err()
	}
	p.books.add(c)
	p.live.Add(1)
	if len(p.pending) == 0 && !p.closed && p.place(c) {
		p.watchBalance()
		return nil
	}
	p.pending = append(p.pending, c)
	p.dispatch()
	if c.worker == nil && !c.ended && len(c.payload) <= borrowed {
		c.payload = slices.Clone(c.payload)
	}
	return nil
}

// unqueue takes c out of the pending chunks.
func (p *Pool) unqueue(c *chunk) {
	if len(p.pending) > 0 && p.pending[0] == c {
		p.pending[0] = nil
		p.pending = p.pending[1:]
		return
	}
	if i := slices.Index(p.pending, c); i >= 0 {
		p.pending = slices.Delete(p.pending, i, i+1)
	}
}

// dispatch gives pending chunks to workers that have room. It is called with mu held.
func (p *Pool) dispatch() {
	for len(p.pending) > 0 && !p.closed {
		c := p.pending[0]
		if !p.place(c) {
			return
		}
		p.unqueue(c)
	}
	p.watchBalance()
}

// place gives c to a worker, if one has room.
func (p *Pool) place(c *chunk) bool {
	m := p.choose(c)
	return m != nil && p.assign(m, c)
}

// choose returns the worker that c should go to: one that has nothing to do, the
// one that was busy last, for it is awake; else the one that has least. Of those
// that have as much, one from which something was taken back comes last until it is
// heard again. It returns nil if c must wait.
//
// Chunks that take no longer than it takes to send them keep one worker busy at
// most. So they go to one that has some already, and no other is woken for them.
func (p *Pool) choose(c *chunk) *member {
	if c.length() <= handTime {
		if m := p.busiest(c); m != nil {
			return m
		}
	}
	var best *member
	for _, m := range p.members {
		if !m.works() || m.retiring || !p.mayTake(m, c) {
			continue
		}
		if best == nil || m.before(best) {
			best = m
		}
	}
	return best
}

// busiest returns the worker that has most chunks, of those that have some and may take c.
func (p *Pool) busiest(c *chunk) *member {
	var best *member
	for _, m := range p.members {
		n := len(m.assigned)
		if n == 0 || m.recalled > 0 || !m.works() || m.retiring || !p.mayTake(m, c) {
			continue
		}
		if best == nil || n > len(best.assigned) {
			best = m
		}
	}
	return best
}

// works reports whether m takes tasks. It may say that it is ready before this
// process has noted that it was started.
func (m *member) works() bool { return m.ready && m.child != nil }

// before reports whether m should get a chunk before other does.
func (m *member) before(other *member) bool {
	if a, b := len(m.assigned), len(other.assigned); a != b {
		return a < b
	}
	if m.recalled != other.recalled {
		return m.recalled < other.recalled
	}
	return len(m.assigned) == 0 && m.heard > other.heard
}

// mayTake reports whether m has room for c.
func (p *Pool) mayTake(m *member, c *chunk) bool {
	if len(m.assigned) == 0 {
		return p.mayBegin(m, c)
	}
	switch {
	case len(c.payload) > p.longest, m.assigned[len(m.assigned)-1].feed != nil, !p.allowed(m, c):
		return false
	case len(m.assigned) < ahead:
		return true
	}
	return len(m.assigned) < inboxCap && time.Duration(len(m.assigned))*c.length() < aheadTime
}

// mayBegin is mayTake for an m that has nothing to do. If it has done all that it
// may do, it is replaced.
func (p *Pool) mayBegin(m *member, c *chunk) bool {
	if m.tasks == 0 || p.allowed(m, c) {
		return true
	}
	p.retire(m)
	return false
}

// allowed reports whether m may do c before it is replaced.
func (p *Pool) allowed(m *member, c *chunk) bool {
	return p.opts.TasksPerWorker == 0 || m.tasks+c.count-c.arrived <= p.opts.TasksPerWorker
}

// retire ends the process of m, which has nothing to do.
func (p *Pool) retire(m *member) {
	m.retiring = true
	_ = m.child.Stop() // one that has ended needs no stop
}

// length is about how long c takes.
func (c *chunk) length() time.Duration {
	pace := time.Duration(c.job.entry.pace.Load())
	if pace == 0 {
		pace = unknown
	}
	return pace * time.Duration(c.count-c.arrived)
}

// assign gives c to m, and reports whether it could.
func (p *Pool) assign(m *member, c *chunk) bool {
	c.rewind()
	if len(c.payload) > p.longest {
		p.feed(m, c)
	} else {
		if m.inbox.TryPut(c.payload) != nil {
			return false // what m has done last is not quite over, so something will come
		}
		c.payload = nil
	}
	c.worker = m
	m.assigned = append(m.assigned, c)
	m.tasks += c.count - c.arrived
	return true
}

// feed puts a message that is too long for the inbox there in pieces, which waits
// for the worker to take them.
func (p *Pool) feed(m *member, c *chunk) {
	ctx, cancel := context.WithCancel(p.ctx)
	f := &feed{cancel: cancel, over: make(chan struct{})}
	c.feed = f
	t, rest, _ := parseTask(c.payload)
	head, piece := t, t
	head.flags |= flagPieces
	piece.flags |= flagPiece
	most := p.longest - taskHeader
	p.background.Go(func() {
		defer close(f.over)
		defer cancel()
		buf := make([]byte, taskHeader, p.longest)
		piece.put(buf)
		for len(rest) > 0 {
			n := min(len(rest), most)
			if m.inbox.Put(ctx, append(buf, rest[:n]...)) != nil {
				return
			}
			rest = rest[n:]
		}
		head.put(buf)
		_ = m.inbox.Put(ctx, buf) // as above
	})
}

// release takes c from m's chunks.
func (m *member) release(c *chunk) {
	if len(m.assigned) > 0 && m.assigned[0] == c {
		m.assigned[0] = nil
		m.assigned = m.assigned[1:]
	} else if i := slices.Index(m.assigned, c); i >= 0 {
		m.assigned = slices.Delete(m.assigned, i, i+1)
	}
	c.worker = nil
}

// recall takes back what m has not begun, in order. Those chunks are neither
// pending nor a worker's then. It is called with mu held.
func (p *Pool) recall(m *member) []*chunk {
	var back []*chunk
	if len(m.assigned) > 0 && m.assigned[len(m.assigned)-1].feed != nil {
		return nil // a long message, which m has begun to take
	}
	p.recalls++
	for {
		b, err := m.inbox.TryGet()
		if err != nil {
			return back
		}
		t, _, ok := parseTask(b)
		c := p.books.find(t.chunk)
		if !ok || c == nil || c.worker != m {
			continue
		}
		c.payload = b
		if p.progress.Load(m.index*wordsPerWorker+wordChunk) == c.id {
			continue // m has died in it: this is for its burial
		}
		m.release(c)
		m.tasks -= c.count - c.arrived
		back = append(back, c)
		m.recalled = p.recalls // it may be stopped: others come first
	}
}

// requeue makes chunks the first that are pending.
func (p *Pool) requeue(chunks []*chunk) {
	if len(chunks) > 0 {
		p.pending = append(slices.Clone(chunks), p.pending...)
	}
}

// watchBalance looks for a worker that has nothing to do while tasks wait behind
// another one's, or for one that has not begun any: it may be stopped. If that one
// stays silent, they are taken back for the first.
func (p *Pool) watchBalance() {
	if p.victim != nil {
		return // the timer runs
	}
	idle, victim := p.imbalance()
	if idle == nil || victim == nil || p.closed {
		p.victim = nil
		return
	}
	p.victim, p.silence = victim, victim.heard
	p.balance.Reset(patience << min(p.unheard, doublings))
}

// rebalance takes tasks away from a worker that was silent since watchBalance.
func (p *Pool) rebalance() {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.victim
	p.victim = nil
	if m == nil || p.closed {
		return
	}
	if m.heard != p.silence {
		p.watchBalance()
		return
	}
	p.unheard++ // none may have had time to begin, where there is much else to run
	back := p.recall(m)
	p.requeue(back)
	p.dispatch()
}

// begun reports whether m is at work on the first chunk that it has.
func (p *Pool) begun(m *member) bool {
	return p.progress.Load(m.index*wordsPerWorker+wordChunk) == m.assigned[0].id
}

// imbalance returns a worker that has nothing to do, and the one that has most.
func (p *Pool) imbalance() (idle, victim *member) {
	for _, m := range p.members {
		switch n := len(m.assigned); {
		case n == 0 && m.works() && !m.retiring:
			idle = m
		case n == 1 && p.begun(m):
		case n > 0 && (victim == nil || n > len(victim.assigned)):
			victim = m
		}
	}
	return idle, victim
}
