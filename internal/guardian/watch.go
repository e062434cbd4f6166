package guardian

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// Word is a word of shared memory that is watched, with the value at which there
// is nothing to do.
type Word struct {
	Addr *satomic.Uint32
	Want uint32
}

// Watched is what has words to watch: a segment.
type Watched interface {
	// Words appends at most 4 words to buf and returns it; more are ignored. It
	// is called from the watcher's goroutine each time before it goes to sleep,
	// never while Look runs. It must not block, nor wait for anything that a
	// caller of stop holds. Its Wants are what the last Look saw: that of a word
	// whose death Look has not seen is not the mark.
	Words(buf []Word) []Word
	// Look is called, in a goroutine of its own and never twice at once, when a
	// word differs from its Want or is marked, and every now and then. While that
	// is still so when Look returns, it is called again, at once and then ever
	// more slowly.
	Look()
}

const (
	everyone        = math.MaxInt32
	wordsEach       = 4
	watchedEach     = 31 // with 4 words each, and the watcher's own: 125 of 128
	auditInterval   = 2 * time.Second
	pollInterval    = 15 * time.Millisecond
	shortestBackoff = time.Millisecond
	longestBackoff  = 50 * time.Millisecond
)

// registry holds the watchers of this process.
type registry struct {
	audit    time.Duration // between looks for no reason
	mu       sync.Mutex
	watchers []*watcher
	rounds   rounds
}

// rounds are the times of the looks for no reason. All watchers of a process look
// at the same time, because each time wakes the process: the scheduler of a Go
// process that was woken goes on waking for 10 ms.
type rounds struct {
	mu   sync.Mutex
	next time.Time
}

// after returns the first round after now. Rounds are not quite regular, so that
// the processes of a segment do not look at once again and again.
func (r *rounds) after(now time.Time, audit time.Duration) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.next.After(now) {
		r.next = now.Add(audit*3/4 + rand.N(audit/2))
	}
	return r.next
}

//nolint:gochecknoglobals // segments of one process share its watchers, which are threads
var theRegistry = sync.OnceValue(func() *registry {
	if have := sys.Probe(); !have.FutexWaitv || !have.RobustList {
		return &registry{audit: pollInterval}
	}
	return &registry{audit: auditInterval}
})

// Watch has w watched until stop is called. stop wakes the watcher and waits
// until it uses no word of w any more, which is at once; it does not wait for a
// Look that runs, but none begins afterwards. It may be called again, also by
// Look, but not by Words.
func Watch(w Watched) (stop func()) { return theRegistry().watch(w) }

func (r *registry) watch(w Watched) (stop func()) {
	e := &entry{watched: w}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.watchers {
		if x.add(e) {
			return func() { x.remove(e) }
		}
	}
	x := newWatcher(r.audit, &r.rounds)
	x.add(e)
	r.watchers = append(r.watchers, x)
	go x.run(r)
	return func() { x.remove(e) }
}

// retire takes x out of r if nobody is watched by it any more.
func (r *registry) retire(x *watcher) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !x.idle() {
		return false
	}
	for i := range r.watchers {
		if r.watchers[i] == x {
			r.watchers = append(r.watchers[:i], r.watchers[i+1:]...)
			break
		}
	}
	return true
}
