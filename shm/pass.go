package shm

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/sys"
)

func duplicate(f *os.File) (*os.File, error) { return sys.Duplicate(f) }

// Send passes the segment to the process at the other end of conn, which calls
// Receive. It waits for room in conn until ctx is done; after an error conn may
// be in the middle of a message. It uses conn's deadlines.
func (s *Segment) Send(ctx context.Context, conn *net.UnixConn) error {
	u, m := s.enter()
	if m == nil {
		return u.gone()
	}
	defer object.Unpin(m)
	text, err := s.MarshalText()
	if err != nil {
		return err
	}
	f, err := u.a.share()
	if err != nil {
		return opError("send", u.a.label, err)
	}
	err = bounded(ctx, conn.SetWriteDeadline, func() error { return sys.SendFile(conn, f, text) })
	return opError("send", u.a.label, errors.Join(err, f.Close()))
}

// share returns a descriptor of the segment's file for another process. It is
// opened by the file's name where it has one: the descriptor that the file was
// made by, before it had a name, never tells it, and whoever is the last to leave
// the segment must know what to remove.
func (a *attachment) share() (*os.File, error) {
	f := a.back.descriptor()
	if f == nil {
		return nil, errors.ErrUnsupported
	}
	if a.path != "" {
		if named, err := openNamed(a.path, &Options{ReadOnly: a.slot == 0}); err == nil {
			if sameFile(named, f) {
				return named, nil
			}
			_ = named.Close() // the name is another segment's by now
		}
	}
	return duplicate(f)
}

func sameFile(a, b *os.File) bool {
	x, err := a.Stat()
	if err != nil {
		return false
	}
	y, err := b.Stat()
	return err == nil && os.SameFile(x, y)
}

// Receive receives a segment that the other side of conn sends by Segment.Send,
// and opens it. It waits until ctx is done; after an error conn may be in the
// middle of a message. It uses conn's deadlines. A segment of another user needs
// Options.AnyOwner.
func Receive(ctx context.Context, conn *net.UnixConn, opts *Options) (*Segment, error) {
	var f *os.File
	err := bounded(ctx, conn.SetReadDeadline, func() (err error) {
		_, f, err = sys.ReceiveFile(conn, maxTypeText)
		return err
	})
	if err != nil {
		return nil, opError("receive", "segment", err)
	}
	defer func() { _ = f.Close() }()
	return FromFile(ctx, f, opts)
}

// bounded runs f, a call on a connection whose deadline set sets, until ctx is done.
func bounded(ctx context.Context, set func(time.Time) error, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = set(time.Unix(1, 0))
		close(over)
	})
	err := f()
	if !stop() {
		<-over // else it would end a later call
		_ = set(time.Time{})
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
