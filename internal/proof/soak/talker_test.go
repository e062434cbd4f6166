//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/shoal-ipc/shoal/pipe"
	"github.com/shoal-ipc/shoal/shm"
)

// talker talks with another process through a pipe: it makes one and offers its
// other end to whoever takes it, or takes what was offered.
type talker struct {
	*park
	r      *rand.Rand
	number int // of the child
	made   int
	stream *uint32 // the number of what this child says next; no two are the same
	fault  string
}

const (
	// longest is how long a message is at most; most pipes have less room.
	longest = 2000
	// talkers is for how many children there is a word that says what they have said.
	talkers = 1024
)

// The beginning of a pipe's name says what goes through it.
const (
	passingMessages = passing + "messages-"
	passingBytes    = passing + "bytes-"
)

func (t *talker) step(ctx context.Context) error {
	moment, cancel := context.WithTimeout(ctx, time.Duration(1+t.r.IntN(20))*time.Millisecond)
	defer cancel()
	if t.r.IntN(2) == 0 {
		return t.accept(ctx, moment)
	}
	return t.offer(ctx, moment)
}

// offer makes a pipe and talks until moment is over, whether anybody comes or not.
func (t *talker) offer(ctx, moment context.Context) (err error) {
	t.made++
	name := fmt.Sprintf("%s%d-%d", []string{passingMessages, passingBytes}[t.r.IntN(2)], t.number, t.made)
	a, b, err := pipe.Create(ctx, t.seg, name, pipe.Spec{Buffer: 128 << t.r.IntN(6), MaxSize: longest})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close(), b.Close(), gone(t.seg.Remove(ctx, name))) }()
	text, err := b.MarshalText()
	if err != nil {
		return err
	}
	if err := t.offers.TryPut(text); err != nil {
		return err
	}
	return t.talk(ctx, moment, a, b.Close) // if nobody has taken it
}

// accept takes an end that somebody has offered.
func (t *talker) accept(ctx, moment context.Context) (err error) {
	text, err := t.offers.Get(moment)
	if err != nil {
		return err
	}
	home, err := t.seg.MarshalText()
	if err != nil {
		return err
	}
	seg := new(shm.Segment) // once more: by a text a process opens a segment apart, and once
	if err := seg.UnmarshalText(home); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, seg.Close()) }()
	c := new(pipe.Conn)
	switch err := c.UnmarshalText(text); {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrClosed):
		return nil // who has offered it is gone
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return t.talk(ctx, moment, c, func() error { return nil })
}

// conversation is one side of what is said through a pipe.
type conversation interface {
	// say says something more. It does not when brief is over.
	say(brief context.Context) error
	// hear hears something more and looks whether it comes whole and in its turn,
	// and io.EOF not before all that was said has come.
	hear(ctx context.Context) error
}

// talk says and hears until moment is over, and then hears what is left; last is
// what is to be done between.
func (t *talker) talk(ctx, moment context.Context, c *pipe.Conn, last func() error) error {
	*t.stream++
	v := voice{talker: t, c: c, stream: uint32(t.number)<<16 | *t.stream&0xffff}
	var talk conversation = &messages{voice: v, kit: bytesKit(longest)}
	if strings.HasPrefix(c.Name(), passingBytes) {
		talk = &prose{voice: v}
	}
	var err error
	for err == nil && moment.Err() == nil && !t.closing() {
		if t.r.IntN(2) == 0 {
			err = onTime(talk.hear(moment))
			continue
		}
		brief, cancel := context.WithTimeout(moment, time.Duration(t.r.IntN(1000))*time.Microsecond)
		err = onTime(talk.say(brief))
		cancel()
	}
	if err == nil || errors.Is(err, io.ErrClosedPipe) {
		err = errors.Join(c.CloseWrite(), last())
	}
	end, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	for err == nil {
		err = talk.hear(end)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return onTime(err)
}

// onTime lets it pass that the time was over.
func onTime(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// voice is what both kinds of conversation have.
type voice struct {
	*talker
	c           *pipe.Conn
	stream      uint32 // what is said here
	said        uint32
	from, heard uint32 // the stream that is heard, and how much of it
}

// tell notes, for whoever hears it, how much was said: also if this process is dead
// by then.
func (v *voice) tell(n int) {
	v.said += uint32(n)
	v.talker.said.Store(v.number%talkers, uint64(v.stream)<<32|uint64(v.said))
}

// ended looks at the end whether all was heard that was said for sure. It cannot
// tell if nothing was, or if who said it says other things by now.
func (v *voice) ended(err error) error {
	if !errors.Is(err, io.EOF) || v.heard == 0 {
		return err
	}
	x := v.talker.said.Load(int(v.from>>16) % talkers)
	if uint32(x>>32) == v.from && uint32(x) > v.heard {
		return wrong("of %d in stream %x only %d came through pipe %s", uint32(x), v.from, v.heard, v.c.Name())
	}
	return err
}

// messages are numbered.
type messages struct {
	voice
	kit kit[[]byte]
}

func (m *messages) say(brief context.Context) error {
	var x []byte
	m.kit.build(&x, m.stream, m.said+1)
	if m.fault == faultMumbles && m.r.IntN(2) == 0 {
		m.tell(1)
		return nil
	}
	err := pipe.Send(brief, m.c, x)
	if err == nil {
		m.tell(1)
	}
	return err
}

func (m *messages) hear(ctx context.Context) error {
	x, err := pipe.Recv[[]byte](ctx, m.c)
	if err != nil {
		return m.ended(err)
	}
	stream, seq, err := m.kit.read(&x)
	if err != nil {
		return wrong("from pipe %s: %w", m.c.Name(), err)
	}
	if m.heard == 0 {
		m.from = stream
	}
	if stream != m.from || seq != m.heard+1 {
		return wrong("message %d of stream %x came through pipe %s after %d of %x", seq, stream, m.c.Name(), m.heard, m.from)
	}
	m.heard = seq
	return nil
}

// prose is bytes: the first ones say which stream it is, and the others follow from
// that and from where they are.
type prose struct{ voice }

// proseHead is how many bytes name the stream.
const proseHead = 4

func byteAt(stream, i uint32) byte {
	if i < proseHead {
		return byte(stream >> (8 * i))
	}
	return byte(wordAt(stream, 0, int(i/4)) >> (8 * (i % 4)))
}

func (p *prose) say(brief context.Context) error {
	b := make([]byte, 1+p.r.IntN(600))
	for i := range b {
		b[i] = byteAt(p.stream, p.said+uint32(i))
	}
	end, _ := brief.Deadline()
	if err := p.c.SetWriteDeadline(end); err != nil {
		return err
	}
	n, err := p.c.Write(b)
	p.tell(n)
	return err
}

func (p *prose) hear(ctx context.Context) error {
	b := make([]byte, 1+p.r.IntN(600))
	end, _ := ctx.Deadline()
	if err := p.c.SetReadDeadline(end); err != nil {
		return err
	}
	n, err := p.c.Read(b)
	if err != nil {
		return p.whole(err)
	}
	for _, x := range b[:n] {
		if p.heard < proseHead {
			p.from |= uint32(x) << (8 * p.heard)
		} else if x != byteAt(p.from, p.heard) {
			return wrong("byte %d of stream %x came through pipe %s as %x", p.heard, p.from, p.c.Name(), x)
		}
		p.heard++
	}
	return nil
}

// whole is ended, once it is known whose stream it is.
func (p *prose) whole(err error) error {
	if p.heard < proseHead {
		return err
	}
	return p.ended(err)
}
