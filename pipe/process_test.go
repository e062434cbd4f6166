package pipe_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/pipe"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

// args is what a child gets.
type args struct {
	Conns []*pipe.Conn
	File  *os.File
}

var (
	// answers sends back what it receives: a number, bytes or a list.
	answers = process.Func("pipe-answers", func(ctx context.Context, a args) error {
		c := a.Conns[0]
		n, err := pipe.Recv[int](ctx, c)
		if err == nil {
			err = pipe.Send(ctx, c, n)
		}
		if err != nil {
			return err
		}
		list, err := pipe.Recv[[]any](ctx, c)
		if err == nil {
			err = pipe.Send(ctx, c, list)
		}
		for err == nil {
			var b []byte
			if b, err = pipe.Recv[[]byte](ctx, c); err == nil {
				err = pipe.Send(ctx, c, b)
			}
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return err
	})
	// keeps has its ends until it is stopped.
	keeps = process.Func("pipe-keeps", func(ctx context.Context, _ args) error {
		fmt.Println("kept")
		<-ctx.Done()
		return nil
	})
	// returns ends at once, and closes nothing.
	returns = process.Func("pipe-returns", func(context.Context, args) error { return nil })
	// refuses cannot decode its argument: the file in it was closed.
	refuses = process.Func("pipe-refuses", func(context.Context, struct {
		Bad  broken
		Conn *pipe.Conn
	},
	) error {
		return nil
	})
	// writes writes numbers in bytes until somebody stops it.
	writes = process.Func("pipe-writes", func(_ context.Context, a args) error {
		buf := make([]byte, 700)
		for n := byte(0); ; n++ {
			for i := range buf {
				buf[i] = n
			}
			if _, err := a.Conns[0].Write(buf); err != nil {
				return err
			}
		}
	})
	// passes gives an end on, as a message over another pipe.
	passes = process.Func("pipe-passes", func(ctx context.Context, a args) error {
		if err := pipe.Send(ctx, a.Conns[0], a.Conns[1]); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
)

// broken is what no process can decode.
type broken struct{ S string }

// MarshalText is a text.
func (broken) MarshalText() ([]byte, error) { return []byte("broken"), nil }

// UnmarshalText fails.
func (*broken) UnmarshalText([]byte) error { return errors.New("it is broken") }

// start starts f and returns once it has printed a line.
func start(t *testing.T, f *process.Function[args], a args) *process.Child {
	t.Helper()
	out, in, err := os.Pipe()
	want(t, "Pipe", err, nil)
	defer func() { _ = out.Close() }()
	cmd := f.Command(a)
	cmd.Stdout = in
	child, err := cmd.Start(t.Context())
	want(t, "Start", err, nil)
	want(t, "Close", in.Close(), nil)
	_, err = out.Read(make([]byte, 1))
	want(t, "a line of the child", err, nil)
	return child
}

// TestEcho is what multiprocessing's own tests ask of a connection.
func TestEcho(t *testing.T) {
	t.Run("PIP-01", func(t *testing.T) {
		files(t, func(t *testing.T, seg *shm.Segment) { echo(t, seg, func(*pipe.Conn) {}) })
	})
	t.Run("PIP-06", func(t *testing.T) {
		files(t, func(t *testing.T, seg *shm.Segment) {
			echo(t, seg, func(b *pipe.Conn) { want(t, "Close", b.Close(), nil) })
		})
	})
}

// echo starts a child that answers; after calls what it has with the copy that
// stays behind.
func echo(t *testing.T, seg *shm.Segment, after func(b *pipe.Conn)) {
	t.Helper()
	ctx := t.Context()
	a, b := create(t, seg, pipe.Spec{})
	child, err := answers.Start(ctx, args{Conns: []*pipe.Conn{b}})
	want(t, "Start", err, nil)
	after(b)
	_, err = b.Write([]byte("x"))
	want(t, "Write to the copy", err, fs.ErrClosed)
	want(t, "SetDeadline of the copy", b.SetDeadline(time.Time{}), fs.ErrClosed)

	want(t, "Send", pipe.Send(ctx, a, 42), nil)
	n, err := pipe.Recv[int](ctx, a)
	want(t, "Recv", err, nil)
	list := []any{"seven", uint64(1), nil}
	want(t, "Send", pipe.Send(ctx, a, list), nil)
	back, err := pipe.Recv[[]any](ctx, a)
	want(t, "Recv", err, nil)
	if n != 42 || fmt.Sprint(back) != fmt.Sprint(list) {
		t.Errorf("got %v and %v back", n, back)
	}
	for _, size := range []int{0, 5, 1 << 16, 16 << 20} {
		sent := bytes.Repeat([]byte("abcdefg"), size/7+1)[:size]
		want(t, "Send", pipe.Send(ctx, a, sent), nil)
		got, err := pipe.Recv[[]byte](ctx, a)
		want(t, "Recv", err, nil)
		if !bytes.Equal(got, sent) {
			t.Errorf("%d bytes came back as %d others", size, len(got))
		}
	}
	want(t, "CloseWrite", a.CloseWrite(), nil)
	want(t, "Wait", child.Wait(ctx), nil)
	_, err = pipe.Recv[int](ctx, a)
	want(t, "Recv", err, io.EOF)
}

// TestChildIsKilled kills a child that has an end, while this process waits in
// every way.
func TestChildIsKilled(t *testing.T) {
	files(t, func(t *testing.T, seg *shm.Segment) {
		ctx := t.Context()
		a, b := create(t, seg, pipe.Spec{})
		child := start(t, keeps, args{Conns: []*pipe.Conn{b}})
		reads := async(func() error { _, err := a.Read(make([]byte, 9)); return err })
		polls := async(func() error { return a.Poll(ctx) })
		writes := async(func() error { _, err := io.Copy(a, endless{}); return err })
		until(t, "two wait", func() bool { return waiting(t, seg, 2) })
		shmtest.Kill(t, child)
		want(t, "Read", await(t, "Read", reads), io.EOF)
		want(t, "Poll", await(t, "Poll", polls), nil)
		want(t, "Write", await(t, "Write", writes), io.ErrClosedPipe)
		_, err := pipe.Recv[string](ctx, a)
		want(t, "Recv", err, io.EOF)
		want(t, "Send", pipe.Send(ctx, a, 1), io.ErrClosedPipe)
	})
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// TestChildEnds closes nothing by hand.
func TestChildEnds(t *testing.T) {
	files(t, func(t *testing.T, seg *shm.Segment) {
		a, b := create(t, seg, pipe.Spec{})
		want(t, "Run", returns.Run(t.Context(), args{Conns: []*pipe.Conn{b}}), nil)
		_, err := pipe.Recv[int](t.Context(), a)
		want(t, "Recv", err, io.EOF)
	})
}

// TestChildNeverTakes has a child end before it has taken the end over.
func TestChildNeverTakes(t *testing.T) {
	files(t, func(t *testing.T, seg *shm.Segment) {
		a, b := create(t, seg, pipe.Spec{})
		err := refuses.Run(t.Context(), struct {
			Bad  broken
			Conn *pipe.Conn
		}{Conn: b})
		if exit, ok := errors.AsType[*process.ExitError](err); !ok || !strings.Contains(err.Error(), "it is broken") {
			t.Fatalf("Run: %v %v", err, exit)
		}
		_, err = pipe.Recv[int](t.Context(), a)
		want(t, "Recv", err, io.EOF)
		want(t, "Send", pipe.Send(t.Context(), b, 1), fs.ErrClosed)
		_, err = b.MarshalText()
		want(t, "MarshalText", err, fs.ErrClosed)
	})
}

// TestStartFails leaves the end where it was.
func TestStartFails(t *testing.T) {
	a, b := create(t, anonymous(t), pipe.Spec{})
	cmd := returns.Command(args{Conns: []*pipe.Conn{b}})
	cmd.Dir = t.TempDir() + "/nowhere"
	_, err := cmd.Start(t.Context())
	want(t, "Start", err, fs.ErrNotExist)
	want(t, "Send", pipe.Send(t.Context(), b, 1), nil)
	_, err = pipe.Recv[int](t.Context(), a)
	want(t, "Recv", err, nil)
}

// TestPassOn sends an end over another pipe, and takes it back from a process
// that does not know of it.
func TestPassOn(t *testing.T) {
	t.Run("PIP-12", func(t *testing.T) {
		files(t, func(t *testing.T, seg *shm.Segment) {
			ctx := t.Context()
			a, b := create(t, seg, pipe.Spec{})
			far, near, err := pipe.Create(ctx, seg, "second", pipe.Spec{})
			want(t, "Create", err, nil)
			child, err := passes.Start(ctx, args{Conns: []*pipe.Conn{b, far}})
			want(t, "Start", err, nil)
			got, err := pipe.Recv[*pipe.Conn](ctx, a)
			want(t, "Recv", err, nil)
			want(t, "Send", pipe.Send(ctx, got, "all is well"), nil)
			text, err := pipe.Recv[string](ctx, near)
			if want(t, "Recv", err, nil); text != "all is well" {
				t.Errorf("received %q", text)
			}
			shmtest.Kill(t, child)
			want(t, "Send", pipe.Send(ctx, near, "back"), nil)
			_, err = pipe.Recv[string](ctx, got)
			want(t, "Recv after the death of who had it before", err, nil)
		})
	})
}

// TestKilledWriter kills a child at random moments while it writes: what arrives
// is a beginning of what it wrote.
func TestKilledWriter(t *testing.T) {
	seg := anonymous(t)
	for i := range 12 {
		a, b, err := pipe.Create(t.Context(), seg, fmt.Sprint("p", i), pipe.Spec{Buffer: 4096})
		want(t, "Create", err, nil)
		child, err := writes.Start(t.Context(), args{Conns: []*pipe.Conn{b}})
		want(t, "Start", err, nil)
		got, buf := 0, make([]byte, 999)
		for err == nil {
			var n int
			n, err = a.Read(buf)
			for _, x := range buf[:n] {
				if w := byte(got / 700); x != w {
					t.Fatalf("byte %d is %d, want %d", got, x, w)
				}
				got++
			}
			if got > i*5000 && child != nil {
				want(t, "Kill", child.Kill(), nil)
				child = nil
			}
		}
		want(t, "Read", err, io.EOF)
	}
}
