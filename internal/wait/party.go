// Package wait is the one ladder for every wait on shared memory: try, spin for
// an adaptive time, yield to the Go scheduler, then sleep on a futex, with a
// context and without a wake call being lost.
package wait

import (
	"sync"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Party is one user of shared memory whose waits end together: an opened segment.
type Party struct {
	done chan struct{}

	mu       sync.Mutex
	closed   bool
	sleepers *Point      // those asleep for this party, linked by Point.next
	clock    *time.Timer // ticks while there have been sleepers lately
	ticks    uint32
	quiet    bool // nobody has fallen asleep since the last tick
	stopped  bool // the clock stands still

	// Board, if not empty, is where the party shows other processes what its
	// goroutines sleep on: a sleeper stores the directory index of its object
	// plus one into a word that is zero, and zero when it wakes. Nobody waits
	// for these words; they are for people (shm.Segment.Holds).
	Board []satomic.Uint32

	// Strayed, if not nil, is asked by those who wake up, and reports whether the word
	// that they slept on is not the shared one any more; then it closes the party.
	Strayed func() bool
}

// tick is the time between two ticks of a party's clock. Who has slept through
// two of them is woken, so that nobody sleeps for longer than a Slice.
const tick = Slice / 2

// NewParty returns a Party that is open.
func NewParty() *Party { return &Party{done: make(chan struct{}), stopped: true} }

// Done returns a channel that is closed by Close.
func (p *Party) Done() <-chan struct{} { return p.done }

// Close ends every wait of the party with fs.ErrClosed. It does not wait for them.
func (p *Party) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	close(p.done)
	if p.clock != nil {
		p.clock.Stop()
	}
	for s := p.sleepers; s != nil; s = s.next {
		s.interrupt()
	}
}

// strayed reports whether the party's memory is not shared any more.
func (p *Party) strayed() bool { return p.Strayed != nil && p.Strayed() }

// over reports whether the party was closed.
func (p *Party) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// join adds a sleeper, which Close will interrupt. It fails after Close.
func (p *Party) join(s *Point) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	s.joined, p.quiet = p.ticks, false
	if p.stopped {
		p.start()
	}
	s.prev, s.next = nil, p.sleepers
	if s.next != nil {
		s.next.prev = s
	}
	p.sleepers = s
	return true
}

// quit removes a sleeper that has joined.
func (p *Party) quit(s *Point) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.prev == nil {
		p.sleepers = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
}

// start sets the clock going.
func (p *Party) start() {
	p.stopped = false
	if p.clock == nil {
		p.clock = time.AfterFunc(tick, p.onTick)
		return
	}
	p.clock.Reset(tick)
}

// onTick wakes those that have slept for long, to have them look by themselves.
// One clock for all costs less than a timer of the kernel for every sleep: it
// goes on for as long as anybody sleeps now and then.
func (p *Party) onTick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ticks++
	if p.closed || p.sleepers == nil && p.quiet {
		p.stopped = true
		return
	}
	p.quiet = true
	for s := p.sleepers; s != nil; s = s.next {
		if p.ticks-s.joined >= 2 && looksAgain() {
			s.poke()
		}
	}
	p.clock.Reset(tick)
}

// show takes a word of the board for a sleeper on the object at index, and
// returns it; nil if all are taken: then this sleeper is not shown.
func (p *Party) show(index uint32) *satomic.Uint32 {
	for i := range p.Board {
		w := &p.Board[i]
		if w.Load() == 0 && w.CompareAndSwap(0, index+1) {
			return w
		}
	}
	return nil
}
