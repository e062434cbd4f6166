package shm

import (
	"context"
	"os"
	"sync/atomic"

	"github.com/shoal-ipc/shoal/internal/object"
)

// Segment is a process's use of a segment: one mapping of memory that many
// processes share, and a directory of named objects in it. Each Open is a use of
// its own; those of one process share the mapping. A zero Segment is a closed
// one. All methods may be called by several goroutines at once.
//
// If the process dies, the others notice at once and give back what it held;
// see Deaths.
type Segment struct {
	u atomic.Pointer[use]
}

func newSegment(u *use) *Segment {
	s := new(Segment)
	s.u.Store(u)
	return s
}

// enter returns the use and its mapping, nil if the segment is closed. The
// caller keeps the mapping alive by object.Unpin at its end.
func (s *Segment) enter() (*use, *object.Mapping) {
	u := s.u.Load()
	if u == nil {
		return nil, nil
	}
	return u, u.Pin()
}

// Close ends this process's use of the segment. Blocked calls return
// fs.ErrClosed. With the last use in the process, what is still held is treated
// as if the process had died: mutexes are poisoned or released, permits and
// deliveries returned. It never waits for another process; a second Close is nil.
func (s *Segment) Close() error {
	u := s.u.Load()
	if u == nil {
		return nil
	}
	return opError("close", u.a.label, u.close())
}

// Remove deletes an object's name. Handles that exist, in any process, keep
// working; the memory is used again when the last process that opened the
// object is gone or has dropped its handles. It is fs.ErrNotExist if there is
// no such object. It waits while another process changes the segment's
// structure, until ctx is done; on an error nothing was removed.
func (s *Segment) Remove(ctx context.Context, name string) error {
	if err := validObjectName(name); err != nil {
		return err
	}
	u, m, err := s.writable()
	if err != nil {
		return opError(removeOp, name, err)
	}
	defer object.Unpin(m)
	err = u.a.locked(ctx, func() error {
		r, err := u.a.find(name)
		if err != nil {
			return corruptSegment(u.a.label, err)
		}
		u.a.remove(r)
		u.a.reclaim()
		bump(&u.a.header.control)
		return nil
	})
	if err == nil {
		u.a.sweep()
	}
	return opError(removeOp, name, err)
}

// writable is enter for calls that change the segment.
func (s *Segment) writable() (*use, *object.Mapping, error) {
	u, m := s.enter()
	if m == nil {
		return nil, nil, u.gone()
	}
	if u.ReadOnly {
		return nil, nil, errReadOnly
	}
	return u, m, u.a.sound()
}

// Name returns the name, also after Close. An anonymous segment has a made-up one.
func (s *Segment) Name() string {
	if u := s.u.Load(); u != nil {
		return u.a.label
	}
	return ""
}

// Spec returns the geometry as stored, with the size at opening; also after Close.
func (s *Segment) Spec() Spec {
	if u := s.u.Load(); u != nil {
		return u.a.spec
	}
	return Spec{}
}

// File returns a new descriptor of the segment's memory, for exec.Cmd.ExtraFiles
// or a service manager; FromFile opens it there. The caller closes it.
func (s *Segment) File() (*os.File, error) {
	u, m := s.enter()
	if m == nil {
		return nil, u.gone()
	}
	defer object.Unpin(m)
	return u.a.share()
}
