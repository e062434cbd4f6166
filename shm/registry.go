package shm

import (
	"context"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/internal/sys"
)

// fileKey tells one file from another.
type fileKey struct{ dev, ino uint64 }

// names reports whether path names the file; a symbolic link does not.
func (k fileKey) names(path string) bool {
	info, err := sys.InspectPath(path)
	return err == nil && fileKey{info.Dev, info.Ino} == k
}

func keyOf(f *os.File) (fileKey, error) {
	info, err := sys.Inspect(f)
	return fileKey{info.Dev, info.Ino}, err
}

// registry is what this process has open. It is the one global state of the
// package: there is one mapping for each process and segment, whoever opens it.
type registry struct {
	mu        sync.Mutex
	places    map[fileKey]*place
	texts     map[string]*use     // opened by UnmarshalText, by segment id
	inherited map[string]*os.File // given by the parent process, by segment id
	ended     atomic.Int32        // attachments that were closed but not yet collected
}

// place is one file's place in the registry. It stays until the last attachment
// of the file has given its slot back.
type place struct {
	busy  chan struct{} // held by whoever opens the file right now
	gate  gate
	users int // goroutines that hold or want busy, and attachments that are not retired
	a     *attachment

	// retiring is held by the one attachment that gives its slot back right now, so
	// that whoever opens the file waits for one at most.
	retiring sync.Mutex

	mu  sync.Mutex
	own map[uint32]struct{} // the slots that this process has
}

// took says that this process has the slot, until lets.
func (p *place) took(slot uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own[slot] = struct{}{}
}

func (p *place) lets(slot uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.own, slot)
}

// owns reports whether this process is known to have the slot.
func (p *place) owns(slot uint32) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.own[slot]
	return ok
}

// gate queues the goroutines of this process for the structural lock of a file, of
// which the kernel tells only whether it is free.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

// pass waits for the gate until ctx is done; leave gives it back.
func (g gate) pass(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) tryPass() bool {
	select {
	case g <- struct{}{}:
		return true
	default:
		return false
	}
}

func (g gate) leave() { <-g }

func newPlace() *place {
	return &place{busy: make(chan struct{}, 1), gate: newGate(), own: map[uint32]struct{}{}}
}

//nolint:gochecknoglobals // see registry
var opened = registry{
	places:    map[fileKey]*place{},
	texts:     map[string]*use{},
	inherited: map[string]*os.File{},
}

// enter waits for the place of a file, and leaves it by the returned function.
func (r *registry) enter(ctx context.Context, key fileKey) (*place, func(), error) {
	r.mu.Lock()
	p := r.places[key]
	if p == nil {
		p = newPlace()
		r.places[key] = p
	}
	p.users++
	r.mu.Unlock()
	leave := func() { r.leave(p, key) }
	select {
	case p.busy <- struct{}{}:
		return p, func() { <-p.busy; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, nil, ctx.Err()
	}
}

// leave says that one user less needs the place.
func (r *registry) leave(p *place, key fileKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.users--; p.users == 0 && r.places[key] == p {
		delete(r.places, key)
	}
}

// put makes a the attachment of a place, until drop, and one of its users, until
// leave.
func (r *registry) put(p *place, a *attachment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.a = a
	p.users++
}

// current returns the attachment of a place that is open, or nil.
func (r *registry) current(p *place) *attachment {
	r.mu.Lock()
	defer r.mu.Unlock()
	return p.a
}

// drop forgets an attachment that has ended.
func (r *registry) drop(a *attachment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.place != nil && a.place.a == a {
		a.place.a = nil
	}
}

// forget drops a use that UnmarshalText has opened.
func (r *registry) forget(u *use) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.texts[u.a.ident] == u {
		delete(r.texts, u.a.ident)
	}
}

// all returns the attachments that are open.
func (r *registry) all() []*attachment {
	r.mu.Lock()
	defer r.mu.Unlock()
	var as []*attachment
	for _, p := range r.places {
		if p.a != nil {
			as = append(as, p.a)
		}
	}
	return as
}

// maxEnded is how many closed attachments may wait for the garbage collector,
// which alone knows when no operation is inside them any more, before it is called.
const maxEnded = 32

// drainPatience is how long an opener waits for a slot that is about to be free:
// who has it may not run for a while.
const drainPatience = 2 * time.Second

// drain lets the closed attachments of this process give their slots back, and
// waits for d.
func (r *registry) drain(ctx context.Context, d time.Duration) error {
	if r.ended.Load() > 0 {
		runtime.GC()
	}
	return rest(ctx, d)
}

// collect lets go of closed attachments when there are too many.
func (r *registry) collect() {
	if r.ended.Load() > maxEnded {
		runtime.GC()
	}
}
