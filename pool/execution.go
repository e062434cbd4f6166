package pool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/internal/remote"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
)

// execution is a chunk that runs in this worker.
//
// Results are put into the worker's area, which the pool can read when the worker
// has died, and the progress word says after each task how far that goes. When
// the area is full, or time has passed, they are sent together.
type execution struct {
	task
	s        *server
	entry    *entry
	delivery queue.Delivery[[]byte]
	ctx      context.Context //nolint:containedctx // of the tasks
	elements elements        // that were not begun
	texts    []byte          // of the segments that they refer to
	base     int             // of this worker's words

	at   int // the element that runs, or the next
	from int // the first one whose result was not sent
	used int // bytes of results in the area

	since     time.Time // when what was not sent began; zero: nobody wants to know
	due       atomic.Bool
	abandoned bool  // this worker is to end: what did not finish goes to another
	err       error // sending failed

	mu    sync.Mutex // held to send, and to use the area anew
	early int        // up to which element sendEarly has sent
	ended bool
}

// describe makes err an error for the pool.
func (x *execution) describe(err error) *process.RemoteError {
	source := ""
	if x.entry != nil {
		source = x.entry.source
	}
	return asRemote(remote.Inside().Describe(err, source))
}

func asRemote(err error) *process.RemoteError {
	e, ok := errors.AsType[*process.RemoteError](err)
	if !ok {
		e = &process.RemoteError{Message: err.Error()}
	}
	return e
}

// more reports whether there is one more task to begin, and sends what must be
// sent when there is none.
func (x *execution) more() bool {
	for ; x.at < int(x.first); x.at++ {
		if _, err := x.elements.next(); err != nil {
			break
		}
	}
	switch {
	case x.err != nil || x.abandoned:
		return false
	case x.at >= int(x.count):
		x.send()
		return false
	case x.ctx.Err() != nil:
		return x.interrupted()
	case x.s.Stop.Load()>>1 == x.chunk:
		x.drop()
		return false
	}
	return true
}

// interrupted ends x because its ctx has ended.
func (x *execution) interrupted() bool {
	if x.s.ctx.Err() != nil {
		x.send()
		x.s.Progress.Store(x.base+wordRested, x.chunk) // the next one was not begun
		x.abandoned = true
		return false
	}
	if x.s.Stop.Load()>>1 != x.chunk {
		x.fail(x.describe(x.ctx.Err())) // its own deadline
	}
	x.drop()
	return false
}

// done ends the task that ran: its result is in buf from x.room on.
func (x *execution) done(buf []byte) {
	if n := len(buf) - resultHeader - x.used; len(buf) > len(x.s.area) {
		x.spill(buf[len(buf)-n:])
		return
	}
	x.used = len(buf) - resultHeader
	x.at++
	if x.count == 1 {
		return // more sends it at once
	}
	x.commit()
	if x.due.Load() {
		x.send()
	}
}

// commit says how far x has come.
func (x *execution) commit() {
	x.s.Progress.Store(x.base+wordProgress, uint64(packProgress(x.at, x.from, x.used))) // commit
}

// room returns where the next result is appended.
func (x *execution) room() []byte {
	n := resultHeader + x.used
	return x.s.area[:n:len(x.s.area)]
}

// spill deals with a result that does not fit behind the others.
func (x *execution) spill(b []byte) {
	x.send()
	if x.err != nil {
		return
	}
	if len(b) <= len(x.s.area)-resultHeader {
		copy(x.s.area[resultHeader:], b)
		x.used = len(b)
		x.at++
		x.commit()
		return
	}
	x.mu.Lock()
	r := result{chunk: x.chunk, first: uint32(x.at), count: 1, spent: x.spent(1)}
	x.put(r, b)
	x.mu.Unlock()
	x.at++
	x.sent()
}

// spent returns how long n tasks took, if anybody wants to know.
func (x *execution) spent(n int) uint64 {
	if x.since.IsZero() || n == 0 {
		return 0
	}
	return uint64(max(time.Since(x.since), 1))
}

// send sends the results in the area.
func (x *execution) send() {
	n := x.at - x.from
	if n == 0 || x.err != nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	r := result{chunk: x.chunk, worker: uint32(x.s.Index), first: uint32(x.from), count: uint32(n), spent: x.spent(n)}
	r.put(x.s.area)
	x.err = x.s.Results.Put(context.Background(), x.s.area[:resultHeader+x.used])
	x.sent()
}

// sent notes that all results have been sent.
func (x *execution) sent() {
	x.from, x.used = x.at, 0
	x.due.Store(false)
	if x.count > 1 {
		x.commit()
		x.since = time.Now()
	}
}

// put sends a result, in pieces if it is long. It is called with mu held.
func (x *execution) put(r result, b []byte) {
	r.worker = uint32(x.s.Index)
	most := x.s.Longest - resultHeader
	for x.err == nil {
		piece := r
		n := min(len(b), most)
		if n < len(b) {
			piece.flags |= flagMore
		}
		x.s.scratch = append(x.s.scratch[:0], make([]byte, resultHeader)...)
		piece.put(x.s.scratch)
		x.s.scratch = append(x.s.scratch, b[:n]...)
		x.err = x.s.Results.Put(context.Background(), x.s.scratch)
		if b = b[n:]; len(b) == 0 {
			return
		}
	}
}

// sendEarly sends the results in the area again and again while one task takes
// long, and reports whether x goes on. The pool knows which results it has.
func (x *execution) sendEarly() bool {
	x.due.Store(true)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended || x.err != nil {
		return false
	}
	p := progress(x.s.Progress.Load(x.base + wordProgress))
	if p.done() <= p.start() || p.done() <= x.early || p.size() > len(x.s.area)-resultHeader {
		return true // nothing new; or the word is spoilt
	}
	b := make([]byte, resultHeader+p.size())
	copy(b[resultHeader:], x.s.area[resultHeader:])
	r := result{chunk: x.chunk, worker: uint32(x.s.Index), first: uint32(p.start()), count: uint32(p.done() - p.start())}
	r.put(b)
	if err := x.s.Results.Put(context.Background(), b); err != nil {
		return false // the task finds it out itself
	}
	x.early = p.done()
	return true
}

// end keeps sendEarly from sending any more.
func (x *execution) end() {
	x.mu.Lock()
	x.ended = true
	x.mu.Unlock()
}

// fail ends the task that ran, or cannot run, with an error.
func (x *execution) fail(e *process.RemoteError) {
	if x.s.ctx.Err() != nil && !e.Panic {
		x.abandoned = true // it was interrupted
		return
	}
	b, err := x.s.errs.Append(nil, *e)
	if err != nil {
		b, err = x.s.errs.Append(nil, process.RemoteError{Type: e.Type, Message: err.Error(), PID: e.PID})
	}
	x.send()
	if err != nil || x.err != nil {
		return
	}
	x.mu.Lock()
	x.put(result{chunk: x.chunk, flags: flagFailed, first: uint32(x.at), count: 1, spent: x.spent(1)}, b)
	x.mu.Unlock()
	x.at++
	x.sent()
	if x.flags&flagStop != 0 {
		x.drop()
	}
}

// failAll fails every task of x with err.
func (x *execution) failAll(err error) {
	for x.more() {
		x.fail(x.describe(err))
	}
}

// failGoexit fails the task that ended its goroutine, and reports whether to go on.
func (x *execution) failGoexit() bool {
	x.fail(x.describe(errGoexit))
	return x.err == nil && !x.abandoned
}

// drop sends that the rest of x will not be run.
func (x *execution) drop() {
	x.send()
	n := int(x.count) - x.at
	if n <= 0 || x.err != nil || x.abandoned {
		return
	}
	x.mu.Lock()
	x.put(result{chunk: x.chunk, flags: flagDropped, first: uint32(x.at), count: uint32(n)}, nil)
	x.mu.Unlock()
	x.at = int(x.count)
	x.sent()
}

// lengthen puts the length of what was appended behind room before it.
func (x *execution) lengthen(buf []byte) error {
	start := resultHeader + x.used
	n := len(buf) - start - lengthSize
	if uint64(n) > mostElement {
		return fmt.Errorf("a result of %d bytes: %w", n, queue.ErrTooLarge)
	}
	binary.LittleEndian.PutUint32(buf[start:], uint32(n))
	return nil
}
