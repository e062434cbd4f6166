package pool

import (
	"context"
	"iter"
	"sync"

	"github.com/shoal-ipc/shoal/internal/codec"
)

// Stream runs f on what in yields, and yields the results in order. It reads only
// a little ahead: as much as keeps the workers busy, and no more before results
// are used. An error is that of one element, and the stream goes on.
//
// When ctx is done, or the pool is closed or has given up, the last pair has that
// error. Breaking off the loop cancels what has not ended. in runs in a goroutine of
// its own, which then ends when in yields the next time; a panic in it is one of the
// loop.
func (f *Function[In, Out]) Stream(ctx context.Context, p *Pool, in iter.Seq[In]) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) { f.stream(ctx, p, in, sorted).run(yield) }
}

// StreamUnordered is Stream in the order in which tasks end.
func (f *Function[In, Out]) StreamUnordered(ctx context.Context, p *Pool, in iter.Seq[In]) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) { f.stream(ctx, p, in, asTheyEnd).run(yield) }
}

// order says in which order results come.
type order uint8

const (
	sorted order = iota + 1
	asTheyEnd
)

// outcome is what became of an element.
type outcome[Out any] struct {
	value Out
	err   error
	known bool
}

// stream is a Stream that runs. A goroutine reads the input (pull), the consumer
// takes the results (run).
type stream[In, Out any] struct {
	pool    *Pool
	job     *job
	in      iter.Seq[In]
	order   order
	codec   *codec.Codec[Out]
	changed chan struct{} // there may be something for the consumer
	room    chan struct{} // there may be room for more input
	broken  chan struct{} // closed when the consumer is gone

	mu       sync.Mutex
	load     *load[In]      // elements that were read and not submitted
	first    int            // number of the load's first element
	read     int            // elements
	taken    int            // by the consumer
	chunks   int            // submitted, and not ended
	outcomes []outcome[Out] // if sorted, of all elements from number taken on
	ended    bool           // the input has
	err      error          // that ends the stream
	panicked any
}

func (f *Function[In, Out]) stream(ctx context.Context, p *Pool, in iter.Seq[In], o order) *stream[In, Out] {
	s := &stream[In, Out]{
		pool: p, in: in, order: o,
		changed: make(chan struct{}, 1), room: make(chan struct{}, 1), broken: make(chan struct{}),
	}
	s.job = &job{pool: p, entry: f.entry, ctx: ctx, sink: s, limit: -1}
	inCodec, outCodec, err := f.codecs()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		s.err, s.ended = err, true
		return s
	}
	s.load, s.codec, s.job.size = newLoad(inCodec), outCodec, sizeOf(outCodec)
	return s
}

// run yields the results.
func (s *stream[In, Out]) run(yield func(Out, error) bool) {
	var none Out
	if s.ended {
		yield(none, s.err)
		return
	}
	defer s.leave()
	defer context.AfterFunc(s.pool.ctx, s.closed)()
	go s.pull()
	for {
		o, more := s.next()
		switch {
		case o.known:
			if !yield(o.value, o.err) {
				return
			}
		case !more:
			s.mu.Lock()
			err, panicked := s.err, s.panicked
			s.mu.Unlock()
			if panicked != nil {
				panic(panicked)
			}
			if err != nil {
				yield(none, err)
			}
			return
		default:
			// The consumer does not collect while it uses a result, for that may take long.
			collector := false
			err := s.pool.await(s.job.ctx, s.changed, &collector)
			if collector {
				s.pool.endCollect()
			}
			if err != nil {
				yield(none, err)
				return
			}
		}
	}
}

// leave ends what goes on when the consumer is gone.
func (s *stream[In, Out]) leave() {
	close(s.broken)
	s.pool.stopJob(s.job)
}

// closed ends the stream because the pool is: its input may have nothing to yield,
// so that nothing else would.
func (s *stream[In, Out]) closed() {
	s.mu.Lock()
	if s.err == nil && (!s.ended || s.chunks > 0) {
		s.err = ErrClosed
	}
	s.mu.Unlock()
	s.tell()
}

// next returns a result, if one is there, and whether more may come.
func (s *stream[In, Out]) next() (o outcome[Out], more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.outcomes) > 0 && s.outcomes[0].known {
		o = s.outcomes[0]
		s.outcomes[0] = outcome[Out]{}
		s.outcomes = s.outcomes[1:]
		s.taken++
		signal(s.room)
		return o, true
	}
	return o, s.err == nil && (!s.ended || s.taken < s.read)
}

// tell wakes the consumer, who may be the collector.
func (s *stream[In, Out]) tell() {
	signal(s.changed)
	s.pool.nudge()
}

// signal makes c readable, which has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pull reads the input.
func (s *stream[In, Out]) pull() {
	defer func() {
		v := recover()
		s.mu.Lock()
		s.panicked = v
		if s.load.count > 0 && s.err == nil {
			_ = s.submit() // its error ends the stream
		}
		s.ended = true
		s.mu.Unlock()
		s.tell()
	}()
	for x := range s.in {
		if !s.awaitRoom() || !s.add(x) {
			return
		}
	}
}

// awaitRoom waits until one more element may be read, and reports false when the
// stream is over.
func (s *stream[In, Out]) awaitRoom() bool {
	for {
		s.mu.Lock()
		free, over := s.read-s.taken < s.most(), s.err != nil
		s.mu.Unlock()
		switch {
		case over:
			return false
		case free && !isClosed(s.broken):
			return true
		}
		select {
		case <-s.room:
		case <-s.broken:
			return false
		case <-s.job.ctx.Done():
			return false
		}
	}
}

// streamTime is how long a chunk of a stream should take, streamChunk how many
// elements it has at most.
const (
	streamTime  = chunkTime / 4
	streamChunk = 256
)

// size returns how many elements a chunk may have.
func (s *stream[In, Out]) size() int {
	n := s.pool.opts.Chunk
	if n == 0 {
		n = 1
		if pace := s.job.entry.pace.Load(); pace > 0 {
			n = int(min(int64(streamTime)/pace, streamChunk))
		}
	}
	return s.pool.clampChunk(n)
}

// most returns how many elements may have been read and not used.
func (s *stream[In, Out]) most() int { return s.pool.opts.Workers * (ahead + 1) * s.size() }

// add adds an element, and reports false when the stream is over. Elements are
// submitted one by one as long as workers wait for them, else in chunks.
func (s *stream[In, Out]) add(x In) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.load.add(x)
	if err != nil && s.load.count > 0 && s.submit() != nil {
		return false
	}
	s.read++
	switch {
	case err != nil:
		s.first = s.read
		s.outcomes = append(s.outcomes, outcome[Out]{err: err, known: true})
		s.tell()
		return true
	case s.order == sorted:
		s.outcomes = append(s.outcomes, outcome[Out]{})
	}
	full := s.load.count >= s.size() || len(s.load.buf) >= s.pool.longest/2
	if full || s.chunks < s.pool.opts.Workers*ahead {
		return s.submit() == nil
	}
	return true
}

// submit submits the elements that were read. It is called with mu held.
func (s *stream[In, Out]) submit() error {
	c := s.load.chunk(s.job, s.first)
	s.first += c.count
	s.chunks++
	err := s.pool.submit(c)
	s.load.reset()
	if err != nil {
		s.err = err
		s.tell()
		return err
	}
	s.pool.ensureCollector()
	return nil
}

// know notes what became of an element. It is called with mu held.
func (s *stream[In, Out]) know(i int, o outcome[Out]) {
	o.known = true
	switch at := i - s.taken; {
	case s.order == asTheyEnd:
		s.outcomes = append(s.outcomes, o)
	case at >= 0 && at < len(s.outcomes):
		s.outcomes[at] = o
	}
}

func (s *stream[In, Out]) results(first, n int, encoded elements) {
	s.mu.Lock()
	if s.codec.Raw() {
		for i := range n {
			value, err := decodeRaw(s.codec, &encoded)
			s.know(first+i, outcome[Out]{value: value, err: err})
		}
	} else {
		decodeApart(s.codec, encoded, n, func(i int, o outcome[Out]) { s.know(first+i, o) })
	}
	s.mu.Unlock()
	signal(s.changed)
}

func (s *stream[In, Out]) failed(first, n int, err error) {
	s.mu.Lock()
	if err == context.DeadlineExceeded || err == context.Canceled { //nolint:errorlint // as errorOf returns it
		s.err = err // a worker knows that ctx is done before this process does
	} else {
		for i := range n {
			s.know(first+i, outcome[Out]{err: err})
		}
	}
	s.mu.Unlock()
	signal(s.changed)
}

// dropped comes only when the consumer is gone.
func (*stream[In, Out]) dropped(_, _ int) {}

func (s *stream[In, Out]) chunkOver(*chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chunks--
	if s.load.count > 0 && s.err == nil && !isClosed(s.broken) {
		_ = s.submit() // its error ends the stream
	}
}
