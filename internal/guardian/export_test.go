package guardian

import "time"

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
