//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shoal-ipc/shoal/pipe"
	"github.com/shoal-ipc/shoal/shm"
)

// lonePipe is a pipe of which the victim has both ends, so that somebody else can
// repair what it leaves. Its state is "lost" once nobody can use it any more, else
// "held".
type lonePipe struct {
	seg  *shm.Segment
	a, b *pipe.Conn
}

func lonePipeStage() *stage {
	type w = *lonePipe
	type c = context.Context
	both := prior(func(_ c, w w) error { return w.take() })
	lost := func(string, string) []turn { return []turn{{state: "lost"}} }
	return &stage{
		name: "pipe alone",
		open: func(_ c, p place) (world, error) { return &lonePipe{seg: p.seg}, nil },
		operations: []*operation{
			{
				name: "Send, to itself", covers: names("pipe.Send pipe.Recv"), begin: "held", before: both, dies: lost, light: true, variant: true,
				do: quietly(func(ctx c, w w) error {
					if err := pipe.Send(ctx, w.a, "message"); err != nil {
						return err
					}
					_, err := pipe.Recv[string](ctx, w.b)
					return err
				}),
			},
			{
				name: "UnmarshalText, both", covers: names("pipe.Conn.UnmarshalText"), begin: "held", dies: func(string, string) []turn {
					return []turn{{state: "held"}, {state: "half"}, {state: "lost"}}
				}, light: true, variant: true,
				do: quietly(func(_ c, w w) error { return w.take() }),
			},
			{
				name: "Send, given up, to itself", covers: names("pipe.Send"), begin: "held", before: both, dies: lost, light: true, variant: true,
				do: quietly(func(ctx c, w w) error {
					ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
					defer cancel()
					if err := pipe.Send(ctx, w.a, strings.Repeat("m", longer)); !errors.Is(err, context.DeadlineExceeded) {
						return fmt.Errorf("Send without room: %w", err)
					}
					return nil
				}),
			},
		},
	}
}

// take takes both ends over.
func (w *lonePipe) take() error {
	text, err := w.seg.MarshalText()
	if err != nil {
		return err
	}
	w.a, w.b = new(pipe.Conn), new(pipe.Conn)
	name := string(text) + "#" + pipeName
	return errors.Join(w.a.UnmarshalText([]byte(name+":a")), w.b.UnmarshalText([]byte(name+":b")))
}

func (w *lonePipe) begin(ctx context.Context, _ string) error {
	if i, err := w.find(); i != nil || err != nil {
		if err := errors.Join(err, w.seg.Remove(ctx, pipeName)); err != nil {
			return err
		}
	}
	var err error
	w.a, w.b, err = pipe.Create(ctx, w.seg, pipeName, pipeSpec)
	return err
}

func (w *lonePipe) find() (*shm.Object, error) {
	objects, err := w.seg.Objects()
	i := slices.IndexFunc(objects, func(o shm.Object) bool { return o.Name == pipeName })
	if i < 0 {
		return nil, err
	}
	return &objects[i], err
}

func (w *lonePipe) state(context.Context) (string, error) {
	o, err := w.find()
	if o == nil {
		return "absent", err
	}
	return []string{"held", "half", "lost"}[strings.Count(o.State, "lost")], err
}

func (w *lonePipe) work(ctx context.Context) error {
	if err := w.begin(ctx, "held"); err != nil {
		return err
	}
	if err := pipe.Send(ctx, w.a, "message"); err != nil {
		return err
	}
	_, err := pipe.Recv[string](ctx, w.b)
	return err
}
