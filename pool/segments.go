package pool

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/shoal-ipc/shoal/shm"
)

// need opens the segments that x refers to: by their names, or, where they have
// none, by asking the pool for their memory. They stay open as long as the worker
// lives.
func (s *server) need(x *execution) error {
	texts := x.texts
	for range x.segments {
		if len(texts) < 2 {
			return errShort
		}
		n := int(binary.LittleEndian.Uint16(texts))
		if len(texts) < 2+n {
			return errShort
		}
		text := string(texts[2 : 2+n])
		texts = texts[2+n:]
		if s.segs[text] != nil {
			continue
		}
		seg, err := s.open(text)
		if err != nil {
			return fmt.Errorf("pool: open a segment of the argument: %w", err)
		}
		s.segs[text] = seg
	}
	return nil
}

func (s *server) open(text string) (*shm.Segment, error) {
	seg := new(shm.Segment)
	if err := seg.UnmarshalText([]byte(text)); err == nil {
		return seg, nil
	}
	frame := binary.LittleEndian.AppendUint16(nil, uint16(len(text)))
	if _, err := s.conn.Write(append(frame, text...)); err != nil {
		return nil, err
	}
	// The pool always sends some segment.
	return shm.Receive(s.ctx, s.conn, &shm.Options{AnyOwner: true})
}

// giveSegments answers a worker that asks for segments, until it ends. If there
// is no such segment, the worker gets that of the pool, which it has anyway, and
// finds out when it decodes the argument.
func (p *Pool) giveSegments(conn *net.UnixConn) {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(p.ctx, func() { _ = conn.Close() })
	defer stop()
	var length [2]byte
	for {
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		text := make([]byte, binary.LittleEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, text); err != nil {
			return
		}
		seg := p.referred(string(text))
		if seg.Send(p.ctx, conn) == nil {
			continue
		}
		if p.seg.Send(p.ctx, conn) != nil { // it was closed meanwhile
			return
		}
	}
}

// referred returns the segment of that text that a live task refers to.
func (p *Pool) referred(text string) *shm.Segment {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.books.all() {
		for _, r := range c.refs {
			if r.text == text {
				return r.seg
			}
		}
	}
	return p.seg
}
