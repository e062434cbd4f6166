package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// Pool is a set of worker processes. It is safe for concurrent use. Its Close or
// Shutdown must be called, or the ctx of New end, for the workers to end before
// this process does.
type Pool struct {
	opts     Options
	ctx      context.Context //nolint:containedctx // of what goes on in the background; it ends with Close
	cancel   context.CancelFunc
	unwatch  func() bool
	seg      *shm.Segment
	results  *queue.Queue[[]byte]
	progress *array.Atomic[uint64]
	longest  int // bytes of a message to a worker
	errs     *codec.Codec[process.RemoteError]

	background sync.WaitGroup
	collecting atomic.Bool   // somebody takes results
	kick       chan struct{} // makes the goroutine of the pool do so
	live       atomic.Int64  // chunks, and ends of workers, of which something is to come
	taken      [][]byte      // of the collector: room for messages
	news       []piece       // of the collector: room for what to deliver
	spoilt     atomic.Bool   // results cannot be read: no chunk is left, and no end of a worker will come

	closing sync.Once

	mu       sync.Mutex
	members  []*member
	pending  []*chunk
	books    books
	refusal  error         // why no more tasks are taken, or nil
	drained  chan struct{} // closed when Shutdown was called and no chunk is left
	draining bool
	closed   bool
	mourned  int                      // workers in a row that ended before they were ready
	pause    func(time.Duration) bool // before a worker is started again; false: do not
	messages uint64                   // that came
	balance  *time.Timer              // looks for tasks that wait behind a long one
	victim   *member                  // that tasks wait for, when the timer was set
	silence  uint64                   // what its heard was then
	unheard  int                      // times in a row that the timer ended with nothing heard of anyone
	recalls  uint64                   // times that something was taken back
}

// member is one of the pool's workers: the place of a process, and the process.
type member struct {
	index int
	inbox *queue.Queue[[]byte]
	stop  *value.Atomic[uint64]
	area  *array.Array[byte]

	// The pool's mu protects:
	child    *process.Child // nil while there is none
	ready    bool           // it has said so
	retiring bool           // it was told to end
	assigned []*chunk       // in the order in which it got them
	tasks    int            // that this process got
	unused   int            // processes in a row that ended without having begun anything
	heard    uint64         // at what count of messages something came from it
	recalled uint64         // which of the pool's recalls was the last from it since; 0: none
	pieces   []byte         // of a long result
}

// New starts the workers. It returns as soon as they are started; tasks may be
// given at once. The pool is closed when ctx is done.
//
// It fails with ctx's error if that is done, process.ErrNoMain if process.Main
// was not called, fs.ErrInvalid for options that cannot be, or why a worker
// cannot be started. Then no process is left.
func New(ctx context.Context, opts *Options) (*Pool, error) {
	all, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := &Pool{
		opts: all, kick: make(chan struct{}, 1), drained: make(chan struct{}),
	}
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.pause = p.waitOpen
	p.balance = time.AfterFunc(time.Hour, p.rebalance)
	p.balance.Stop()
	if err := p.build(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.background.Go(p.collectInBackground)
	for _, m := range p.members {
		if err := p.start(m); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	p.mu.Lock()
	p.unwatch = context.AfterFunc(ctx, func() { _ = p.Close() })
	p.mu.Unlock()
	return p, nil
}

// Workers returns the workers alive now.
func (p *Pool) Workers() []*process.Child {
	p.mu.Lock()
	defer p.mu.Unlock()
	var alive []*process.Child
	for _, m := range p.members {
		if m.child == nil {
			continue
		}
		select {
		case <-m.child.Done():
		default:
			alive = append(alive, m.child)
		}
	}
	return alive
}

// Shutdown takes no more tasks, which fail with ErrClosed, waits until those
// that there are have ended, and ends the workers. If ctx is done first, it
// returns ctx's error, and the tasks go on until Close or another Shutdown. It is
// nil for a pool that is closed.
func (p *Pool) Shutdown(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	if p.refusal == nil {
		p.refusal = ErrClosed
	}
	p.draining = true
	p.checkDrained()
	p.mu.Unlock()
	select {
	case <-p.drained:
		return p.Close()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// checkDrained wakes Shutdown if no chunk is left. It is called with mu held.
func (p *Pool) checkDrained() {
	none := p.live.Load() == 0 || p.spoilt.Load()
	if (p.draining && none || p.closed) && !isClosed(p.drained) {
		close(p.drained)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Close stops the workers now: tasks that have not ended fail with ErrClosed, the
// ctx of those that run ends, and a worker that does not heed it within
// Options.Grace is killed. It returns when all workers have ended. A second Close
// is nil.
func (p *Pool) Close() error {
	var err error
	p.closing.Do(func() { err = p.close() })
	return err
}

func (p *Pool) close() error {
	p.mu.Lock()
	p.closed = true
	unwatch := p.unwatch
	p.mu.Unlock()
	if unwatch != nil {
		unwatch()
	}
	p.failAll(ErrClosed)
	p.balance.Stop()
	var children []*process.Child
	p.mu.Lock()
	for _, m := range p.members {
		_ = m.inbox.Shutdown() // the segment is open
		if m.child != nil {
			children = append(children, m.child)
		}
	}
	p.checkDrained()
	p.mu.Unlock()
	if p.results != nil {
		_ = p.results.Shutdown() // the segment is open
	}
	for _, c := range children {
		_ = c.Stop() // one that has ended needs no stop
	}
	for _, c := range children {
		<-c.Done() // it is killed if it must be
	}
	p.cancel()
	p.background.Wait()
	if p.seg == nil {
		return nil
	}
	return p.seg.Close()
}

// failAll ends every chunk with err, and lets no more come.
func (p *Pool) failAll(err error) {
	p.mu.Lock()
	if p.refusal == nil || p.closed {
		p.refusal = err
	}
	var all []*chunk
	for c := range p.books.all() {
		all = append(all, c)
	}
	p.pending = nil
	var lost []piece
	for _, c := range all {
		lost = append(lost, p.endChunk(c, p.rest(c), err)...)
	}
	p.mu.Unlock()
	p.deliver(lost)
	if p.results != nil {
		p.nudge()
	}
}

// startError is why workers cannot be started.
func startError(err error) error {
	return fmt.Errorf("pool: workers end before they are ready: %w", err)
}
