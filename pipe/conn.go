package pipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/internal/duplex"
	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/shm"
)

// ErrTooLarge is returned for a message that is longer than Spec.MaxSize. Nothing
// was sent, and the pipe goes on.
var ErrTooLarge = duplex.ErrTooLarge

type base = handle.Handle

// Conn is one end of a pipe: a net.Conn for bytes, and for messages what Send and
// Recv need. Do not mix Read and Write with Send and Recv in one direction.
//
// Its methods may be called at once by any number of goroutines: one Write or Send
// is not mixed with another, and each byte and message is read once. What was done
// before a Write or Send is seen by who reads it. The end belongs to one process;
// in any other, and after Close, every method that can fail does so with an error
// that is fs.ErrClosed and net.ErrClosed. After Segment.Close it is fs.ErrClosed.
// A zero Conn is a closed one.
//
// Deadlines hold for Read, Write, Poll, Send and Recv.
type Conn struct {
	base
	end            *duplex.End
	reads, writes  duplex.Deadline
	sends, recalls atomic.Pointer[kept] // the codecs used last
}

var _ net.Conn = (*Conn)(nil)

// Package process asks for the ends in arguments, which go to a child.
var _ = duplex.SetEndOf(func(x any) *duplex.End {
	if c, ok := x.(*Conn); ok {
		return c.end
	}
	return nil
})

// Create makes a pipe, of which both ends belong to this process. It fails with
// fs.ErrExist if the name is taken, fs.ErrInvalid if the name or spec is
// impossible, a *shm.SpaceError if it does not fit, fs.ErrPermission if the segment
// is read-only, and as every call that takes a ctx. If the process dies inside,
// there is no pipe, or one whose ends nobody can use; its name can be removed.
func Create(ctx context.Context, seg *shm.Segment, name string, spec Spec) (a, b *Conn, err error) {
	req, err := spec.request(name)
	if err != nil {
		return nil, nil, err
	}
	h, err := handle.Create(ctx, seg, req)
	if err != nil {
		return nil, nil, err
	}
	a, b = new(Conn), new(Conn)
	if err = a.take(ctx, h, 0); err == nil {
		err = b.take(ctx, h, 1)
	}
	if err != nil {
		err = fmt.Errorf("pipe: create %q: %w", name, handle.Err(&h, err))
		if e := seg.Remove(context.WithoutCancel(ctx), name); e != nil && !errors.Is(e, fs.ErrClosed) {
			err = errors.Join(err, e)
		}
		return nil, nil, err
	}
	return a, b, nil
}

// take makes c this process's handle on an end, and the end this process's.
func (c *Conn) take(ctx context.Context, h handle.Handle, which int) error {
	end, err := duplex.New(handle.UseOf(&h), handle.ObjectOf(&h), which)
	if err != nil {
		return err
	}
	if err := end.Take(ctx); err != nil {
		return err
	}
	c.base, c.end = h, end
	return nil
}

// Spec returns the geometry of the pipe, also after Close.
func (c *Conn) Spec() Spec {
	if c.end == nil {
		return Spec{}
	}
	return specOf(c.end.Spec())
}

// Read waits for bytes and reads up to len(b) of those that are there. It fails
// with io.EOF once the other end is closed, or its process died, and all is read;
// os.ErrDeadlineExceeded; fs.ErrClosed, see Conn; or a *shm.CorruptError. With an
// error n is 0. If the process dies inside, the end is closed, and nobody reads
// what was on its way to it.
func (c *Conn) Read(b []byte) (n int, err error) {
	if c.end == nil {
		return 0, duplex.ErrClosed
	}
	n, err = c.end.Read(&c.reads, b)
	if err != nil {
		err = c.fail(err)
	}
	return n, err
}

// Write writes b, waiting for room as often as it has to. It returns how many
// bytes it wrote, fewer than len(b) only with an error: io.ErrClosedPipe when the
// other end is closed or its process died, or after CloseWrite;
// os.ErrDeadlineExceeded; fs.ErrClosed, see Conn; or a *shm.CorruptError. If the
// process dies inside, the other end reads a first part of b.
func (c *Conn) Write(b []byte) (n int, err error) {
	if c.end == nil {
		return 0, duplex.ErrClosed
	}
	n, err = c.end.Write(&c.writes, b)
	if err != nil {
		err = c.fail(err)
	}
	return n, err
}

// Poll waits until Read or Recv would not wait, because something is there, or
// nothing can come any more. It takes nothing. A message that is longer than
// Spec.Buffer counts as soon as it has begun to come. Poll fails with ctx.Err(),
// os.ErrDeadlineExceeded, fs.ErrClosed, see Conn, or a *shm.CorruptError. If the
// process dies inside, that is as if it had died before.
func (c *Conn) Poll(ctx context.Context) error {
	if c.end == nil {
		return duplex.ErrClosed
	}
	return c.fail(c.end.Poll(ctx, &c.reads))
}

// Close closes this end: the other one reads what is there and then io.EOF, and
// cannot write any more. Blocked calls here return fs.ErrClosed; a message that one
// of them has sent in part is taken back. It does nothing, and returns nil, if the
// end was closed before or belongs to another process: that one may use it on. If
// the process dies inside, the end is closed.
func (c *Conn) Close() error {
	if c.end == nil {
		return nil
	}
	c.reads.Stop()
	c.writes.Stop()
	c.end.Close()
	return nil
}

// CloseWrite closes this direction: the other end reads what is there and then
// io.EOF, and can still write. Blocked writes here return io.ErrClosedPipe. It
// fails with fs.ErrClosed, see Conn; a second one is nil. If the process dies
// inside, the whole end is closed.
func (c *Conn) CloseWrite() error {
	if c.end == nil {
		return duplex.ErrClosed
	}
	return c.fail(c.end.CloseWrite())
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes Read, Recv and Poll on this Conn fail with
// os.ErrDeadlineExceeded from t on, also those that wait already. A zero t takes
// the deadline away. It fails with fs.ErrClosed, see Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(&c.reads, t) }

// SetWriteDeadline is SetReadDeadline for Write and Send.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(&c.writes, t) }

func (c *Conn) setDeadline(d *duplex.Deadline, t time.Time) error {
	if c.end == nil {
		return duplex.ErrClosed
	}
	if err := c.end.Mine(); err != nil {
		return c.fail(err)
	}
	d.Set(t, c.end.Nudge)
	return nil
}

// LocalAddr returns an address that names the segment, the pipe and this end.
func (c *Conn) LocalAddr() net.Addr { return c.address((*duplex.End).Which) }

// RemoteAddr returns LocalAddr of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.address((*duplex.End).Other) }

// fail translates an error of the end. One that is closed says so, whatever its
// deadlines were.
func (c *Conn) fail(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if gone := c.end.Mine(); gone != nil {
			err = gone
		}
	}
	return handle.Err(&c.base, err)
}
