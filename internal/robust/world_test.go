package robust_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

const (
	watchdog = 30 * time.Second // bounds what must happen
	slots    = 9
)

// world is a mutex on the heap and the participants that use it. Each has its
// own object and party, as if it were a process of its own.
type world struct {
	tb     testing.TB
	policy robust.Policy
	region mem.Region
	words  *robust.Words
	peers  *peers
}

func newWorld(tb testing.TB, policy robust.Policy) *world {
	tb.Helper()
	w := &world{tb: tb, policy: policy, region: mem.Heap(robust.WordsSize), peers: newPeers()}
	core, err := robust.Attach(w.region, w.shape())
	if err != nil {
		tb.Fatal(err)
	}
	w.words = core.Words
	return w
}

func (w *world) shape() object.Shape {
	return object.Shape{Spec: object.Spec{uint64(w.policy)}, Slots: slots}
}

// party is one participant.
type party struct {
	*robust.Mutex
	use    *object.Use
	killed *atomic.Bool
}

// kill makes p stop for ever when it would return from waiting for an exit.
func (p *party) kill() { p.killed.Store(true) }

// view is the peers as one participant sees them.
type view struct {
	*peers
	killed *atomic.Bool
}

func (v view) WaitExited(ctx context.Context, slot, generation uint32) error {
	err := v.peers.WaitExited(ctx, slot, generation)
	if v.killed.Load() {
		select {}
	}
	return err
}

func (w *world) join(slot uint32) *party {
	killed := new(atomic.Bool)
	use := object.NewUse(&object.Mapping{Region: w.region}, slot, view{w.peers, killed})
	use.Board = make([]satomic.Uint32, 4)
	obj := &object.Object{Name: "m", Kind: robust.Kind(), Shape: w.shape(), Region: w.region}
	return &party{Mutex: robust.New(w.words, w.policy, use, obj), use: use, killed: killed}
}

// close does what closing a segment does.
func (w *world) close(p *party) {
	p.use.End()
	robust.Leave(w.words, w.policy, p.use.Slot, w.peers.Generation(p.use.Slot))
}

// bury does what the one that notices the death of slot does.
func (w *world) bury(slot uint32) {
	d := object.Dead{Slot: slot, Generation: w.peers.Generation(slot)}
	robust.Repair(w.words, w.policy, d)
	w.peers.exit(slot)
	d.Exited = true
	robust.Repair(w.words, w.policy, d)
}

func (w *world) check() {
	w.tb.Helper()
	for _, err := range robust.Check(w.words, w.policy, 0, func(uint32) bool { return true }) {
		w.tb.Errorf("Check: %v", err)
	}
}

// asleep reports whether a goroutine of p sleeps on the word.
func (p *party) asleep() bool {
	for i := range p.use.Board {
		if p.use.Board[i].Load() != 0 {
			return true
		}
	}
	return false
}

// peers is what a segment knows of its participants.
type peers struct {
	mu     sync.Mutex
	gone   map[uint32]chan struct{}
	asked  map[uint32]int // how often somebody waited for the end of a slot
	stalls bool           // nobody exits by being buried
}

func newPeers() *peers {
	return &peers{gone: map[uint32]chan struct{}{}, asked: map[uint32]int{}}
}

func (p *peers) Generation(slot uint32) uint32 { return 100 + slot }

func (p *peers) of(slot uint32) chan struct{} {
	c := p.gone[slot]
	if c == nil {
		c = make(chan struct{})
		p.gone[slot] = c
	}
	return c
}

func (p *peers) exit(slot uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.of(slot); !p.stalls {
		select {
		case <-c:
		default:
			close(c)
		}
	}
}

// release lets go those that were buried while stalls was set.
func (p *peers) release(slot uint32) {
	p.mu.Lock()
	p.stalls = false
	p.mu.Unlock()
	p.exit(slot)
}

func (p *peers) waits(slot uint32) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[slot]
}

func (p *peers) WaitExited(ctx context.Context, slot, generation uint32) error {
	if generation != p.Generation(slot) {
		return nil
	}
	p.mu.Lock()
	p.asked[slot]++
	c := p.of(slot)
	p.mu.Unlock()
	select {
	case <-c: // also if ctx is done, so that it is the same each time
		return nil
	default:
	}
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func until(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for start := time.Now(); !ok(); runtime.Gosched() {
		if time.Since(start) > watchdog {
			tb.Fatalf("did not happen: %s", what)
		}
	}
}

func async(f func() error) <-chan error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return c
}

func await(tb testing.TB, what string, c <-chan error) error {
	tb.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(watchdog):
		tb.Fatalf("hangs: %s", what)
		return nil
	}
}

func want(tb testing.TB, what string, err, target error) {
	tb.Helper()
	if !errors.Is(err, target) || target == nil && err != nil {
		tb.Fatalf("%s: %v, want %v", what, err, target)
	}
}

func wantWord(tb testing.TB, w *world, x uint32) {
	tb.Helper()
	if got := w.words.Word(); got != x {
		tb.Fatalf("word %#x, want %#x", got, x)
	}
}

func policies(t *testing.T, f func(t *testing.T, p robust.Policy)) {
	for _, p := range []robust.Policy{robust.Poison, robust.Release} {
		t.Run(fmt.Sprint(p), func(t *testing.T) { f(t, p) })
	}
}
