package duplex_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/duplex"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/stage"
)

// TestState is what people are shown.
func TestState(t *testing.T) {
	w := newWorld(least)
	state := func(want string) {
		t.Helper()
		if got := w.Core.State(); got != want {
			t.Errorf("state %q, want %q", got, want)
		}
	}
	state("a nobody's; b nobody's")
	a, b := w.pair()
	state("a held by 1; b held by 2")
	_, err := a.write(pattern(1, 30))
	stage.Want(t, "write", err, nil)
	state("a held by 1, 30 bytes under way; b held by 2")
	b.Give(b.Ticket())
	state("a held by 1, 30 bytes under way; b given away by 2")
	a.Close()
	w.Die(2)
	state("a closed, 30 bytes under way; b lost")
	w.Check(t)
	if s := duplex.Kind().Describe(w.Shape); s != "buffer=1 maxsize=4096" {
		t.Errorf("described as %q", s)
	}
}

// TestRandom sends messages of random sizes through rings of random sizes, in both
// directions at once, from several goroutines of each side.
func TestRandom(t *testing.T) {
	rounds := 300
	if race.Enabled || satomic.Checked || testing.Short() {
		rounds = 60
	}
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(duplex.Spec{Buffer: 1 + r.Int64N(1500), MaxSize: 5000})
		a, b := w.pair()
		var wg sync.WaitGroup
		for i, p := range []party{a, b} {
			for j := range 2 {
				r := rand.New(rand.NewPCG(seed, uint64(10+2*i+j)))
				wg.Go(func() {
					for range rounds {
						if err := p.send(t.Context(), pattern(byte(r.Uint32()), r.IntN(1+r.IntN(5000)))); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		for _, p := range []party{a, b} {
			for range 2 {
				wg.Go(func() {
					for range rounds {
						got, err := p.receive(t.Context())
						if err != nil {
							t.Error(err)
						} else if len(got) > 0 && !bytes.Equal(got, pattern(got[0], len(got))) {
							t.Errorf("a message of %d bytes is torn", len(got))
						}
					}
				})
			}
		}
		wg.Wait()
		w.Check(t)
	}
}

// TestStreams writes and reads in pieces of all sizes, and compares.
func TestStreams(t *testing.T) {
	for _, buffer := range []int64{1, 127, 128, 129, 1000, 4096} {
		w := newWorld(duplex.Spec{Buffer: buffer, MaxSize: 1})
		a, b := w.pair()
		all := pattern(3, 50_000)
		done := stage.Async(func() error {
			r := rand.New(rand.NewPCG(1, 2))
			for rest := all; len(rest) > 0; {
				n := min(len(rest), r.IntN(900))
				if k, err := a.write(rest[:n]); err != nil || k != n {
					return fmt.Errorf("wrote %d of %d: %w", k, n, err)
				}
				rest = rest[n:]
			}
			a.Close()
			return nil
		})
		got, err := b.drain()
		if !errors.Is(err, io.EOF) || !bytes.Equal(got, all) {
			t.Errorf("buffer %d: read %d bytes, %v", buffer, len(got), err)
		}
		stage.Want(t, "write", stage.Await(t, "write", done), nil)
	}
}

// TestTakeOver moves an end to and fro while the other side talks to it, half way
// through messages too: each message arrives whole, or is cut off by the move.
func TestTakeOver(t *testing.T) {
	w := newWorld(least)
	a, b := w.pair()
	c := w.join(3, 1)
	sizes := []int{10, 500, 90, 2000}
	sent := stage.Async(func() error {
		for i := range 200 {
			if err := a.send(t.Context(), pattern(byte(i), sizes[i%len(sizes)])); err != nil {
				return err
			}
		}
		a.Close()
		return nil
	})
	whole, cut, end := 0, 0, error(nil)
	parties := []party{b, c}
	for i := 0; end == nil; i++ {
		p := parties[i%2]
		stage.Want(t, "Take", p.Take(t.Context()), nil)
		other := stage.Async(func() error { _, err := parties[(i+1)%2].receive(t.Context()); return err })
		got, err := p.receive(t.Context())
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			cut++
		case errors.Is(err, io.EOF):
			end = err
		case err != nil:
			t.Fatal(err)
		case !bytes.Equal(got, pattern(got[0], len(got))):
			t.Fatalf("a message of %d bytes is torn", len(got))
		default:
			whole++
		}
		if err := stage.Await(t, "receive", other); !errors.Is(err, fs.ErrClosed) {
			t.Fatalf("received without the end: %v", err)
		}
	}
	stage.Want(t, "Send", stage.Await(t, "Send", sent), nil)
	if whole+cut != 200 || cut != 0 {
		t.Errorf("%d messages arrived, %d were cut", whole, cut)
	}
	w.Check(t)
}

// TestMovedInTheMiddle has a receiver lose the end with half a message in its hands.
func TestMovedInTheMiddle(t *testing.T) {
	w := newWorld(least)
	a, b := w.pair()
	c := w.join(3, 1)
	sent := stage.Async(func() error {
		return errors.Join(a.send(t.Context(), pattern(1, 2000)), a.send(t.Context(), pattern(2, 9)))
	})
	stage.Until(t, "it sleeps", a.Asleep)
	duplex.Gather(b.End)
	stage.Want(t, "Take", c.Take(t.Context()), nil)
	if _, err := c.receive(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("received the end of a message: %v", err)
	}
	got, err := c.receive(t.Context())
	if stage.Want(t, "receive", err, nil); !bytes.Equal(got, pattern(2, 9)) {
		t.Errorf("received %q", got)
	}
	stage.Want(t, "Send", stage.Await(t, "Send", sent), nil)
	// And back: what b has of it is of no use any more.
	stage.Want(t, "Take", b.Take(t.Context()), nil)
	stage.Want(t, "Send", a.send(t.Context(), pattern(3, 9)), nil)
	got, err = b.receive(t.Context())
	if stage.Want(t, "receive", err, nil); !bytes.Equal(got, pattern(3, 9)) {
		t.Errorf("received %q", got)
	}
}

// TestMovedWithAMessage has an end go elsewhere and come back while a message that
// came in parts, and was not taken, waits: it is not there any more.
func TestMovedWithAMessage(t *testing.T) {
	w := newWorld(least)
	a, b := w.pair()
	c := w.join(3, 1)
	sent := stage.Async(func() error { return a.send(t.Context(), pattern(1, 150)) })
	stage.Until(t, "all of it is there", func() bool { duplex.Gather(b.End); return duplex.Gathered(b.End) })
	stage.Want(t, "Send", stage.Await(t, "Send", sent), nil)
	stage.Want(t, "Poll", b.Poll(t.Context(), b.reads), nil)
	stage.Want(t, "Take", c.Take(t.Context()), nil)
	stage.Want(t, "Take", b.Take(t.Context()), nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	stage.Want(t, "Poll", b.Poll(ctx, b.reads), context.DeadlineExceeded)
}

// TestGive follows an end on its way.
func TestGive(t *testing.T) {
	t.Run("taken before it was given", func(t *testing.T) {
		w := newWorld(least)
		a, b := w.pair()
		c := w.join(3, 1)
		ticket := b.Ticket()
		stage.Want(t, "Take", c.Take(t.Context()), nil)
		b.Abandon(b.Give(ticket))
		stage.Want(t, "send", c.send(t.Context(), []byte("x")), nil)
		_, err := a.receive(t.Context())
		stage.Want(t, "receive", err, nil)
	})
	t.Run("given twice", func(t *testing.T) {
		w := newWorld(least)
		_, b := w.pair()
		c := w.join(3, 1)
		ticket := b.Ticket()
		first := b.Give(ticket)
		second := b.Give(ticket)
		b.Abandon(first) // that child is gone, the other is still to come
		stage.Want(t, "Take", c.Take(t.Context()), nil)
		b.Abandon(second)
		stage.Want(t, "send", c.send(t.Context(), []byte("x")), nil)
	})
	t.Run("abandoned", func(t *testing.T) {
		w := newWorld(least)
		a, b := w.pair()
		c := w.join(3, 1)
		stage.Want(t, "send", b.send(t.Context(), []byte("x")), nil)
		b.Abandon(b.Give(b.Ticket()))
		stage.Want(t, "Take", c.Take(t.Context()), fs.ErrClosed)
		_, err := a.receive(t.Context())
		stage.Want(t, "receive", err, nil)
		wantEOF(t, a)
	})
	t.Run("its giver dies", func(t *testing.T) {
		w := newWorld(least)
		a, b := w.pair()
		b.Give(b.Ticket())
		w.Die(2)
		wantEOF(t, a)
		w.Check(t)
	})
	t.Run("its giver dies later", func(t *testing.T) {
		w := newWorld(least)
		a, b := w.pair()
		c := w.join(3, 1)
		b.Give(b.Ticket())
		stage.Want(t, "Take", c.Take(t.Context()), nil)
		w.Die(2)
		stage.Want(t, "send", c.send(t.Context(), []byte("x")), nil)
		_, err := a.receive(t.Context())
		stage.Want(t, "receive", err, nil)
	})
}

// TestLeave loses the ends of who closes the segment.
func TestLeave(t *testing.T) {
	w := newWorld(least)
	a, b := w.pair()
	waits := stage.Async(func() error { _, err := b.receive(t.Context()); return err })
	stage.Until(t, "it sleeps", b.Asleep)
	w.Leave(a.Party)
	if err := stage.Await(t, "receive", waits); !errors.Is(err, io.EOF) {
		t.Errorf("received: %v", err)
	}
	stage.Want(t, "send", b.send(t.Context(), []byte("x")), io.ErrClosedPipe)
	stage.Want(t, "send", a.send(t.Context(), []byte("x")), fs.ErrClosed)
	w.Check(t)
}

// TestCorrupt is what users are told of bytes that nobody writes.
func TestCorrupt(t *testing.T) {
	for where, want := range map[int64]string{1: "pipe.owner", 261: "pipe.writePos", 1541: "pipe.message"} {
		w := newWorld(least)
		_, b := w.pair()
		raw, err := w.Region.Bytes(0, w.Region.Len())
		stage.Want(t, "Bytes", err, nil)
		raw[256] = 32
		raw[where] = 0x7f
		_, got := b.receive(t.Context())
		if where == 1 {
			got = errors.Join(w.Core.Check(func(uint32) bool { return true })...)
		}
		c, ok := errors.AsType[*mem.Corruption](got)
		if !ok || !strings.HasPrefix(c.Field, want) {
			t.Errorf("at %d: %v, want %s", where, got, want)
		}
	}
	_, err := duplex.Attach(mem.Heap(100), object.Shape{Spec: least.Pack(), Slots: 3})
	if err == nil {
		t.Error("attached to too little memory")
	}
	for _, s := range []duplex.Spec{{}, {Buffer: 1}, {Buffer: -1, MaxSize: 1}, {Buffer: 1, MaxSize: 1 << 40}, {Buffer: 1 << 31, MaxSize: 1}} {
		_, err := duplex.Kind().Size(object.Shape{Spec: s.Pack(), Slots: 3})
		stage.Want(t, fmt.Sprint("Size of ", s), err, fs.ErrInvalid)
	}
}

// TestReadOnly has no end.
func TestReadOnly(t *testing.T) {
	w := newWorld(least)
	p := w.Join(0)
	_, err := duplex.New(p.Use, p.Obj, 0)
	stage.Want(t, "New", err, fs.ErrPermission)
}
