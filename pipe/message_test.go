package pipe_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/stage"
	"github.com/shoal-ipc/shoal/pipe"
	"github.com/shoal-ipc/shoal/shm"
)

type point struct {
	X, Y int32
	On   bool
}

type person struct {
	Name string
	Tags map[string]int
}

// stamp encodes itself.
type stamp struct{ s string }

// MarshalBinary is its text.
func (s stamp) MarshalBinary() ([]byte, error) {
	if s.s == "bad" {
		return nil, errors.New("a bad stamp")
	}
	return []byte(s.s), nil
}

// UnmarshalBinary fails for some.
func (s *stamp) UnmarshalBinary(b []byte) error {
	if string(b) == "worse" {
		return errors.New("a worse stamp")
	}
	s.s = string(b)
	return nil
}

// there sends x from a and receives it at b.
func there[T any](t *testing.T, a, b *pipe.Conn, x T) {
	t.Helper()
	sent := async(func() error { return pipe.Send(t.Context(), a, x) }) // some are longer than the buffer
	got, err := pipe.Recv[T](t.Context(), b)
	want(t, "Recv", err, nil)
	want(t, "Send", await(t, "Send", sent), nil)
	if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", x) {
		t.Errorf("%#v became %#v", x, got)
	}
}

func TestMessages(t *testing.T) {
	segments(t, func(t *testing.T, seg *shm.Segment) {
		a, b := create(t, seg, pipe.Spec{Buffer: 4096})
		for _, ends := range [][2]*pipe.Conn{{a, b}, {b, a}} {
			from, to := ends[0], ends[1]
			there(t, from, to, 42)
			there(t, from, to, point{-1, 7, true})
			there(t, from, to, struct{}{})
			there(t, from, to, "text")
			there(t, from, to, "")
			there(t, from, to, []byte("bytes"))
			there(t, from, to, []byte{})
			there(t, from, to, person{"Ann", map[string]int{"a": 1}})
			there(t, from, to, stamp{"sealed"})
			there(t, from, to, any("any"))
			there(t, from, to, [1000]int64{7: 1})
			there(t, from, to, strings.Repeat("x", 4088))
		}
		want(t, "Send", pipe.Send(t.Context(), a, "as bytes"), nil)
		got, err := pipe.Recv[[]byte](t.Context(), b)
		if want(t, "Recv", err, nil); string(got) != "as bytes" {
			t.Errorf("received %q", got)
		}
		want(t, "Check", seg.Check(), nil)
	})
}

// TestOtherType leaves a message of another type where it is.
func TestOtherType(t *testing.T) {
	a, b := create(t, heap(t), pipe.Spec{Buffer: 1000})
	ctx := t.Context()
	refused := func(err error, have, want string) {
		t.Helper()
		e, ok := errors.AsType[*shm.IncompatibleError](err)
		if !ok || !errors.Is(err, shm.ErrIncompatible) || e.Object != "p" || e.Have != have || e.Want != want {
			t.Fatalf("%v (%+v), want have %q, want %q", err, e, have, want)
		}
	}
	for _, long := range []int{3, 3000} { // one that fits, and one in parts
		want(t, "Send", pipe.Send(ctx, a, point{1, 2, true}), nil)
		sent := async(func() error { return pipe.Send(ctx, a, strings.Repeat("s", long)) })
		_, err := pipe.Recv[string](ctx, b)
		refused(err, "a fixed layout of 12 bytes", "bytes")
		_, err = pipe.Recv[int64](ctx, b)
		refused(err, "a fixed layout of 12 bytes", "a fixed layout of 8 bytes")
		x, err := pipe.Recv[point](ctx, b)
		if want(t, "Recv", err, nil); x != (point{1, 2, true}) {
			t.Errorf("received %v", x)
		}
		for range 2 {
			_, err = pipe.Recv[any](ctx, b)
			refused(err, "bytes", "cbor")
			want(t, "Poll", b.Poll(ctx), nil)
		}
		s, err := pipe.Recv[string](ctx, b)
		if want(t, "Recv", err, nil); len(s) != long {
			t.Errorf("received %d bytes", len(s))
		}
		want(t, "Send", await(t, "Send", sent), nil)
	}
}

// TestBadMessages are refused before anything is sent, or consumed.
func TestBadMessages(t *testing.T) {
	a, b := create(t, heap(t), pipe.Spec{})
	ctx := t.Context()
	err := pipe.Send(ctx, a, make(chan int))
	want(t, "Send of a chan", err, shm.ErrType)
	_, err = pipe.Recv[func()](ctx, b)
	want(t, "Recv of a func", err, shm.ErrType)
	if err := pipe.Send(ctx, a, stamp{"bad"}); err == nil || !strings.Contains(err.Error(), "a bad stamp") {
		t.Errorf("Send of what cannot be encoded: %v", err)
	}
	want(t, "Send", pipe.Send(ctx, a, stamp{"worse"}), nil)
	if _, err := pipe.Recv[stamp](ctx, b); err == nil || !strings.Contains(err.Error(), "a worse stamp") {
		t.Errorf("Recv of what cannot be decoded: %v", err)
	}
	there(t, a, b, "it goes on")
}

// TestLimits has the rows of conformance that need no child.
func TestLimits(t *testing.T) {
	t.Run("PIP-02", func(t *testing.T) {
		a, b := create(t, heap(t), pipe.Spec{})
		_, err := a.Write([]byte("abcde"))
		want(t, "Write", err, nil)
		buf := []byte("..........")
		n, err := b.Read(buf[2:])
		if want(t, "Read", err, nil); n != 5 || string(buf) != "..abcde..." {
			t.Errorf("read %d: %q", n, buf)
		}
	})
	t.Run("PIP-05", func(t *testing.T) {
		a, b := create(t, heap(t), pipe.Spec{})
		want(t, "CloseWrite", a.CloseWrite(), nil)
		want(t, "CloseWrite", a.CloseWrite(), nil)
		want(t, "Send", pipe.Send(t.Context(), a, 1), io.ErrClosedPipe)
		_, err := pipe.Recv[int](t.Context(), b)
		want(t, "Recv", err, io.EOF)
		there(t, b, a, "the other direction goes on")
		_, err = b.Read(make([]byte, 1))
		want(t, "Read", err, io.EOF)
	})
	t.Run("PIP-07", func(t *testing.T) {
		a, b := create(t, heap(t), pipe.Spec{})
		want(t, "Send", pipe.Send(t.Context(), a, []byte{}), nil)
		for range 2 {
			want(t, "Poll", b.Poll(t.Context()), nil)
		}
		got, err := pipe.Recv[[]byte](t.Context(), b)
		if want(t, "Recv", err, nil); got == nil || len(got) != 0 {
			t.Errorf("received %#v", got)
		}
	})
	t.Run("PIP-09", func(t *testing.T) {
		a, b := create(t, heap(t), pipe.Spec{MaxSize: 10})
		want(t, "Send", pipe.Send(t.Context(), a, "12345678901"), pipe.ErrTooLarge)
		there(t, a, b, "1234567890")
		for _, spec := range []pipe.Spec{{Buffer: -1}, {MaxSize: -1}, {Buffer: 1 << 40}} {
			_, _, err := pipe.Create(t.Context(), heap(t), "p", spec)
			want(t, "Create", err, fs.ErrInvalid)
		}
	})
}

func TestPoll(t *testing.T) {
	t.Run("PIP-03", func(t *testing.T) {
		a, b := create(t, heap(t), pipe.Spec{})
		done, cancel := context.WithCancel(t.Context())
		cancel()
		for range 2 {
			want(t, "Poll", b.Poll(done), context.Canceled)
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		want(t, "Poll", b.Poll(ctx), context.DeadlineExceeded)
		if d := time.Since(began); d < 20*time.Millisecond {
			t.Errorf("it waited for %v", d)
		}
		polled := async(func() error { return b.Poll(t.Context()) })
		want(t, "Send", pipe.Send(t.Context(), a, "still there"), nil)
		want(t, "Poll", await(t, "Poll", polled), nil)
		want(t, "Poll", b.Poll(t.Context()), nil)
		got, err := pipe.Recv[string](t.Context(), b)
		if want(t, "Recv", err, nil); got != "still there" {
			t.Errorf("received %q", got)
		}
	})
	t.Run("PIP-14", func(t *testing.T) {
		_, b := create(t, heap(t), pipe.Spec{})
		want(t, "SetReadDeadline", b.SetReadDeadline(time.Now().Add(20*time.Millisecond)), nil)
		want(t, "Poll", b.Poll(t.Context()), os.ErrDeadlineExceeded)
		want(t, "SetReadDeadline", b.SetReadDeadline(time.Now().Add(-time.Second)), nil)
		want(t, "Poll", b.Poll(t.Context()), os.ErrDeadlineExceeded)
	})
}

// TestClosed is PIP-04 and PIP-08.
func TestClosed(t *testing.T) {
	segments(t, func(t *testing.T, seg *shm.Segment) {
		ctx := t.Context()
		a, b := create(t, seg, pipe.Spec{})
		t.Run("PIP-04", func(t *testing.T) {
			want(t, "Send", pipe.Send(ctx, a, "last words"), nil)
			want(t, "Close", a.Close(), nil)
			s, err := pipe.Recv[string](ctx, b)
			if want(t, "Recv", err, nil); s != "last words" {
				t.Errorf("received %q", s)
			}
			for range 2 {
				_, err = pipe.Recv[string](ctx, b)
				want(t, "Recv", err, io.EOF)
				_, err = b.Read(make([]byte, 1))
				if err != io.EOF { //nolint:errorlint // it has to be io.EOF itself
					t.Errorf("Read: %v, want io.EOF itself", err)
				}
				want(t, "Poll", b.Poll(ctx), nil)
				want(t, "Send", pipe.Send(ctx, b, 1), io.ErrClosedPipe)
			}
		})
		t.Run("PIP-08", func(t *testing.T) {
			want(t, "Close", a.Close(), nil)
			closed(t, a)
		})
		want(t, "Close", b.Close(), nil)
		closed(t, b)
		closed(t, new(pipe.Conn))
		want(t, "Close", new(pipe.Conn).Close(), nil)
		want(t, "Check", seg.Check(), nil)
	})
}

// closed calls everything that fails on a closed end.
func closed(t *testing.T, c *pipe.Conn) {
	t.Helper()
	ctx := t.Context()
	_, err1 := c.Read(make([]byte, 1))
	_, err2 := c.Read(nil)
	_, err3 := c.Write([]byte("x"))
	_, err4 := c.Write(nil)
	_, err5 := pipe.Recv[int](ctx, c)
	_, err6 := c.MarshalText()
	now := time.Now()
	for i, err := range []error{
		err1, err2, err3, err4, err5, err6, pipe.Send(ctx, c, 1), c.Poll(ctx), c.CloseWrite(),
		c.SetDeadline(now), c.SetReadDeadline(now), c.SetWriteDeadline(time.Time{}),
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("call %d of a closed end: %v", i, err)
		}
	}
	if c.LocalAddr() == nil || c.RemoteAddr() == nil {
		t.Error("no addresses")
	}
}

// TestCloseEndsCalls has every call that waits ended in every way.
func TestCloseEndsCalls(t *testing.T) {
	ways := map[string]struct {
		end func(a, b *pipe.Conn, seg *shm.Segment)
		err error // nil: that of a closed end
	}{
		"Close":          {end: func(a, _ *pipe.Conn, _ *shm.Segment) { _ = a.Close() }, err: net.ErrClosed},
		"Segment.Close":  {end: func(_, _ *pipe.Conn, seg *shm.Segment) { _ = seg.Close() }, err: fs.ErrClosed},
		"the other's":    {end: func(_, b *pipe.Conn, _ *shm.Segment) { _ = b.Close() }},
		"a deadline":     {end: func(a, _ *pipe.Conn, _ *shm.Segment) { _ = a.SetDeadline(time.Now()) }, err: os.ErrDeadlineExceeded},
		"a new deadline": {end: func(a, _ *pipe.Conn, _ *shm.Segment) { _ = a.SetDeadline(time.Now().Add(time.Millisecond)) }, err: os.ErrDeadlineExceeded},
	}
	calls := map[string]struct {
		call func(ctx context.Context, a *pipe.Conn) error
		over error // when the other end is closed
	}{
		"Read":  {func(_ context.Context, a *pipe.Conn) error { _, err := a.Read(make([]byte, 5)); return err }, io.EOF},
		"Recv":  {func(ctx context.Context, a *pipe.Conn) error { _, err := pipe.Recv[int](ctx, a); return err }, io.EOF},
		"Poll":  {func(ctx context.Context, a *pipe.Conn) error { return a.Poll(ctx) }, nil},
		"Write": {func(_ context.Context, a *pipe.Conn) error { _, err := a.Write(make([]byte, 200)); return err }, io.ErrClosedPipe},
		"Send":  {func(ctx context.Context, a *pipe.Conn) error { return pipe.Send(ctx, a, make([]byte, 100)) }, io.ErrClosedPipe},
		"parts": {func(ctx context.Context, a *pipe.Conn) error { return pipe.Send(ctx, a, make([]byte, 900)) }, io.ErrClosedPipe},
	}
	for how, way := range ways {
		for name, c := range calls {
			t.Run(how+" ends "+name, func(t *testing.T) {
				seg := heap(t)
				a, b := create(t, seg, pipe.Spec{Buffer: 128})
				if name == "Send" {
					_, err := a.Write(make([]byte, 100))
					want(t, "Write", err, nil)
				}
				ctx := t.Context()
				first := async(func() error { return c.call(ctx, a) })
				second := async(func() error { return c.call(ctx, a) })
				until(t, "one sleeps", func() bool { return waiting(t, seg, 1) })
				way.end(a, b, seg)
				over := way.err
				if over == nil {
					over = c.over
				}
				want(t, name, await(t, name, first), over)
				want(t, name, await(t, name, second), over)
			})
		}
	}
}

// TestCancelledInParts gives up a message half way, in both directions: nothing
// was sent, and nothing taken.
func TestCancelledInParts(t *testing.T) {
	segments(t, func(t *testing.T, seg *shm.Segment) {
		a, b := create(t, seg, pipe.Spec{Buffer: 1000})
		ctx, cancel := context.WithCancel(t.Context())
		sent := async(func() error { return pipe.Send(ctx, a, make([]byte, 5000)) })
		until(t, "it sleeps", func() bool { return waiting(t, seg, 1) })
		cancel()
		want(t, "Send", await(t, "Send", sent), context.Canceled)
		sent = async(func() error { return pipe.Send(t.Context(), a, "whole") })
		s, err := pipe.Recv[string](t.Context(), b)
		if want(t, "Recv", err, nil); s != "whole" {
			t.Errorf("received %q", s)
		}
		want(t, "Send", await(t, "Send", sent), nil)

		// Who receives gives up while the sender is not done.
		body := bytes.Repeat([]byte("0123456789"), 500)
		short, cancel := context.WithCancel(t.Context())
		received := async(func() error { _, err := pipe.Recv[[]byte](short, b); return err })
		until(t, "it sleeps", func() bool { return waiting(t, seg, 1) })
		cancel()
		want(t, "Recv", await(t, "Recv", received), context.Canceled)
		sent = async(func() error { return pipe.Send(t.Context(), a, body) })
		want(t, "Poll", b.Poll(t.Context()), nil)
		for d := time.Millisecond; ; d += time.Millisecond { // a machine may be too slow for any one of them
			ctx, cancel := context.WithTimeout(t.Context(), d)
			got, err := pipe.Recv[[]byte](ctx, b)
			cancel()
			if err == nil {
				if !bytes.Equal(got, body) {
					t.Errorf("%d bytes became %d others", len(body), len(got))
				}
				break
			}
			want(t, "Recv", err, context.DeadlineExceeded)
		}
		want(t, "Send", await(t, "Send", sent), nil)
	})
}

// TestDoneContext is an error, whatever there is.
func TestDoneContext(t *testing.T) {
	a, b := create(t, heap(t), pipe.Spec{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want(t, "Send", pipe.Send(t.Context(), a, 1), nil)
	want(t, "Send", pipe.Send(ctx, a, 1), context.Canceled)
	_, err := pipe.Recv[int](ctx, b)
	want(t, "Recv", err, context.Canceled)
	want(t, "Poll", b.Poll(ctx), context.Canceled)
	_, _, err = pipe.Create(ctx, heap(t), "p", pipe.Spec{})
	want(t, "Create", err, context.Canceled)
}

func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	a, b := create(t, heap(t), pipe.Spec{Buffer: 4096})
	ctx := context.Background()
	buf := make([]byte, 64)
	blocked := make([]byte, 8000)
	go func() {
		for {
			if _, err := a.Read(blocked[:4000]); err != nil {
				return
			}
		}
	}()
	for name, f := range map[string]func(){
		"Send, Recv":      func() { _ = pipe.Send(ctx, a, point{}); _, _ = pipe.Recv[point](ctx, b) },
		"Send of bytes":   func() { _ = pipe.Send(ctx, a, buf); _ = b.Poll(ctx); _, _ = b.Read(blocked) },
		"Write, Read":     func() { _, _ = a.Write(buf); _, _ = b.Read(buf) },
		"Write in pieces": func() { _, _ = b.Write(blocked) },
	} {
		if n := stage.Allocs(50, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	_ = a.Close()
}
