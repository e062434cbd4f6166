package pool

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/process"
)

// mournLeast and mournMost bound the pause before a worker is started again
// where one has ended before it was ready, or several before they were of use.
const (
	mournLeast = 5 * time.Millisecond
	mournMost  = 250 * time.Millisecond
)

// watch waits for the end of child and has it buried: everything that the worker
// sent comes before the message that says so.
func (p *Pool) watch(m *member, child *process.Child) {
	<-child.Done()
	if object.Inside().AwaitRepairIn(p.ctx, p.seg, child.PID()) != nil {
		return // the pool is closed
	}
	b := make([]byte, resultHeader)
	r := result{worker: uint32(m.index), flags: flagEnd}
	r.put(b)
	p.live.Add(1)
	p.ensureCollector()
	if p.results.Put(p.ctx, b) != nil {
		p.live.Add(-1)
	}
}

// bury deals with what a worker that has ended had, and has it replaced.
func (p *Pool) bury(m *member) {
	p.mu.Lock()
	child := m.child
	if child == nil {
		p.mu.Unlock()
		return
	}
	var exit *process.ExitError
	_ = errors.As(child.Wait(context.Background()), &exit) // nil if it was told to end
	if !m.ready {
		p.mourned++
	}
	pieces := p.settle(m, exit)
	m.child, m.ready, m.retiring, m.tasks, m.pieces = nil, false, false, 0, nil
	p.dispatch()
	if !p.closed { // else nobody may be waited for who was not there before
		p.background.Go(func() { p.replace(m, exit) })
	}
	p.mu.Unlock()
	p.deliver(pieces)
	if p.live.Add(-1) == 0 {
		p.mu.Lock()
		p.checkDrained()
		p.mu.Unlock()
	}
}

// settle takes back what m had. Only the chunk that it was in has been begun:
// some of its results may lie in the worker's area, and one element is lost.
func (p *Pool) settle(m *member, exit *process.ExitError) []piece {
	had := slices.Clone(m.assigned)
	p.exhume(m)
	base := m.index * wordsPerWorker
	begun, far := p.progress.Load(base+wordChunk), progress(p.progress.Load(base+wordProgress))
	if p.progress.Load(base+wordRested) == begun {
		begun = 0 // all that it did has come, and in the rest of the chunk it was not
	}
	if begun == 0 {
		m.unused++
	}
	for i := range wordsPerWorker {
		p.progress.Store(base+i, 0)
	}
	m.stop.Store(0)
	var pieces []piece
	var back []*chunk
	for _, c := range had {
		m.release(c)
		c.feed = nil
		if c.id == begun {
			pieces = append(pieces, p.autopsy(m, c, far, exit)...)
		}
		switch {
		case c.ended:
		case c.unwanted():
			pieces = append(pieces, p.endChunk(c, p.rest(c), nil)...)
		case c.payload == nil: // its message was spoilt
			pieces = append(pieces, p.endChunk(c, p.rest(c), c.died(exit))...)
		default:
			back = append(back, c)
		}
	}
	p.requeue(back)
	return pieces
}

// exhume takes what is in the inbox of m, which is dead. It gets back, besides
// what was not taken, what m had taken and not acknowledged.
func (p *Pool) exhume(m *member) {
	for _, c := range m.assigned {
		c.feed.stop()
	}
	for {
		b, err := m.inbox.TryGet()
		if err != nil {
			return
		}
		t, _, ok := parseTask(b)
		if c := p.books.find(t.chunk); ok && c != nil && c.worker == m && c.feed == nil {
			c.payload = b
		}
	}
}

// autopsy deals with c, which m was in when it died.
func (p *Pool) autopsy(m *member, c *chunk, far progress, exit *process.ExitError) []piece {
	var pieces []piece
	if n := far.done() - far.start(); n > 0 && far.done() <= c.count && far.size() <= m.area.Len()-resultHeader {
		body := make([]byte, far.size())
		m.area.CopyOut(resultHeader, body)
		if e, ok := c.accept(result{first: uint32(far.start()), count: uint32(n)}, body); ok {
			pieces = append(pieces, e)
		}
	}
	if c.arrived == c.count {
		p.forget(c)
		return pieces
	}
	if c.arrived < far.done() || c.unwanted() {
		return pieces // what it was in has ended, or nobody wants to know
	}
	if c.culprit != c.arrived {
		c.culprit, c.attempts = c.arrived, 0
	}
	c.attempts++
	if c.attempts <= p.opts.Retries {
		return pieces
	}
	e := c.piece(1)
	e.err = c.died(exit)
	c.arrived++
	e.last = c.arrived == c.count
	pieces = append(pieces, e)
	switch {
	case e.last:
		p.forget(c)
	case c.job.flags&flagStop != 0:
		pieces = append(pieces, p.endChunk(c, p.rest(c), nil)...)
	}
	return pieces
}

func (c *chunk) died(exit *process.ExitError) error {
	return &WorkerDiedError{Function: c.job.entry.name, Attempts: max(c.attempts, 1), Err: exit}
}

// replace starts a new process for m. If processes end again and again before
// they are ready, it gives up, and all tasks fail.
func (p *Pool) replace(m *member, exit *process.ExitError) {
	var err error
	if exit != nil {
		err = exit
	}
	for {
		p.mu.Lock()
		// Nobody needs a worker once all tasks have ended and no more come.
		over := p.closed || isClosed(p.drained) || p.refusal != nil && !p.draining
		n, d, pause := p.mourned, p.mourning(m), p.pause
		p.mu.Unlock()
		if over {
			return
		}
		if err != nil && n > p.mostMourned(exit) {
			p.failAll(startError(err))
			return
		}
		if d > 0 && !pause(d) {
			return
		}
		if err = p.start(m); err == nil || errors.Is(err, ErrClosed) {
			return
		}
		p.mu.Lock()
		p.mourned++
		p.mu.Unlock()
	}
}

// mostMourned returns how many workers in a row may end before they are ready.
// One that ends by itself will do so again; one that was killed may have had bad luck.
func (p *Pool) mostMourned(exit *process.ExitError) int {
	if exit != nil && exit.Signal != 0 {
		return 100 + p.opts.Workers
	}
	return 5 + p.opts.Workers
}

// mourning returns how long to wait before m is started again: the longer, the
// more workers in a row were of no use. One that was ready and has begun nothing
// is no sign of a fault, so that the first of them costs no pause, and none makes
// the pool fail; but somebody may kill whatever is started. It is called with mu held.
func (p *Pool) mourning(m *member) time.Duration {
	n := max(p.mourned, m.unused-1)
	if n == 0 {
		return 0
	}
	return min(mournLeast<<min(n, 10), mournMost)
}

// waitOpen waits for d, or returns false when no worker is needed any more.
func (p *Pool) waitOpen(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.drained:
		return false
	case <-p.ctx.Done():
		return false
	}
}
