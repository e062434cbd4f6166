package pool

import (
	"context"
	"errors"
	"time"

	"github.com/shoal-ipc/shoal/process"
)

// piece is something to tell a job of a chunk, once the pool's mu is released.
type piece struct {
	c     *chunk
	job   *job
	first int // in the job
	n     int
	skip  int    // elements of body that the job knows already
	body  []byte // results
	err   error  // or an error
	drop  bool   // or they were not begun
	last  bool   // the chunk has ended
}

// rest returns how many elements of c have not ended.
func (p *Pool) rest(c *chunk) int { return c.count - c.arrived }

// piece returns what to tell of the next n elements of c.
func (c *chunk) piece(n int) piece {
	return piece{c: c, job: c.job, first: c.base + c.arrived, n: n}
}

// endChunk ends c, of which n elements end with err, or were dropped if it is
// nil. It is called with mu held.
func (p *Pool) endChunk(c *chunk, n int, err error) []piece {
	e := c.piece(n)
	e.err, e.drop, e.last = err, err == nil, true
	c.arrived += n
	p.forget(c)
	return []piece{e}
}

// forget takes c, which has ended, out of the books. It is called with mu held.
func (p *Pool) forget(c *chunk) {
	if c.ended {
		return
	}
	c.ended = true
	p.books.remove(c)
	if c.feed != nil {
		c.feed.cancel()
	}
	if c.worker != nil {
		c.worker.release(c)
	} else {
		p.unqueue(c)
	}
	c.payload = nil
}

// deliver tells the jobs of pieces. It is called without mu: here runs what is the
// user's, the methods by which results are decoded.
func (p *Pool) deliver(pieces []piece) {
	over := int64(0)
	for i := range pieces {
		e := &pieces[i]
		e.deliver()
		if e.last {
			e.job.sink.chunkOver(e.c)
			over++
		}
	}
	if over > 0 && p.live.Add(-over) == 0 {
		p.mu.Lock()
		p.checkDrained()
		p.mu.Unlock()
	}
}

func (e *piece) deliver() {
	j := e.job
	switch {
	case e.n == 0:
	case e.drop:
		j.sink.dropped(e.first, e.n)
	case e.err != nil:
		j.sink.failed(e.first, e.n, j.errorOf(e.err))
	default:
		encoded := elements{rest: e.body, size: j.size}
		for range e.skip {
			_, _ = encoded.next() // who decodes finds out
		}
		j.sink.results(e.first, e.n, encoded)
	}
}

// errorOf returns err, or, if that is only what the end of the job's ctx looks
// like from a worker, ctx's own error.
func (j *job) errorOf(err error) error {
	var remote *process.RemoteError
	if !errors.As(err, &remote) {
		return err
	}
	if own := j.ctx.Err(); own != nil && errors.Is(remote, own) {
		return own
	}
	if d, ok := j.ctx.Deadline(); ok && !time.Now().Before(d) && errors.Is(remote, context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}
