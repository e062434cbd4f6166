package pool

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/internal/codec"
)

// Map runs f on every element of in and returns the results in order. It sends
// the elements in chunks, as workers have room for them.
//
// If tasks fail, it returns the error of the one with the lowest index, as Call
// would, and the results that there are, with zeros between. Tasks that had not
// begun then are dropped, those that had are waited for. When ctx is done it
// returns ctx's error, and stops the tasks as Call does.
func (f *Function[In, Out]) Map(ctx context.Context, p *Pool, in []In) ([]Out, error) {
	return f.MapProgress(ctx, p, in, nil)
}

// MapProgress is Map that calls report, if it is not nil, as tasks end, with how
// many have ended and how many there are; the last time with all of them, unless
// there was an error. The calls come one at a time, in the calling goroutine.
func (f *Function[In, Out]) MapProgress(ctx context.Context, p *Pool, in []In, report func(done, total int)) ([]Out, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	inCodec, outCodec, err := f.codecs()
	if err != nil {
		return nil, err
	}
	m := &mapping[In, Out]{
		pool: p, in: in, load: newLoad(inCodec), codec: outCodec, report: report,
		out: make([]Out, len(in)), changed: make(chan struct{}, 1), errIndex: -1,
	}
	m.job = &job{pool: p, entry: f.entry, ctx: ctx, flags: flagStop, size: sizeOf(outCodec), sink: m, limit: -1}
	defer m.quit() // also where report panics, or what encodes an element
	err = m.run(ctx)
	return m.out, err
}

// mapping is a Map that runs. Its own fields belong to the goroutine that called Map.
type mapping[In, Out any] struct {
	pool      *Pool
	job       *job
	in        []In
	load      *load[In]
	codec     *codec.Codec[Out]
	report    func(done, total int)
	next      int // first element that was not submitted
	begun     int // chunks that were
	told      int // to report
	collector bool
	fresh     []*chunk      // to be used again
	failing   atomic.Bool   // there is an error
	changed   chan struct{} // something has ended

	mu       sync.Mutex
	out      []Out
	done     int  // elements that have ended
	ended    int  // chunks that have
	over     bool // all have ended, or nobody waits any more
	errIndex int
	err      error
	used     []*chunk // that have ended
}

func (m *mapping[In, Out]) run(ctx context.Context) error {
	for {
		s := m.state()
		for !m.failing.Load() && m.next < len(m.in) && m.begun-s.ended < m.window() {
			if err := m.submit(); err != nil {
				return err
			}
		}
		if m.report != nil && s.done != m.told {
			m.told = s.done
			m.leave() // it may take long, or use the pool
			m.report(s.done, len(m.in))
		}
		if m.begun == s.ended && (m.failing.Load() || m.next == len(m.in)) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.over = true
			return m.err
		}
		if err := m.wait(ctx); err != nil {
			return err
		}
	}
}

// wait returns when something may have changed.
func (m *mapping[In, Out]) wait(ctx context.Context) error {
	if m.collector {
		if err := m.pool.collectUpTo(ctx, mostTaken); err == nil || ctx.Err() != nil {
			return err
		}
		m.leave()
	}
	return m.pool.await(ctx, m.changed, &m.collector)
}

// leave lets others take results.
func (m *mapping[In, Out]) leave() {
	if m.collector {
		m.collector = false
		m.pool.endCollect()
	}
}

// quit gives up what is not done: nothing is written to out from here on.
func (m *mapping[In, Out]) quit() {
	m.mu.Lock()
	over := m.over
	m.over = true
	m.mu.Unlock()
	if !over {
		m.pool.stopJob(m.job)
	}
	m.leave()
}

// mapState is what the goroutine of a Map needs to know.
type mapState struct {
	done, ended int
}

func (m *mapping[In, Out]) state() mapState {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.fresh) == 0 {
		m.fresh, m.used = m.used, m.fresh
	}
	return mapState{m.done, m.ended}
}

// submit submits the next chunk. An element that cannot be encoded fails like a task.
func (m *mapping[In, Out]) submit() error {
	base, size := m.next, m.size()
	for m.load.count < size && len(m.load.buf) <= m.pool.longest/2 {
		i := base + m.load.count
		if err := m.load.add(m.in[i]); err != nil {
			m.fail(i, err)
			break
		}
	}
	if m.load.count == 0 {
		return nil
	}
	c := m.newChunk()
	m.load.pack(c, m.job, base)
	m.next = base + c.count
	m.begun++
	err := m.pool.submit(c)
	m.load.reset()
	return err
}

// newChunk returns a chunk that nobody uses any more, or a new one. That a worker may
// have had its message does not matter: it gets another id.
func (m *mapping[In, Out]) newChunk() *chunk {
	n := len(m.fresh)
	if n == 0 {
		return new(chunk)
	}
	c := m.fresh[n-1]
	m.fresh = m.fresh[:n-1]
	return c
}

// window returns how many chunks may have been submitted and not ended.
func (m *mapping[In, Out]) window() int {
	each := ahead
	if pace := m.job.entry.pace.Load(); pace > 0 {
		length := pace * int64(m.size())
		if length <= int64(handTime) {
			return inboxCap // one worker does them all: see choose
		}
		each = int(min(max(int64(aheadTime)/length, ahead), inboxCap))
	}
	return m.pool.opts.Workers * each
}

// How large chunks are where Options.Chunk does not say: what is left is divided
// so that the last chunks are small and the workers end at about the same time,
// and none takes long.
const (
	firstChunk  = 64 // at most, before it is known how long a task takes
	chunkShares = 3  // of what is left, per worker
	chunkTime   = 2 * time.Millisecond
	leastTime   = 50 * time.Microsecond // of the small ones
)

func (m *mapping[In, Out]) size() int {
	left := len(m.in) - m.next
	if n := m.pool.opts.Chunk; n > 0 {
		return m.pool.clampChunk(min(n, left))
	}
	share := (left + chunkShares*m.pool.opts.Workers - 1) / (chunkShares * m.pool.opts.Workers)
	if pace := m.job.entry.pace.Load(); pace > 0 {
		share = min(max(share, int(int64(leastTime)/pace)), int(int64(chunkTime)/pace)+1)
	} else {
		share = min((share+3)/4, firstChunk)
	}
	return m.pool.clampChunk(min(share, left))
}

// clampChunk bounds the number of elements in a chunk.
func (p *Pool) clampChunk(n int) int {
	n = min(max(n, 1), mostCount)
	if most := p.opts.TasksPerWorker; most > 0 {
		n = min(n, most)
	}
	return n
}

func (m *mapping[In, Out]) results(first, n int, encoded elements) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over {
		return
	}
	if m.codec.Raw() {
		for i := range n {
			value, err := decodeRaw(m.codec, &encoded)
			m.know(first+i, value, err)
		}
	} else {
		decodeApart(m.codec, encoded, n, func(i int, o outcome[Out]) { m.know(first+i, o.value, o.err) })
	}
	m.done += n
}

// know notes a result. It is called with mu held.
func (m *mapping[In, Out]) know(i int, value Out, err error) {
	if err != nil {
		m.note(i, err)
		return
	}
	m.out[i] = value
}

// note keeps the error of the lowest index. It is called with mu held.
func (m *mapping[In, Out]) note(i int, err error) {
	if m.errIndex < 0 || i < m.errIndex {
		m.errIndex, m.err = i, err
		m.failing.Store(true)
	}
}

func (m *mapping[In, Out]) failed(first, n int, err error) {
	m.mu.Lock()
	m.note(first, err)
	m.done += n
	m.mu.Unlock()
	m.pool.limitJob(m.job, first)
}

// fail is failed for an element that was not submitted.
func (m *mapping[In, Out]) fail(i int, err error) {
	m.mu.Lock()
	m.note(i, err)
	m.mu.Unlock()
	m.pool.limitJob(m.job, i)
}

func (m *mapping[In, Out]) dropped(_, _ int) {}

func (m *mapping[In, Out]) chunkOver(c *chunk) {
	m.mu.Lock()
	m.ended++
	m.used = append(m.used, c)
	m.mu.Unlock()
	signal(m.changed)
}
