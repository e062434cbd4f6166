//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/shoal-ipc/shoal/pipe"
	"github.com/shoal-ipc/shoal/shm"
)

// The survivor has end a of a pipe, and the victim takes end b over. What state
// sees is what came from b before its end: the state at the beginning if nothing
// did, "sent", "cut" (a message without its end) or "written". For UnmarshalText the
// states are "ours" and "lost": who has b; for Create "absent" and "there".
type pipeWorld struct {
	seg   *shm.Segment
	label string // the state at the beginning
	a, b  *pipe.Conn
	came  string // what the relief received
}

const (
	pipeName = "pipe"
	newPipe  = "new-pipe"
	// longer is how long a message is that passes in parts.
	longer = 1000
)

// pipeSpec leaves room for half of such a message.
var pipeSpec = pipe.Spec{Buffer: longer / 2, MaxSize: 2 * longer}

func pipeStage() *stage {
	return &stage{
		name: "pipe", joint: true,
		open: func(_ context.Context, p place) (world, error) { return &pipeWorld{seg: p.seg}, nil },
		operations: slices.Concat(pipeWriters(), pipeReaders(), []*operation{
			{
				name: "Create", covers: names("pipe.Create"), begin: "absent", light: true, variant: true, moves: []move{sets("there")},
				do: quietly(func(ctx context.Context, w *pipeWorld) error {
					_, _, err := pipe.Create(ctx, w.seg, newPipe, pipeSpec)
					return err
				}),
			},
			{
				name: "UnmarshalText", covers: names("pipe.Conn.UnmarshalText"), begin: "ours", moves: []move{sets("lost")},
				do: quietly(func(_ context.Context, w *pipeWorld) error { return w.take() }),
			},
			pipeChange("Close", func(c *pipe.Conn) error { return c.Close() }),
			pipeChange("CloseWrite", func(c *pipe.Conn) error { return c.CloseWrite() }),
			pipeChange("SetDeadline", func(c *pipe.Conn) error { return c.SetDeadline(time.Now()) }),
			pipeChange("SetReadDeadline", func(c *pipe.Conn) error { return c.SetReadDeadline(time.Now().Add(time.Hour)) }),
			pipeChange("SetWriteDeadline", func(c *pipe.Conn) error { return c.SetWriteDeadline(time.Time{}) }),
			pipeChange("MarshalText", func(c *pipe.Conn) error {
				_, err := c.MarshalText()
				return err
			}),
		}),
	}
}

// pipeTaken has the victim take its end.
func pipeTaken() func(context.Context, world) error {
	return prior(func(_ context.Context, w *pipeWorld) error { return w.take() })
}

// pipeChange is an operation that moves nothing.
func pipeChange(name string, f func(c *pipe.Conn) error) *operation {
	return &operation{
		name: name, covers: names("pipe.Conn." + name), begin: "quiet", moves: []move{stays}, before: pipeTaken(),
		do: quietly(func(_ context.Context, w *pipeWorld) error { return f(w.b) }),
	}
}

func pipeWriters() []*operation {
	type w = *pipeWorld
	type c = context.Context
	// The survivor receives while the victim waits for room.
	receives := &relief{moves: []move{stays}, do: relieve(func(ctx c, w w) error {
		came, err := w.receive(ctx)
		w.came = came
		return err
	})}
	reads := &relief{moves: []move{stays}, do: relieve(func(_ c, w w) error {
		n, err := w.a.Read(make([]byte, 2*longer))
		if n > 0 {
			w.came = "written"
		}
		return ended(err)
	})}
	return []*operation{
		{
			name: "Send", covers: names("pipe.Send"), begin: "quiet", before: pipeTaken(), moves: []move{sets("sent")},
			do: quietly(func(ctx c, w w) error { return pipe.Send(ctx, w.b, "message") }),
		},
		{
			name: "Send, in parts", covers: names("pipe.Send"), begin: "quiet", before: pipeTaken(), moves: []move{sets("cut"), sets("sent")}, relief: receives,
			do: quietly(func(ctx c, w w) error { return pipe.Send(ctx, w.b, strings.Repeat("m", longer)) }),
		},
		{
			name: "Send, given up", covers: names("pipe.Send"), begin: "quiet", before: pipeTaken(), moves: []move{sets("cut"), sets("quiet")},
			do: quietly(func(ctx c, w w) error {
				ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
				defer cancel()
				err := pipe.Send(ctx, w.b, strings.Repeat("m", longer))
				if errors.Is(err, context.DeadlineExceeded) {
					return nil
				}
				return fmt.Errorf("Send without room: %w", err)
			}),
		},
		{
			name: "Write", covers: names("pipe.Conn.Write"), begin: "bytes", before: pipeTaken(), moves: []move{sets("written")},
			do: quietly(func(_ c, w w) error {
				_, err := w.b.Write([]byte("bytes"))
				return err
			}),
		},
		{
			name: "Write, waiting", covers: names("pipe.Conn.Write"), begin: "bytes", before: pipeTaken(), moves: []move{sets("written")}, relief: reads, variant: true,
			do: quietly(func(_ c, w w) error {
				_, err := w.b.Write(make([]byte, longer*3/4))
				return err
			}),
		},
	}
}

func pipeReaders() []*operation {
	type w = *pipeWorld
	type c = context.Context
	sends := &relief{moves: []move{stays}, do: relieve(func(ctx c, w w) error {
		if err := w.give(ctx); !errors.Is(err, io.ErrClosedPipe) {
			return err
		}
		return nil
	})}
	heard := []move{func(state, _ string) []turn { return []turn{{state: state, said: "message"}} }}
	recv := on(func(ctx c, w w) (string, error) { return pipe.Recv[string](ctx, w.b) })
	read := on(func(_ c, w w) (string, error) {
		buf := make([]byte, 100)
		n, err := w.b.Read(buf)
		return string(buf[:n]), err
	})
	poll := quietly(func(ctx c, w w) error { return w.b.Poll(ctx) })
	var list []*operation
	for _, o := range []struct {
		name, covers, quiet, waiting string
		moves                        []move
		do                           func(context.Context, world) (string, error)
	}{
		{"Recv", "pipe.Recv", "quiet", "waiting", heard, recv},
		{"Read", "pipe.Conn.Read", "bytes", "waiting bytes", heard, read},
		{"Poll", "pipe.Conn.Poll", "quiet", "waiting", []move{stays}, poll},
	} {
		list = append(list,
			&operation{name: o.name, covers: names(o.covers), begin: o.waiting, before: pipeTaken(), moves: o.moves, do: o.do},
			&operation{name: o.name + ", nothing there", covers: names(o.covers), begin: o.quiet, before: pipeTaken(), moves: o.moves, relief: sends, do: o.do})
	}
	return list
}

// take takes end b over.
func (w *pipeWorld) take() error {
	text, err := w.seg.MarshalText()
	if err != nil {
		return err
	}
	w.b = new(pipe.Conn)
	return w.b.UnmarshalText([]byte(string(text) + "#" + pipeName + ":b"))
}

func (w *pipeWorld) begin(ctx context.Context, state string) (err error) {
	w.label, w.came = state, ""
	for _, name := range []string{pipeName, newPipe} {
		if err := w.seg.Remove(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if w.a, w.b, err = pipe.Create(ctx, w.seg, pipeName, pipeSpec); err != nil {
		return err
	}
	if strings.HasPrefix(state, "waiting") {
		return w.give(ctx)
	}
	return nil
}

// give sends the victim a message, or writes it.
func (w *pipeWorld) give(ctx context.Context) error {
	if strings.HasSuffix(w.label, "bytes") {
		_, err := w.a.Write([]byte("message"))
		return err
	}
	return pipe.Send(ctx, w.a, "message")
}

func (w *pipeWorld) state(ctx context.Context) (string, error) {
	switch w.label {
	case "absent":
		objects, err := w.seg.Objects()
		if slices.ContainsFunc(objects, func(o shm.Object) bool { return o.Name == newPipe }) {
			return "there", err
		}
		return "absent", err
	case "ours":
		err := pipe.Send(ctx, w.b, "message")
		if err == nil {
			_, err = pipe.Recv[string](ctx, w.a)
			return "ours", err
		}
		if !errors.Is(err, fs.ErrClosed) {
			return "", err
		}
		_, err = pipe.Recv[string](ctx, w.a)
		return "lost", ended(err)
	case "bytes", "waiting bytes":
		all, err := io.ReadAll(w.a)
		if len(all) > 0 {
			w.came = "written"
		}
		return w.outcome(), err
	}
	for {
		came, err := w.receive(ctx)
		if came == "" {
			return w.outcome(), err
		}
		w.came = came
	}
}

// outcome is the state in which nothing more comes.
func (w *pipeWorld) outcome() string {
	if w.came == "" {
		return w.label
	}
	return w.came
}

// receive says what comes: nothing once it is io.EOF.
func (w *pipeWorld) receive(ctx context.Context) (string, error) {
	s, err := pipe.Recv[string](ctx, w.a)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "cut", nil
	case err != nil:
		return "", ended(err)
	case s != "message" && s != strings.Repeat("m", longer):
		return "", fmt.Errorf("received %q", s)
	}
	return "sent", nil
}

// ended returns nil for io.EOF.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (w *pipeWorld) work(ctx context.Context) error {
	if w.label != "ours" && w.label != "absent" {
		if err := pipe.Send(ctx, w.a, "to nobody"); !errors.Is(err, io.ErrClosedPipe) {
			return fmt.Errorf("a message to the dead: %w", err)
		}
	}
	if err := errors.Join(w.a.Close(), w.b.Close(), w.seg.Remove(ctx, pipeName)); err != nil {
		return err
	}
	if err := w.seg.Remove(ctx, newPipe); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	a, b, err := pipe.Create(ctx, w.seg, newPipe, pipeSpec)
	if err != nil {
		return err
	}
	if err := pipe.Send(ctx, a, "message"); err != nil {
		return err
	}
	if _, err := pipe.Recv[string](ctx, b); err != nil {
		return err
	}
	return errors.Join(a.Close(), b.Close())
}
