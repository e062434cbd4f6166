package guardian

import (
	"runtime"
	"slices"
	"time"
)

// Registry is registry, with audits as rare or frequent as a test wants them.
type Registry struct{ r registry }

// NewRegistry returns a registry that shares nothing with that of Watch.
func NewRegistry(audit time.Duration) *Registry { return &Registry{registry{audit: audit}} }

// Watch is Watch.
func (r *Registry) Watch(w Watched) (stop func()) { return r.r.watch(w) }

// Watchers returns how many goroutines watch.
func (r *Registry) Watchers() int {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	return len(r.r.watchers)
}

// WatchedEach is how many one of them watches at most.
const WatchedEach = watchedEach

// Rest waits until no look at x runs. One that has said so may not yet be over, and
// a round passes by what is looked at.
func (r *Registry) Rest(x Watched) {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	for _, w := range r.r.watchers {
		w.mu.Lock()
		w.restUnless(func(e *entry) bool { return e.watched != x })
		w.mu.Unlock()
	}
}

// restUnless waits until no look runs at entries that are not passed over. It is
// called with mu held.
func (w *watcher) restUnless(pass func(*entry) bool) {
	for slices.ContainsFunc(w.entries, func(e *entry) bool { return e.looking && !pass(e) }) {
		w.mu.Unlock()
		runtime.Gosched()
		w.mu.Lock()
	}
}

// RoundNow has all watchers look at everything now, once their last rounds and
// looks are over.
func (r *Registry) RoundNow() {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	for _, w := range r.r.watchers {
		w.mu.Lock()
		for w.inRound {
			w.mu.Unlock()
			runtime.Gosched()
			w.mu.Lock()
		}
		w.restUnless(func(*entry) bool { return false })
		w.due = time.Now()
		w.call()
		w.mu.Unlock()
	}
}

// Due returns when the watchers' next rounds are.
func (r *Registry) Due() []time.Time {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	var due []time.Time
	for _, w := range r.r.watchers {
		w.mu.Lock()
		due = append(due, w.due)
		w.mu.Unlock()
	}
	return due
}
