//go:build linux

package linear

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"net"
	"os"
	"time"

	"github.com/shoal-ipc/shoal/pipe"
	"github.com/shoal-ipc/shoal/shm"
)

// The pipes of a circle (see pipe_test.go) as connections for bytes. What the model
// looks at is in bytesmodel_test.go.

// The operations of a connection besides poll, closeWrite, closeEnd and takesPlace. In: where,
// see whereOf, and what is said below. Out: how many bytes.
const (
	write = iota + 20 // in: the number of the bytes; how many are in where
	read              // in: for how many there is room; out: also what they are, see sumOf
	limitReads
	limitWrites // in: when, in nanoseconds of the journal's clock; or atOnce, or never
)

var streamNames = map[uint32]string{
	write: "Write", read: "Read", poll: "Poll", limitReads: "SetReadDeadline", limitWrites: "SetWriteDeadline",
	closeWrite: "CloseWrite", closeEnd: "Close",
}

// The moments that are not a time.
const (
	never = iota
	atOnce
)

// streamBuffer is how many bytes may be under way.
const streamBuffer = 128

// The first input of a call says at which end, through which of the process's
// connections with it, and how many bytes are to be written.
const (
	connShift   = 8
	lengthShift = 16
)

func whereOf(end uint64, conn, length int) uint64 {
	return end | uint64(conn)<<connShift | uint64(length)<<lengthShift
}

func endOf(c *call) uint64  { return c.in[0] & (1<<connShift - 1) }
func connOf(c *call) uint64 { return c.in[0] & (1<<lengthShift - 1) } // and the end
func lengthOf(c *call) int  { return int(c.in[0] >> lengthShift) }

// bytesOf returns what the Write with that number writes.
func bytesOf(number uint64, length int) []byte {
	b := make([]byte, length)
	for i := range b {
		x := (number*512 + uint64(i) + 1) * 0x9e3779b97f4a7c15
		b[i] = byte((x ^ x>>32) * 0xbf58476d1ce4e5b9 >> 56)
	}
	return b
}

// sumOf tells what was read.
func sumOf[B string | []byte](b B) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(b))
	return h.Sum64()
}

// bytesKind has pipes for bytes. In the first variant the lanes of a process share a
// connection, deadlines included; in the second each has its own with the same end.
func bytesKind() kind {
	return kind{
		name: "bytes of a pipe", variants: 2, create: createPipes, check: checkBytes,
		open: func(ctx context.Context, seg *shm.Segment, name string, variant int) (func(*lane) subject, error) {
			c, err := openCircle(ctx, seg, name)
			if err != nil || variant == 0 {
				return func(l *lane) subject { return &bytesSubject{lane: l, circle: c} }, err
			}
			var list [lanesOfChild]*circle
			for i := range list {
				if list[i], err = c.again(); err != nil {
					return nil, err
				}
			}
			return func(l *lane) subject {
				i := l.number % lanesOfChild
				return &bytesSubject{lane: l, circle: list[i], which: i}
			}, nil
		},
	}
}

// again returns c with connections of its own.
func (c *circle) again() (*circle, error) {
	more := &circle{place: c.place}
	for _, e := range c.ends {
		text, err := e.conn.MarshalText()
		if err != nil {
			return nil, err
		}
		conn := new(pipe.Conn)
		if err := conn.UnmarshalText(text); err != nil {
			return nil, err
		}
		more.ends = append(more.ends, standing{e.at, conn})
	}
	return more, nil
}

// bytesSubject must not wait for what its own process is to do later: until it is in
// finish, and has closed its directions, it waits until a deadline only.
type bytesSubject struct {
	*lane
	*circle
	which int // of the process's connections
	told  bool
	// halves has it write by two calls what it says it has written by one: a fault.
	halves bool
}

func (s *bytesSubject) step() error {
	if !s.told {
		s.told = true
		s.do(takesPlace, [2]uint64{uint64(s.place)}, func() result { return result{} })
		for _, e := range s.ends {
			if err := errors.Join(s.limit(e, limitReads), s.limit(e, limitWrites)); err != nil {
				return err
			}
		}
	}
	e := s.ends[s.rand.IntN(len(s.ends))]
	switch n := s.rand.IntN(32); {
	case n < 14:
		return errors.Join(s.limit(e, limitWrites), s.write(e, s.size()), s.write(e, s.size()))
	case n < 28:
		return errors.Join(s.limit(e, limitReads), s.read(e, s.size()), s.read(e, s.size()))
	case n < 30:
		return s.call(poll, e, 0, 0, func() (result, error) { return result{}, e.conn.Poll(s.ctx) })
	}
	return s.close(e, s.rand.IntN(3) == 0)
}

// size returns how many bytes to write or read: mostly few, at times none, at times
// more than may be under way.
func (s *bytesSubject) size() int {
	switch s.rand.IntN(8) {
	case 0:
		return s.rand.IntN(3)
	case 1, 2:
		return streamBuffer/2 + s.rand.IntN(2*streamBuffer)
	}
	return 1 + s.rand.IntN(40)
}

// limit sets a deadline that is over, or soon will be. At times it leaves that to
// the one before.
func (s *bytesSubject) limit(e standing, op uint32) error {
	switch s.rand.IntN(8) {
	case 0:
		return nil
	case 1:
		return s.setLimit(e, op, atOnce, time.Unix(1, 0))
	}
	d := time.Duration(50+s.rand.IntN(500)) * time.Microsecond
	at := now() + int64(d) // not later than the one that is set
	return s.setLimit(e, op, uint64(at), time.Now().Add(d))
}

func (s *bytesSubject) setLimit(e standing, op uint32, in uint64, at time.Time) error {
	return s.call(op, e, 0, in, func() (result, error) {
		if op == limitReads {
			return result{}, e.conn.SetReadDeadline(at)
		}
		return result{}, e.conn.SetWriteDeadline(at)
	})
}

func (s *bytesSubject) write(e standing, length int) error {
	n := s.fresh()
	b := bytesOf(n, length)
	return s.call(write, e, length, n, func() (result, error) {
		if !s.halves {
			n, err := e.conn.Write(b)
			return result{out: [2]uint64{uint64(n)}}, err
		}
		n, err := e.conn.Write(b[:length/2])
		if err == nil {
			var more int
			more, err = e.conn.Write(b[length/2:])
			n += more
		}
		return result{out: [2]uint64{uint64(n)}}, err
	})
}

func (s *bytesSubject) read(e standing, room int) error {
	b := make([]byte, room)
	return s.call(read, e, 0, uint64(room), func() (result, error) {
		n, err := e.conn.Read(b)
		return result{out: [2]uint64{uint64(n), sumOf(b[:n])}}, err
	})
}

func (s *bytesSubject) close(e standing, all bool) error {
	if all {
		return s.call(closeEnd, e, 0, 0, func() (result, error) { return result{}, e.conn.Close() })
	}
	return s.call(closeWrite, e, 0, 0, func() (result, error) { return result{}, e.conn.CloseWrite() })
}

func (s *bytesSubject) call(op uint32, e standing, length int, in uint64, f func() (result, error)) error {
	var wrong error
	s.do(op, [2]uint64{whereOf(e.at, s.which, length), in}, func() result {
		r, err := f()
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			r.code = atEnd
		case errors.Is(err, io.ErrClosedPipe):
			r.code = noPeer
		case errors.Is(err, fs.ErrClosed) && errors.Is(err, net.ErrClosed):
			r.code = over
		case errors.Is(err, os.ErrDeadlineExceeded):
			r.code = gaveUp
		default:
			wrong = fmt.Errorf("%s: %w", streamNames[op], err)
			r.code = torn
		}
		return r
	})
	return wrong
}

// finish says that no more will come, and reads what has come until its end.
func (s *bytesSubject) finish() error {
	var errs []error
	for _, e := range s.ends {
		errs = append(errs, s.close(e, false))
	}
	for _, e := range s.ends {
		for ended := false; !ended && errors.Join(errs...) == nil; {
			at := s.next // the other lane may have set another one since
			errs = append(errs, s.setLimit(e, limitReads, never, time.Time{}))
			ended = s.entries[at].code == over
			for code := uint32(done); code == done && !ended && errors.Join(errs...) == nil; {
				at = s.next
				errs = append(errs, s.read(e, streamBuffer))
				code = s.entries[at].code
				ended = code == atEnd || code == over
			}
		}
	}
	for _, e := range s.ends {
		errs = append(errs, s.close(e, true))
	}
	return errors.Join(errs...)
}

// audit has nothing to look at: who has an end has read all.
func (s *bytesSubject) audit() error { return nil }
