package guardian

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// watcher is a goroutine that sleeps on the words of several segments at once,
// and on a control word by which it is called back.
type watcher struct {
	control uint32        // atomic; changed under mu
	audit   time.Duration // between looks for no reason
	rounds  *rounds       // when those are
	poll    bool          // whether there is no call to sleep on several words

	mu      sync.Mutex
	awake   sync.Cond // signalled when asleep becomes false
	asleep  bool      // the watcher may use the words that it collected, without mu
	round   uint64    // how often it was asleep
	entries []*entry
	due     time.Time // of the next round
	inRound bool      // whether one runs

	// The watcher's own.
	words   []Word
	differ  []Word
	sleep   []sys.FutexWaiter
	started bool // whether the last round started a look
}

// entry is the state of one Watched, guarded by the watcher's mu.
type entry struct {
	watched Watched
	looking bool          // Look runs, or is about to
	passed  bool          // the watcher passed by meanwhile
	differ  []Word        // the words that were not as wanted when Look began, with what they were
	again   time.Time     // not to look before, if just these still are so
	backoff time.Duration // the next time between looks at words that stay so
	stopped bool
}

func newWatcher(audit time.Duration, r *rounds) *watcher {
	w := &watcher{audit: audit, rounds: r, poll: !sys.Probe().FutexWaitv}
	w.due = r.after(time.Now(), audit)
	w.awake.L = &w.mu
	return w
}

// add has e watched, unless the watcher has enough to do.
func (w *watcher) add(e *entry) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.entries) >= watchedEach {
		return false
	}
	w.entries = append(w.entries, e)
	w.call()
	return true
}

// remove ends the watching of e: no Look of it begins, and none of its words is
// used, after it has returned.
func (w *watcher) remove(e *entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.stopped {
		return
	}
	e.stopped = true
	e.differ = nil
	w.entries = slices.DeleteFunc(w.entries, func(x *entry) bool { return x == e })
	w.call()
	// It may be asleep again before this goroutine runs, but not on words of e.
	for round := w.round; w.asleep && w.round == round; {
		w.awake.Wait()
	}
}

// call makes the watcher, if it sleeps, look at its entries anew. The caller
// holds mu.
func (w *watcher) call() {
	atomic.AddUint32(&w.control, 1)
	if w.asleep {
		sys.FutexWakePrivate(&w.control, 1) // in wait, on several words
		sys.FutexWake(&w.control, 1)        // in wait, on this one
	}
}

func (w *watcher) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.entries) == 0
}

// run watches until there is nothing to watch.
func (w *watcher) run(r *registry) {
	for {
		limit, busy := w.collect()
		if !busy && r.retire(w) {
			return
		}
		if !busy {
			continue
		}
		if w.started {
			// With one processor a look would otherwise begin when the scheduler
			// notices that this goroutine sleeps in the kernel.
			runtime.Gosched()
		}
		w.wait(limit)
	}
}

// collect starts the looks that are due, and gathers the words to sleep on and
// for how long. After it, the watcher counts as asleep, unless there is nothing
// to watch.
func (w *watcher) collect() (limit time.Duration, busy bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sleep = append(w.sleep[:0], sys.FutexWaiter{Word: &w.control, Want: atomic.LoadUint32(&w.control), Private: true})
	w.started = false
	now := time.Now()
	if !now.Before(w.due) {
		w.due = w.rounds.after(now, w.audit)
		w.startRound()
	}
	limit = w.due.Sub(now)
	for _, e := range w.entries {
		if due := w.examine(e, now); due > 0 {
			limit = min(limit, due)
		}
	}
	clear(w.words)
	clear(w.differ)
	w.asleep = len(w.entries) > 0
	return limit, w.asleep
}

// examine starts a look of e if its words call for one. Else it adds them to those
// to sleep on, and returns how long until a look is due, or 0 if none is.
func (w *watcher) examine(e *entry, now time.Time) time.Duration {
	if e.looking {
		e.passed = true
		return 0
	}
	begin := len(w.sleep)
	w.gather(e)
	if len(w.differ) == 0 {
		e.differ, e.backoff = e.differ[:0], 0
		return 0
	}
	if !slices.Equal(w.differ, e.differ) {
		e.differ, e.backoff = append(e.differ[:0], w.differ...), 0
	} else if now.Before(e.again) {
		return e.again.Sub(now)
	}
	w.sleep = w.sleep[:begin]
	// The kernel woke only one of those who sleep on a word that it marked.
	for _, x := range w.differ {
		sys.FutexWake(satomic.Ptr(x.Addr), everyone)
	}
	w.look(e)
	return 0
}

// gather puts the words of e that are as wanted into sleep, and the others, with
// what they are, into differ.
func (w *watcher) gather(e *entry) {
	w.words = e.watched.Words(w.words[:0])
	w.differ = w.differ[:0]
	for _, x := range w.words[:min(len(w.words), wordsEach)] {
		if got := x.Addr.Load(); got != x.Want || Marked(got) {
			w.differ = append(w.differ, Word{Addr: x.Addr, Want: got})
			continue
		}
		w.sleep = append(w.sleep, sys.FutexWaiter{Word: satomic.Ptr(x.Addr), Want: x.Want})
	}
}

// look starts a Look of e. The caller holds mu.
func (w *watcher) look(e *entry) {
	e.looking, w.started = true, true
	go func() {
		w.mu.Lock()
		stopped := e.stopped
		w.mu.Unlock()
		if stopped {
			return
		}
		e.watched.Look()
		w.mu.Lock()
		defer w.mu.Unlock()
		e.looked()
		w.call()
	}()
}

// looked says that Look has returned. The caller holds mu.
func (e *entry) looked() {
	e.looking, e.passed = false, false
	e.again = time.Now().Add(e.backoff)
	e.backoff = min(max(2*e.backoff, shortestBackoff), longestBackoff)
}

// startRound starts a look at each entry for no reason, one after the other in one
// goroutine, unless the last round still runs. The caller holds mu.
func (w *watcher) startRound() {
	if w.inRound || len(w.entries) == 0 {
		return
	}
	w.inRound, w.started = true, true
	entries := slices.Clone(w.entries)
	go func() {
		for _, e := range entries {
			w.lookInRound(e)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.inRound = false
		w.call() // the words to sleep on may be others now
	}()
}

// lookInRound looks at e, unless somebody does. Meanwhile the watcher may sleep on
// words of e; if it is woken by one, it passes e by until the look is over.
func (w *watcher) lookInRound(e *entry) {
	w.mu.Lock()
	if e.stopped || e.looking {
		w.mu.Unlock()
		return
	}
	e.looking = true
	w.mu.Unlock()
	e.watched.Look()
	w.mu.Lock()
	defer w.mu.Unlock()
	passed := e.passed
	e.looked()
	if passed {
		w.call()
	}
}

// wait sleeps until a word differs, the watcher is called, or limit is over.
func (w *watcher) wait(limit time.Duration) {
	err := errors.ErrUnsupported
	if !w.poll {
		_, err = sys.FutexWaitv(w.sleep, limit)
	}
	if err != nil && !errors.Is(err, sys.ErrTimeout) {
		sys.FutexWait(w.sleep[0].Word, w.sleep[0].Want, min(limit, pollInterval))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// What was mapped at these addresses may be gone after the next stop.
	clear(w.sleep)
	w.asleep = false
	w.round++
	w.awake.Broadcast()
}
