package wait

import (
	"context"
	"io/fs"
	"math"
	"runtime"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
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
	gate  chan struct{}
}

// NewPoint returns a place to wait on word, which belongs to the object at
// index of the directory.
func NewPoint(word *satomic.Uint32, index uint32) *Point {
	return &Point{word: word, index: index, gate: make(chan struct{}, 1)}
}

// Spin calls try for a short time that adapts to how often it helps, first
// spinning on the processor and then yielding to other goroutines, and reports
// whether it returned true. It may not call try at all. try must not block.
func (p *Point) Spin(try func() bool) bool {
	for range 4 {
		runtime.Gosched()
		if try() {
			return true
		}
	}
	return false
}

// Enter waits for the gate. It fails with ctx.Err(), or fs.ErrClosed when the
// party is closed.
func (p *Point) Enter(ctx context.Context, party *Party) error {
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

// Sleep sleeps while the word is want, for at most limit. It returns nil
// whenever the caller should look again: the word differed, or changed and was
// woken, or the time is over, or for no reason. It returns ctx.Err() or
// fs.ErrClosed when that is why it stopped; a wake-up may have been consumed
// all the same, so the caller passes one on. Only the holder of the gate calls it.
func (p *Point) Sleep(ctx context.Context, party *Party, want uint32, limit time.Duration) error {
	end := time.Now().Add(limit)
	for p.word.Load() == want && time.Now().Before(end) {
		if err := ctx.Err(); err != nil {
			return err
		}
		select {
		case <-party.Done():
			return fs.ErrClosed
		default:
		}
		if woken := sys.FutexWait(satomic.Ptr(p.word), want, 5*time.Millisecond); woken {
			return nil
		}
	}
	return nil
}

// Wake wakes up to n sleepers of the point's word, in every process, and
// returns how many there were.
func (p *Point) Wake(n int) int { return Wake(p.word, n) }

// Wake wakes up to n sleepers on word, in every process, and returns how many
// there were. The word must have been changed before (a waiter that has not yet
// reached the kernel is otherwise missed).
func Wake(word *satomic.Uint32, n int) int { return sys.FutexWake(satomic.Ptr(word), n) }
