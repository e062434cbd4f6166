package scribble_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/shoal-ipc/shoal/pipe"
	"github.com/shoal-ipc/shoal/shm"
)

// pipeSteps uses the one pipe of all workers: each takes the ends from the others,
// who notice that in the middle of what they do.
func pipeSteps(ctx context.Context, seg *shm.Segment) ([]step, error) {
	a, b, err := pipe.Create(ctx, seg, "pipe", pipe.Spec{Buffer: 600, MaxSize: 2000})
	if errors.Is(err, fs.ErrExist) {
		a, b = new(pipe.Conn), new(pipe.Conn)
		err = errors.Join(takePipe(seg, a, ":a"), takePipe(seg, b, ":b"))
	}
	if err != nil && (a == nil || b == nil) {
		return nil, err
	}
	long := strings.Repeat("long", 400)
	brief := func(c *pipe.Conn) { _ = c.SetDeadline(time.Now().Add(2 * time.Millisecond)) } // a closed end has no need of it
	return []step{
		{"pipe.Send", func(ctx context.Context) error { return pipe.Send(ctx, a, 7) }},
		{"pipe.Send of bytes", func(ctx context.Context) error { return pipe.Send(ctx, a, "text") }},
		{"pipe.Send in parts", func(ctx context.Context) error { return pipe.Send(ctx, a, long) }},
		{"pipe.Send encoded", func(ctx context.Context) error { return pipe.Send[any](ctx, a, []any{"x", 1}) }},
		{"pipe.Recv", func(ctx context.Context) error { return drop(pipe.Recv[int](ctx, b)) }},
		{"pipe.Recv of bytes", func(ctx context.Context) error { return drop(pipe.Recv[string](ctx, b)) }},
		{"pipe.Recv encoded", func(ctx context.Context) error { return drop(pipe.Recv[any](ctx, b)) }},
		{"pipe.Poll", func(ctx context.Context) error { return b.Poll(ctx) }},
		{"pipe.Write", func(context.Context) error { brief(b); return drop(b.Write(make([]byte, 300))) }},
		{"pipe.Read", func(context.Context) error { brief(a); return drop(a.Read(make([]byte, 300))) }},
		{"pipe.take", func(context.Context) error { return takePipe(seg, new(pipe.Conn), ":b") }},
		{"pipe.Create", func(ctx context.Context) error {
			if ctx.Err() != nil || time.Now().UnixNano()%16 != 0 {
				return nil // rarely
			}
			_ = seg.Remove(ctx, "pipe") // another one may have done so
			_, _, err := pipe.Create(ctx, seg, "pipe", pipe.Spec{Buffer: 600, MaxSize: 2000})
			return err
		}},
		{"pipe.CloseWrite", func(context.Context) error {
			if time.Now().UnixNano()%64 != 0 {
				return nil
			}
			return a.CloseWrite()
		}},
		{"pipe.Close", func(context.Context) error {
			if time.Now().UnixNano()%64 != 0 {
				return nil
			}
			return b.Close()
		}},
	}, nil
}

// takePipe makes c an end of the pipe, and the end this process's.
func takePipe(seg *shm.Segment, c *pipe.Conn, end string) error {
	text, err := seg.MarshalText()
	if err != nil {
		return err
	}
	return c.UnmarshalText([]byte(string(text) + "#pipe" + end))
}
