package duplex

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// Write writes b, waiting for room as often as it has to, and returns how many
// bytes of it were written: all, or there is an error, which is
// os.ErrDeadlineExceeded, io.ErrClosedPipe if nobody can read them, fs.ErrClosed or
// a *mem.Corruption. If the process dies inside, a first part of b is written.
func (e *End) Write(d *Deadline, b []byte) (int, error) {
	m := e.use.Pin()
	if m == nil {
		return 0, fs.ErrClosed
	}
	n, err := e.write(d, b)
	object.Unpin(m)
	runtime.KeepAlive(e)
	return n, err
}

func (e *End) write(d *Deadline, b []byte) (int, error) {
	if d.Passed() {
		return 0, os.ErrDeadlineExceeded
	}
	ok, err := e.out.tryEnter()
	n := 0
	if ok {
		// Who has no turn must not write a part: another Write might come behind it.
		n, err = e.writeSome(b, uint64(len(b)))
		e.out.lock.Drop()
		ring(e.out.other)
	}
	switch {
	case err != nil:
		return n, err
	case ok && n == len(b):
		return n, nil
	}
	return e.writeSlow(context.Background(), d.Done(), b)
}

// writeSome writes as much of b as there is room for, nothing if that is less than
// least. The caller has pen. Segment.Close waits until it is over: it would lose the
// end and free pen, and the reader would find bytes behind io.EOF.
func (e *End) writeSome(b []byte, least uint64) (int, error) {
	if !e.use.BeginTaking() {
		return 0, fs.ErrClosed
	}
	defer e.use.EndTaking()
	if err := e.mayWrite(); err != nil {
		return 0, err
	}
	pos, room, err := e.space(uint64(len(b)))
	n := min(uint64(len(b)), room)
	if err != nil || n == 0 || n < least {
		return 0, err
	}
	e.out.put(pos, b[:n])
	if err := e.publishMine(pos, n); err != nil {
		return 0, err
	}
	return int(n), nil
}

func (e *End) writeSlow(ctx context.Context, over <-chan struct{}, b []byte) (n int, err error) {
	if err := e.enter(ctx, over, e.out.line); err != nil {
		return 0, err
	}
	defer e.out.line.leave()
	for {
		if err := e.lock(ctx, over, &e.out); err != nil {
			return n, err
		}
		some, err := e.writeSome(b[n:], 1)
		e.out.lock.Drop()
		ring(e.out.other)
		n += some
		if err != nil || n == len(b) {
			return n, err
		}
		if err := e.awaitRoom(ctx, over, 1); err != nil {
			return n, err
		}
	}
}

// awaitRoom waits until there may be room for need bytes, or never will be.
func (e *End) awaitRoom(ctx context.Context, over <-chan struct{}, need uint64) error {
	return e.sleep(ctx, over, &e.out, func() bool {
		w := e.out.way
		r := w.readPos.Load()
		used := w.writePos.Load() - r
		if used > e.core.limit || e.core.limit-used >= need {
			return true
		}
		t := title(e.owner.Load())
		return !t.heldBy(e.slot) || t.half() || title(e.peer.Load()).over()
	})
}

// lock locks a side for an operation that has the turn.
func (e *End) lock(ctx context.Context, over <-chan struct{}, s *side) error {
	passed := func() bool {
		select {
		case <-over:
			return true
		default:
			return false
		}
	}
	if passed() {
		return os.ErrDeadlineExceeded
	}
	err := s.lock.LockUnless(ctx, passed)
	if errors.Is(err, robust.ErrUnless) {
		err = os.ErrDeadlineExceeded
	}
	return err
}
