package duplex_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"testing"

	"github.com/shoal-ipc/shoal/internal/duplex"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/stage"
)

const (
	slots = 7
	form  = 2 // of messages: bytes
)

// least is a pipe with as little room as can be.
var least = duplex.Spec{Buffer: 1, MaxSize: 4096}

type world struct{ *stage.Stage }

func newWorld(spec duplex.Spec) world {
	s, err := stage.Build(duplex.Kind(), spec.Pack(), slots)
	if err != nil {
		panic(err)
	}
	return world{s}
}

// party is an end in the hands of a participant.
type party struct {
	*duplex.End
	stage.Party
	reads, writes *duplex.Deadline
}

// join returns a participant that uses end which, and does not have it yet.
func (w world) join(slot uint32, which int) party { return w.share(w.Join(slot), which) }

// share returns one more handle of a participant.
func (w world) share(p stage.Party, which int) party {
	e, err := duplex.New(p.Use, p.Obj, which)
	if err != nil {
		panic(err)
	}
	return party{e, p, new(duplex.Deadline), new(duplex.Deadline)}
}

// pair returns both ends in the hands of two participants.
func (w world) pair() (a, b party) {
	a, b = w.join(1, 0), w.join(2, 1)
	for _, p := range []party{a, b} {
		if err := p.Take(context.Background()); err != nil {
			panic(err)
		}
	}
	return a, b
}

// send sends b as one message.
func (p party) send(ctx context.Context, b []byte) error {
	m := p.Pin()
	if m == nil {
		return fs.ErrClosed
	}
	defer object.Unpin(m)
	return p.End.Send(ctx, p.writes, form, b)
}

func (p party) receive(ctx context.Context) ([]byte, error) {
	m := p.Pin()
	if m == nil {
		return nil, fs.ErrClosed
	}
	defer object.Unpin(m)
	msg, err := p.End.Receive(ctx, p.reads)
	if err != nil {
		return nil, err
	}
	b := make([]byte, msg.Length)
	p.Copy(msg, b)
	p.Finish(msg)
	return b, nil
}

// expect is receive for who knows how long the message is.
func (p party) expect(ctx context.Context, n int) ([]byte, error) {
	m := p.Pin()
	if m == nil {
		return nil, fs.ErrClosed
	}
	defer object.Unpin(m)
	if b := make([]byte, n); p.ReceiveHere(ctx, p.reads, form, b) {
		return b, nil
	}
	return p.receive(ctx)
}

func (p party) write(b []byte) (int, error) { return p.End.Write(p.writes, b) }

func (p party) read(b []byte) (int, error) { return p.End.Read(p.reads, b) }

// drain reads until it fails.
func (p party) drain() ([]byte, error) {
	var all []byte
	buf := make([]byte, 50)
	for {
		n, err := p.read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			return all, err
		}
	}
}

// pattern returns n bytes that begin with seed and differ from their neighbours.
func pattern(seed byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = seed + byte(i%97)
	}
	return b
}

// orNil returns nil for errors that may be.
func orNil(err error, allowed ...error) error {
	for _, a := range allowed {
		if errors.Is(err, a) {
			return nil
		}
	}
	return err
}

func wantEOF(tb testing.TB, p party) {
	tb.Helper()
	if b, err := p.receive(tb.Context()); !errors.Is(err, io.EOF) {
		tb.Fatalf("received %q, %v, want io.EOF", b, err)
	}
}
