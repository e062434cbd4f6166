package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
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

// post is what a worker is started with.
type post struct {
	Index    int
	Inbox    *queue.Queue[[]byte]
	Results  *queue.Queue[[]byte]
	Progress *array.Atomic[uint64] // wordsPerWorker for each worker
	Area     *array.Array[byte]    // results that were not sent yet, behind room for a header
	Stop     *value.Atomic[uint64] // chunk<<1 | stopHard
	Segments *os.File              // a socket, to ask for segments
	Longest  int                   // bytes of a message
}

// worker is the function that worker processes run.
var worker = process.Func("pool worker", func(ctx context.Context, p post) error {
	s, err := newServer(ctx, p)
	if err != nil {
		return err
	}
	return s.serve()
})

// server is a worker from inside.
type server struct {
	post
	ctx  context.Context //nolint:containedctx // of the process: it ends with the server
	area []byte
	conn *net.UnixConn
	segs map[string]*shm.Segment
	errs *codec.Codec[process.RemoteError]

	pieces  []byte // of a task that is still coming
	scratch []byte
	tasks   uint   // chunks begun
	entry   *entry // of the last one
	flusher *time.Timer

	mu      sync.Mutex
	running uint64             // the chunk that runs, or the last one: to stop that does no harm
	cancel  context.CancelFunc // of its tasks' ctx
	// The ctx of tasks without a deadline is one for many, until it is cancelled.
	plain       context.Context //nolint:containedctx // as above
	plainCancel context.CancelFunc

	current *execution                // the chunk that runs: of the goroutine that runs tasks
	many    atomic.Pointer[execution] // the same if it has several tasks: for the flusher
	single  execution                 // a chunk of one task, of which nobody else knows
}

func newServer(ctx context.Context, p post) (*server, error) {
	s := &server{post: p, ctx: ctx, area: p.Area.View(), segs: map[string]*shm.Segment{}}
	var err error
	if s.errs, err = codec.For[process.RemoteError](); err != nil {
		return nil, err
	}
	conn, err := net.FileConn(p.Segments)
	if err != nil {
		return nil, fmt.Errorf("pool: worker: %w", err)
	}
	_ = p.Segments.Close() // conn has its own
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.New("pool: worker: the socket is none")
	}
	s.conn = unix
	s.flusher = time.AfterFunc(time.Hour, s.flush)
	s.flusher.Stop()
	return s, nil
}

// serve runs tasks until the pool ends this worker. It returns nil, or its ctx's error.
func (s *server) serve() error {
	go s.watch()
	hello := result{worker: uint32(s.Index), flags: flagHello}
	hello.put(s.area)
	if err := s.Results.Put(s.ctx, s.area[:resultHeader]); err != nil {
		return over(err)
	}
	// Tasks run in a goroutine of their own: one that ends its goroutine must not
	// end the process's first.
	var left *execution
	for {
		ended := make(chan error, 1)
		go func() {
			err := errGoexit
			defer func() { ended <- err }()
			err = s.loop(left)
		}()
		err := <-ended
		if err != errGoexit { //nolint:errorlint // never wrapped: it says that loop did not return
			return err
		}
		left = s.current
	}
}

// over returns nil instead of the error that says that the pool is closed.
func over(err error) error {
	if errors.Is(err, queue.ErrShutdown) {
		return nil
	}
	return err
}

// loop runs tasks. left is a chunk whose task ended the goroutine, or nil.
func (s *server) loop(left *execution) error {
	if left != nil {
		if left.failGoexit() {
			left.entry.run(left)
		}
		if err := s.finish(left); err != nil {
			return err
		}
	}
	for {
		d, err := s.receive()
		if err != nil {
			return over(err)
		}
		x := s.prepare(d)
		if x == nil {
			if err := d.Ack(); err != nil {
				return over(err)
			}
			continue
		}
		if x.entry == nil {
			x.failAll(errUnknown)
		} else if err := s.need(x); err != nil {
			x.failAll(err)
		} else {
			x.entry.run(x)
		}
		if err := s.finish(x); err != nil {
			return err
		}
	}
}

// receive waits for a message from the pool.
func (s *server) receive() (queue.Delivery[[]byte], error) {
	var d queue.Delivery[[]byte]
	if err := s.ctx.Err(); err != nil {
		return d, err
	}
	err := linger(func() (err error) {
		d, err = s.Inbox.TryReceive()
		return err
	})
	if err == queue.ErrEmpty { //nolint:errorlint // never wrapped
		return s.Inbox.Receive(s.ctx)
	}
	return d, err
}

// prepare makes the message of d something to run; nil if it is only a piece.
func (s *server) prepare(d queue.Delivery[[]byte]) *execution {
	t, body, ok := parseTask(*d.Value())
	if !ok {
		return nil
	}
	if t.flags&flagPiece != 0 {
		s.pieces = append(s.pieces, body...)
		return nil
	}
	x := &s.single
	if t.count > 1 {
		x = new(execution) // the flusher may still look at the one before
	}
	*x = execution{s: s, task: t, delivery: d, entry: s.entry}
	if x.entry == nil || x.entry.id != t.function {
		x.entry = functions.find(t.function)
		s.entry = x.entry
	}
	if t.flags&flagPieces != 0 {
		body, s.pieces = s.pieces, nil
	}
	size := min(t.size, uint64(len(body)))
	x.elements.rest, x.texts = body[:size], body[size:]
	s.begin(x)
	return x
}

// begin makes x the chunk that runs. From here on its first task counts as begun.
func (s *server) begin(x *execution) {
	base := s.Index * wordsPerWorker
	s.Progress.Store(base+wordProgress, uint64(packProgress(int(x.first), int(x.first), 0)))
	s.Progress.Store(base+wordChunk, x.chunk) // commit
	x.base, x.from = base, int(x.first)
	s.tasks++
	if x.count > 1 || s.tasks%sampleEvery == 0 || s.tasks < sampleEvery {
		x.since = time.Now()
	}
	s.mu.Lock()
	if d, ok := x.deadlineOf(); ok {
		x.ctx, s.cancel = context.WithDeadline(s.ctx, d)
	} else {
		if s.plain == nil || s.plain.Err() != nil {
			s.plain, s.plainCancel = context.WithCancel(s.ctx)
		}
		x.ctx, s.cancel = s.plain, s.plainCancel
	}
	s.running = x.chunk
	s.mu.Unlock()
	s.current = x
	if x.count > 1 {
		s.many.Store(x)
		s.flusher.Reset(flushAfter)
	}
	s.heed(s.Stop.Load())
}

// sampleEvery is how many chunks of one task there are for each whose time is taken.
const sampleEvery = 8

// flushAfter is how long results wait to be sent with others.
const flushAfter = 2 * time.Millisecond

// finish ends x, all of which has been sent, unless this worker is to end.
func (s *server) finish(x *execution) error {
	s.current = nil
	if x.count > 1 {
		s.many.Store(nil)
		x.end()
		s.flusher.Stop()
	}
	if x.deadline != 0 {
		s.mu.Lock()
		s.cancel() // for its timer
		s.mu.Unlock()
	}
	switch {
	case x.err != nil:
		return over(x.err)
	case x.abandoned:
		// The delivery goes back with the end of this process, and the pool
		// sees how far it came.
		return s.ctx.Err()
	}
	if err := x.delivery.Ack(); err != nil {
		return over(err)
	}
	return nil
}

// watch waits for the pool to stop tasks.
func (s *server) watch() {
	var last uint64
	for {
		v, err := s.Stop.Wait(s.ctx, func(v uint64) bool { return v != last })
		if err != nil {
			return
		}
		last = v
		s.heed(v)
	}
}

// heed ends the ctx of the chunk that runs if stop word v says so.
func (s *server) heed(v uint64) {
	if v&stopHard == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == v>>1 && s.cancel != nil {
		s.cancel()
	}
}

// flush sends results that have waited for long behind a task that takes long.
func (s *server) flush() {
	if x := s.many.Load(); x != nil && x.sendEarly() {
		s.flusher.Reset(flushAfter)
	}
}
