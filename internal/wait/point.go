package wait

import (
	"context"
	"io/fs"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Slice is the longest time that a sleeper stays in the kernel before it looks
// again by itself: a second line of defence behind every wake-up.
const Slice = 250 * time.Millisecond

// All is the number of sleepers for Wake that means every one.
const All = math.MaxInt32

// Point is this process's place to wait on one shared word. At most one of its
// goroutines sleeps in the kernel (the one that holds the gate, between Enter
// and Leave); the others queue for the gate in Go, so that ten thousand blocked
// goroutines are not ten thousand threads.
//
// The pattern of a blocking operation (Announce is the algorithm's own: it
// changes the word, or finds in it, that somebody is about to sleep):
//
//	if try() || p.Spin(try) { return nil }
//	if err := p.Enter(ctx, party); err != nil { return err }
//	defer p.Leave()
//	for {
//		if try() { return nil }
//		want := announce()
//		if try() { return nil }
//		if err := p.Sleep(ctx, party, want, wait.Slice); err != nil { pass on a wake-up; return err }
//	}
type Point struct {
	word  *satomic.Uint32
	index uint32
	// bit tells this point's sleepers from most others on the word, which an
	// interruption of theirs need not wake.
	bit uint32
	// budget is how long the next Spin spins, in nanoseconds.
	budget atomic.Int32
	// turn is odd while the holder of the gate sleeps, or is about to.
	turn  atomic.Uint32
	gate  chan struct{}
	watch *watch

	// What follows is the Party's while the holder of the gate sleeps.
	prev, next *Point
	joined     uint32 // at which tick it fell asleep
}

// NewPoint returns a place to wait on word, which belongs to the object at
// index of the directory.
func NewPoint(word *satomic.Uint32, index uint32) *Point {
	p := &Point{word: word, index: index, bit: 1 << rand.N(32), gate: make(chan struct{}, 1), watch: new(watch)}
	p.budget.Store(spinMost)
	return p
}

// Enter waits for the gate, which lets goroutines in as they came. It fails with
// ctx.Err(), or fs.ErrClosed when the party is closed.
func (p *Point) Enter(ctx context.Context, party *Party) error {
	select {
	case p.gate <- struct{}{}: // never overtakes: a free place goes to who waits first
		return nil
	default:
	}
	select {
	case p.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-party.Done():
		return fs.ErrClosed
	}
}

// Leave opens the gate for the next goroutine.
func (p *Point) Leave() { <-p.gate }

// Wake wakes up to n sleepers of the point's word, in every process, and
// returns how many there were.
func (p *Point) Wake(n int) int { return Wake(p.word, n) }
