package pool

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
)

// Results are taken by whoever waits for one, so that it need not be handed from
// one goroutine to another; one at a time, which is the collector. If nobody
// waits while results are to come, it is the pool's own goroutine.

// tryCollect makes the caller the collector, if there is none. It must call
// endCollect then.
func (p *Pool) tryCollect() bool {
	return !p.collecting.Load() && p.collecting.CompareAndSwap(false, true)
}

func (p *Pool) endCollect() {
	p.collecting.Store(false)
	p.ensureCollector()
}

// ensureCollector sees to it that results that are to come are taken. Whoever
// makes live more than zero calls it, or collects.
func (p *Pool) ensureCollector() {
	if p.live.Load() > 0 && !p.collecting.Load() && !p.spoilt.Load() {
		select {
		case p.kick <- struct{}{}:
		default:
		}
	}
}

// nudge makes the collector look whether what it waits for is there. Whoever makes
// something so without being the collector calls it afterwards.
func (p *Pool) nudge() {
	if !p.collecting.Load() {
		return // who becomes the collector looks then
	}
	var b [resultHeader]byte
	r := result{flags: flagNudge}
	r.put(b[:])
	_ = p.results.TryPut(b[:]) // where there is no room there is something to take
}

// collect takes one message. Only the collector calls it. After an error other
// than ctx's none will come any more.
func (p *Pool) collect(ctx context.Context) error { return p.collectUpTo(ctx, 1) }

// mostTaken is how many messages are taken at once, at most.
const mostTaken = 32

// collectUpTo is collect for as many messages as there are, up to n.
func (p *Pool) collectUpTo(ctx context.Context, n int) error {
	b, err := p.nextResult(ctx)
	switch {
	case err == nil:
		all := append(p.taken[:0], b)
		for len(all) < n {
			if b, err = p.results.TryGet(); err != nil {
				break // the next call returns it again, if it is not that there are none
			}
			all = append(all, b)
		}
		p.takeAll(all)
		clear(all)
		p.taken = all
		return nil
	case p.isClosed() && (errors.Is(err, queue.ErrShutdown) || errors.Is(err, fs.ErrClosed)):
		return ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	p.failAll(err) // the memory is corrupt
	p.spoilt.Store(true)
	p.mu.Lock()
	p.checkDrained()
	p.mu.Unlock()
	return err
}

// nextResult waits for a message from a worker, and takes it.
func (p *Pool) nextResult(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // also where there always is a message
	}
	var b []byte
	err := linger(func() (err error) {
		b, err = p.results.TryGet()
		return err
	})
	if err == queue.ErrEmpty { //nolint:errorlint // never wrapped
		return p.results.Get(ctx)
	}
	return b, err
}

func (p *Pool) collectInBackground() {
	for {
		select {
		case <-p.kick:
		case <-p.ctx.Done():
			return
		}
		if !p.tryCollect() {
			continue // who collects kicks at its end
		}
		for p.live.Load() > 0 && p.collectUpTo(p.ctx, mostTaken) == nil {
		}
		p.collecting.Store(false)
		if p.ctx.Err() == nil && !p.isClosed() {
			p.ensureCollector()
		}
	}
}

func (p *Pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// await collects, or waits while somebody else does, until ready is readable or
// ctx is done. collector is what it returned the last time, at first false: the
// caller stays the collector as long as it calls await, and then must endCollect.
func (p *Pool) await(ctx context.Context, ready <-chan struct{}, collector *bool) error {
	for {
		select {
		case <-ready:
			return nil
		default:
		}
		if !*collector && p.tryCollect() {
			*collector = true
			continue // it may have come meanwhile
		}
		if *collector {
			err := p.collect(ctx)
			if err == nil {
				continue
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			*collector = false
			p.collecting.Store(false) // nothing will come, and who waits is told
		}
		select {
		case <-ready:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// takeAll absorbs messages from the results, in order.
func (p *Pool) takeAll(messages [][]byte) {
	news := p.news[:0]
	room := false
	p.mu.Lock()
	for _, b := range messages {
		r, body, ok := parseResult(b)
		if !ok || int(r.worker) >= len(p.members) {
			continue
		}
		m := p.members[r.worker]
		if r.flags&^flagDropped != 0 || m.pieces != nil {
			p.mu.Unlock()
			p.deliver(news)
			clear(news)
			news = news[:0]
			p.take(m, r, body)
			p.mu.Lock()
			continue
		}
		if e, ok := p.absorb(m, r, body); ok {
			news = append(news, e)
			room = room || e.last
		}
	}
	if room {
		p.dispatch()
	}
	p.mu.Unlock()
	p.deliver(news)
	clear(news)
	p.news = news
}

// take absorbs a message that is more than results.
func (p *Pool) take(m *member, r result, body []byte) {
	switch {
	case r.flags&flagNudge != 0:
	case r.flags&flagHello != 0:
		p.mu.Lock()
		m.ready = true
		p.hear(m)
		p.mourned = 0
		p.dispatch()
		p.mu.Unlock()
	case r.flags&flagEnd != 0:
		p.bury(m)
	case r.flags&flagMore != 0:
		m.pieces = append(m.pieces, body...)
	default:
		if m.pieces != nil {
			body = append(m.pieces, body...)
			m.pieces = nil
		}
		p.takeResult(m, r, body)
	}
}

// hear notes that something came from m. It is called with mu held.
func (p *Pool) hear(m *member) {
	p.messages++
	m.heard, m.recalled = p.messages, 0
	p.unheard = 0
}

// takeResult absorbs results, or an error.
func (p *Pool) takeResult(m *member, r result, body []byte) {
	p.mu.Lock()
	e, ok := p.absorb(m, r, body)
	if ok && e.last {
		p.dispatch()
	}
	p.mu.Unlock()
	if !ok {
		return
	}
	if r.flags&flagFailed != 0 {
		e.err = p.decodeError(body)
	}
	p.deliver([]piece{e})
}

// absorb notes results, or an error, and returns what to deliver; false if that is
// nothing. It is called with mu held.
func (p *Pool) absorb(m *member, r result, body []byte) (piece, bool) {
	p.hear(m)
	m.unused = 0
	c := p.books.find(r.chunk)
	if c == nil || c.worker != m || int64(r.first)+int64(r.count) > int64(c.count) {
		return piece{}, false // it ended otherwise meanwhile
	}
	if r.spent > 0 {
		c.job.entry.observe(r.count, time.Duration(r.spent))
	}
	e, ok := c.accept(r, body)
	if ok && e.last {
		p.forget(c)
		if n := p.opts.TasksPerWorker; n > 0 && m.tasks >= n && len(m.assigned) == 0 {
			p.retire(m)
		}
	}
	return e, ok
}

// accept notes that elements have ended, and returns what is new; false if
// nothing is.
func (c *chunk) accept(r result, body []byte) (piece, bool) {
	skip := c.arrived - int(r.first)
	n := int(r.count) - skip
	if skip < 0 || n <= 0 {
		return piece{}, false
	}
	e := c.piece(n)
	e.skip, e.body, e.drop = skip, body, r.flags&flagDropped != 0
	c.arrived += n
	e.last = c.arrived == c.count
	return e, true
}

// decodeError returns the error that a worker sent.
func (p *Pool) decodeError(body []byte) error {
	e := new(process.RemoteError)
	if err := p.errs.Decode(append([]byte(nil), body...), e); err != nil {
		return err
	}
	return e
}
