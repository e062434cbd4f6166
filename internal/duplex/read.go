package duplex

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/shoal-ipc/shoal/internal/object"
)

// errNothing is what a step of the receiving side fails with when it would wait.
var errNothing = errors.New("pipe: nothing there")

// Read waits for bytes and takes up to len(b) of those that are there. It fails
// with os.ErrDeadlineExceeded, io.EOF once nothing can come any more and all was
// read, fs.ErrClosed or a *mem.Corruption.
func (e *End) Read(d *Deadline, b []byte) (int, error) {
	m := e.use.Pin()
	if m == nil {
		return 0, fs.ErrClosed
	}
	n, err := e.read(d, b)
	object.Unpin(m)
	runtime.KeepAlive(e)
	return n, err
}

func (e *End) read(d *Deadline, b []byte) (int, error) {
	if d.Passed() {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := e.tryRead(b)
	if errors.Is(err, errNothing) && e.spinForData() {
		n, err = e.tryRead(b)
	}
	if !errors.Is(err, errNothing) {
		return n, err
	}
	return e.readSlow(context.Background(), d.Done(), b)
}

// spinForData waits a short time for something to read, if nobody of this process
// does already.
func (e *End) spinForData() bool {
	return e.in.line.length.Load() == 0 && (e.in.point.Glance(e.readable) || e.in.point.Spin(e.readable))
}

func (e *End) tryRead(b []byte) (int, error) {
	ok, err := e.in.tryEnter()
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, errNothing
	}
	n, err := e.readSome(b)
	e.in.lock.Drop()
	return n, err
}

// readSome takes what there is, up to len(b). The caller has eye.
func (e *End) readSome(b []byte) (int, error) {
	if _, err := e.mayRead(); err != nil {
		return 0, err
	}
	if len(b) == 0 {
		return 0, nil
	}
	pos, n, err := e.remaining(uint64(len(b)))
	if err != nil {
		return 0, err
	}
	n = min(n, uint64(len(b)))
	e.in.get(pos, b[:n])
	e.advance(pos, n)
	ring(e.in.other)
	return int(n), nil
}

// remaining is available, but fails if there is nothing: with errNothing, or with
// io.EOF if nothing can come any more.
func (e *End) remaining(need uint64) (pos, n uint64, err error) {
	pos, n, err = e.available(need)
	if err != nil || n != 0 {
		return pos, n, err
	}
	if !title(e.peer.Load()).mute() { // pairs with: duplex.owner (take, Give, change, lose)
		return 0, 0, errNothing
	}
	pos, n, err = e.available(need) // its last words came before it fell silent
	if err == nil && n == 0 {
		err = io.EOF
	}
	return pos, n, err
}

func (e *End) readSlow(ctx context.Context, over <-chan struct{}, b []byte) (int, error) {
	if err := e.enter(ctx, over, e.in.line); err != nil {
		return 0, err
	}
	defer e.in.line.leave()
	for {
		if err := e.lock(ctx, over, &e.in); err != nil {
			return 0, err
		}
		n, err := e.readSome(b)
		e.in.lock.Drop()
		if !errors.Is(err, errNothing) {
			return n, err
		}
		if err := e.sleep(ctx, over, &e.in, e.readable); err != nil {
			return 0, err
		}
	}
}

// Poll waits until Read or Receive would not wait, because there is something, or
// because nothing can come any more. It fails with ctx.Err(),
// os.ErrDeadlineExceeded, fs.ErrClosed or a *mem.Corruption.
func (e *End) Poll(ctx context.Context, d *Deadline) error {
	m := e.use.Pin()
	if m == nil {
		return fs.ErrClosed
	}
	err := e.poll(ctx, d)
	object.Unpin(m)
	runtime.KeepAlive(e)
	return err
}

func (e *End) poll(ctx context.Context, d *Deadline) error {
	if err := interrupted(ctx, d); err != nil {
		return err
	}
	ready := func() bool { return e.in.line.whole.Load() || e.readable() }
	if !ready() {
		over := d.Done()
		if err := e.enter(ctx, over, e.in.line); err != nil {
			return err
		}
		err := e.sleep(ctx, over, &e.in, ready)
		e.in.line.leave()
		if err != nil {
			return err
		}
	}
	_, err := e.mayRead()
	if err == nil && e.use.Closed() {
		err = fs.ErrClosed
	}
	return err
}
