package pool

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/process"
)

// entry is a Function without its type parameters.
type entry struct {
	name   string
	id     uint64
	source string // as a stack shows it
	run    func(x *execution)
	// pace is about how long one task takes, in nanoseconds; 0 if that is not known yet.
	pace atomic.Int64
}

// registry has the functions of this executable. There is one of it, because a
// worker finds a function by its name and by nothing else.
type registry struct {
	mu      sync.Mutex
	entries map[uint64]*entry
}

var functions registry //nolint:gochecknoglobals // what package-level Func calls fill

// add registers e. Package process knows which names are taken and whether Main
// was called, and panics then: a pool's functions are functions of its, which do nothing.
func (r *registry) add(e *entry) {
	process.Func("pool: "+e.name, func(context.Context, struct{}) error {
		return errors.New("pool: a function of a pool runs only in a pool")
	})
	h := fnv.New64a()
	_, _ = h.Write([]byte(e.name)) // never fails
	e.id = h.Sum64()
	r.mu.Lock()
	defer r.mu.Unlock()
	if other := r.entries[e.id]; other != nil {
		panic(fmt.Sprintf("pool: functions %q and %q have the same number: rename one", e.name, other.name))
	}
	if r.entries == nil {
		r.entries = map[uint64]*entry{}
	}
	r.entries[e.id] = e
}

func (r *registry) find(id uint64) *entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries[id]
}

// observe notes that n tasks took so long.
func (e *entry) observe(n uint32, spent time.Duration) {
	if n == 0 || spent <= 0 {
		return
	}
	each := max(int64(spent)/int64(n), 1)
	if old := e.pace.Load(); old != 0 {
		each = (3*old + each) / 4
	}
	e.pace.Store(max(each, 1))
}
