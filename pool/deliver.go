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
	first int // in the chunk
	n     int
	skip  int    // elements of body that the job knows already
	body  []byte // results
	err   error  // or an error
	drop  bool   // or they were not begun
	last  bool   // the chunk has ended
}

// rest returns how many elements of c have not ended.
func (p *Pool) rest(c *chunk) int { return c.count - c.arrived }

// endChunk ends c, of which n elements end with err, or were dropped if it is
// nil. It is called with mu held.
func (p *Pool) endChunk(c *chunk, n int, err error) []piece {
	e := piece{c: c, first: c.arrived, n: n, err: err, drop: err == nil, last: true}
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
	for i := range pieces {
		p.deliverOne(&pieces[i])
	}
}

func (p *Pool) deliverOne(e *piece) {
	j := e.c.job
	switch first := e.c.base + e.first; {
	case e.n == 0:
	case e.drop:
		j.sink.dropped(first, e.n)
	case e.err != nil:
		j.sink.failed(first, e.n, j.errorOf(e.err))
	default:
		encoded := elements{rest: e.body, size: j.size}
		for range e.skip {
			_, _ = encoded.next() // who decodes finds out
		}
		j.sink.results(first, e.n, encoded)
	}
	if !e.last {
		return
	}
	j.sink.chunkOver()
	if p.live.Add(-1) == 0 {
		p.mu.Lock()
		p.checkDrained()
		p.mu.Unlock()
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
