package pool

import (
	"context"
	"encoding/binary"
)

// job is what one call wants done: a task, or many.
type job struct {
	pool  *Pool
	entry *entry
	ctx   context.Context //nolint:containedctx // of the call: it bounds the tasks
	flags uint32          // of its task messages
	size  int             // of a result, or -1 if they differ
	sink  sink

	// The pool's mu protects:
	ended bool // nobody waits for results any more
	limit int  // elements from here on are not to be begun; -1: no limit
}

// sink takes what becomes of a job's elements, numbered through the job. Every
// element comes once. Its methods are called one at a time for a chunk, with no
// lock held.
type sink interface {
	// results has the encoded results of n elements from first on, which are
	// good until it returns.
	results(first, n int, encoded elements)
	// failed says that n elements from first on ended with err.
	failed(first, n int, err error)
	// dropped says that n elements from first on were not begun.
	dropped(first, n int)
	// chunkOver says that c, a chunk of the job, has ended; nobody uses c any more.
	chunkOver(c *chunk)
}

// chunk is what a worker gets at once: some elements of a job that follow each
// other. It is pending, or a worker has it; or it has ended.
type chunk struct {
	id    uint64
	job   *job
	base  int // number in the job of the first element
	count int
	refs  []reference

	// The pool's mu protects:
	arrived  int     // so many elements have ended
	payload  []byte  // the message while the chunk is pending; of a long one always
	worker   *member // that has it
	feed     *feed   // of a long one that a worker has
	culprit  int     // the element that workers died in, or -1
	attempts int     // how many of them
	ended    bool
}

// rewind makes c's message begin with the first element that has not ended.
func (c *chunk) rewind() {
	binary.LittleEndian.PutUint64(c.payload, c.id)
	binary.LittleEndian.PutUint32(c.payload[16:], uint32(c.arrived))
}

// unwanted reports whether c need not be begun.
func (c *chunk) unwanted() bool {
	return c.job.ended || c.job.limit >= 0 && c.base+c.arrived >= c.job.limit
}

// feed is a goroutine that puts a long task message into an inbox.
type feed struct {
	cancel context.CancelFunc
	over   chan struct{}
}

// stop ends the feeding, and returns when it has ended.
func (f *feed) stop() {
	if f != nil {
		f.cancel()
		<-f.over
	}
}
