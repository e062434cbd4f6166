package duplex

import (
	"context"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/shoal-ipc/shoal/internal/wait"
)

// line is what all handles of one process on a side of an end share: who of its
// goroutines waits. Operations that need not wait overtake nobody.
type line struct {
	length atomic.Int32  // goroutines that have the turn, or wait for it
	turn   chan struct{} // full while somebody has it
	seen   uint64        // the other side's position as last read; under the side's lock
	part   message       // what was received of a message; under the lock
	whole  atomic.Bool   // part is complete, and was not taken yet
}

// message is a message that is received in parts.
type message struct {
	tenure   uint64 // of the end when it began; another one's is not ours any more
	open     bool
	skipping bool // the rest of a message of which another process has the beginning
	form     uint8
	total    uint64
	data     []byte
}

func newLine() *line { return &line{turn: make(chan struct{}, 1)} }

// enter waits for the turn.
func (e *End) enter(ctx context.Context, over <-chan struct{}, l *line) error {
	l.length.Add(1)
	err := l.await(ctx, over, e.use.Party)
	if err != nil {
		l.length.Add(-1)
	}
	return err
}

func (l *line) await(ctx context.Context, over <-chan struct{}, party *wait.Party) error {
	select {
	case l.turn <- struct{}{}: // never overtakes
		return nil
	default:
	}
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-over:
		return os.ErrDeadlineExceeded
	case <-party.Done():
		return fs.ErrClosed
	}
}

// leave ends the turn.
func (l *line) leave() {
	<-l.turn
	l.length.Add(-1)
}

// sleep waits until ready returns true. The caller has the turn of the side.
func (e *End) sleep(ctx context.Context, over <-chan struct{}, s *side, ready func() bool) error {
	if s.point.Spin(ready) {
		return nil
	}
	if err := s.point.Enter(ctx, e.use.Party); err != nil {
		return err
	}
	defer s.point.Leave()
	for !ready() {
		want := announce(s.bell)
		if ready() {
			return nil
		}
		select {
		case <-over:
			return os.ErrDeadlineExceeded
		default:
		}
		if err := s.point.Sleep(ctx, e.use.Party, want, wait.Slice); err != nil {
			return err
		}
	}
	return nil
}

// readable reports whether who reads would find something, or that there will be
// nothing.
func (e *End) readable() bool {
	w := e.in.way
	return w.writePos.Load() != w.readPos.Load() || title(e.peer.Load()).mute() || !title(e.owner.Load()).heldBy(e.slot)
}

// interrupted says why an operation should not begin.
func interrupted(ctx context.Context, d *Deadline) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.Passed() {
		return os.ErrDeadlineExceeded
	}
	return nil
}
