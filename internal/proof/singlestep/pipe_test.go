//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/shoal-ipc/shoal/pipe"
	"github.com/shoal-ipc/shoal/shm"
)

const greeting = "greeting"

// pipeOperations are those of a child that has end b of a pipe, whose end a the
// survivor has. It warms up with a pipe of its own.
func pipeOperations() []operation {
	open := func(do func(b *pipe.Conn) error) func(context.Context, *shm.Segment) (deed, error) {
		return func(ctx context.Context, seg *shm.Segment) (deed, error) {
			b, err := takeOver(seg, "pipe", "b")
			near, e1 := takeOver(seg, "warm", "a")
			far, e2 := takeOver(seg, "warm", "b")
			return deed{
				warm: func() error { return talk(ctx, near, far) },
				do:   func() error { return do(b) },
			}, errors.Join(err, e1, e2)
		}
	}
	bg := context.Background()
	return []operation{
		{
			name: "pipe.Send", lay: layPipe(pipeBooks{}), full: 1, once: true,
			open: open(func(b *pipe.Conn) error { return pipe.Send(bg, b, greeting) }),
		},
		{
			name: "pipe.Write", lay: layPipe(pipeBooks{bytes: true}), full: 1, once: true,
			open: open(func(b *pipe.Conn) error { _, err := b.Write([]byte(greeting)); return err }),
		},
		{
			name: "pipe.Recv", lay: layPipe(pipeBooks{sends: true}), once: true,
			open: open(func(b *pipe.Conn) error {
				x, err := pipe.Recv[string](bg, b)
				return expect(x, err)
			}),
		},
		{
			name: "pipe.Read", lay: layPipe(pipeBooks{sends: true, bytes: true}), once: true,
			open: open(func(b *pipe.Conn) error {
				var x [len(greeting)]byte
				_, err := b.Read(x[:])
				return expect(string(x[:]), err)
			}),
		},
		{
			name: "pipe.Close", lay: layPipe(pipeBooks{}), once: true,
			open: open(func(b *pipe.Conn) error { return b.Close() }),
		},
	}
}

func expect(x string, err error) error {
	if err == nil && x != greeting {
		return fmt.Errorf("got %q", x)
	}
	return err
}

// talk sends a message and some bytes, and receives them.
func talk(ctx context.Context, near, far *pipe.Conn) error {
	e0 := pipe.Send(ctx, near, greeting)
	x, e1 := pipe.Recv[string](ctx, far)
	_, e2 := near.Write([]byte(greeting))
	var b [len(greeting)]byte
	_, e3 := io.ReadFull(far, b[:])
	return errors.Join(e0, expect(x, e1), e2, expect(string(b[:]), e3))
}

// takeOver makes an end of a pipe this process's.
func takeOver(seg *shm.Segment, name, end string) (*pipe.Conn, error) {
	text, err := seg.MarshalText()
	if err != nil {
		return nil, err
	}
	c := new(pipe.Conn)
	return c, c.UnmarshalText(fmt.Appendf(text, "#%s:%s", name, end))
}

// pipeBooks is a pipe of which a child has the other end.
type pipeBooks struct {
	a     *pipe.Conn
	sends bool // it is the survivor that sends
	bytes bool // as bytes, not as a message
}

func layPipe(b pipeBooks) func(context.Context, *shm.Segment) (subject, error) {
	return func(ctx context.Context, seg *shm.Segment) (subject, error) {
		b := b
		var e [2]error
		b.a, _, e[0] = pipe.Create(ctx, seg, "pipe", pipe.Spec{})
		_, _, e[1] = pipe.Create(ctx, seg, "warm", pipe.Spec{})
		return &b, errors.Join(e[:]...)
	}
}

func (b *pipeBooks) meet(context.Context) error { return nil }

func (b *pipeBooks) fill(ctx context.Context) error {
	switch {
	case b.sends && b.bytes:
		_, err := b.a.Write([]byte(greeting))
		return err
	case b.sends:
		return pipe.Send(ctx, b.a, greeting)
	}
	return nil
}

// judge reads what has come of the dead, and its end behind that. Of what the dead
// has read nothing is seen.
func (b *pipeBooks) judge(ctx context.Context, _ shm.Death) (effect int, err error) {
	read := func() (string, error) { return pipe.Recv[string](ctx, b.a) }
	if b.bytes {
		read = func() (string, error) {
			var x [2 * len(greeting)]byte
			n, err := b.a.Read(x[:])
			return string(x[:n]), err
		}
	}
	x, err := read()
	if err == nil {
		if err := expect(x, nil); err != nil {
			return 0, err
		}
		effect = 1
		x, err = read()
	}
	if !errors.Is(err, io.EOF) {
		return effect, fmt.Errorf("after the last message there is %q: %w", x, err)
	}
	if err := pipe.Send(ctx, b.a, greeting); !errors.Is(err, io.ErrClosedPipe) {
		return effect, fmt.Errorf("sending to the dead: %w", err)
	}
	return effect, b.a.Close()
}
