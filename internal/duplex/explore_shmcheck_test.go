//go:build shmcheck

package duplex_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/internal/duplex"
	"github.com/shoal-ipc/shoal/internal/explore"
)

// TestProofSchedules plays the two sides of a pipe against each other, and against
// who takes an end over, and lets them die.
func TestProofSchedules(t *testing.T) {
	l := func(switches, kills int) explore.Limits { return explore.Limits{Switches: switches, Kills: kills} }
	explore.Prove(t, []explore.Scene{
		{Name: "one message", Quick: l(1, 1), Full: l(1, 1), Play: messages(20)},
		{Name: "waiting for room", Quick: l(1, 0), Full: l(2, 0), Play: messages(90, 90)},
		{Name: "waiting for room, with deaths", Quick: l(0, 1), Full: l(0, 1), Play: messages(90, 90)},
		{Name: "in parts", Quick: l(1, 0), Full: l(2, 0), Play: messages(150)},
		{Name: "in parts, with deaths", Quick: l(0, 1), Full: l(1, 1), Play: messages(150)},
		{Name: "in parts, and another", Quick: l(1, 0), Full: l(1, 0), Play: messages(150, 8)},
		{Name: "bytes", Quick: l(1, 0), Full: l(1, 0), Play: stream(200)},
		{Name: "bytes, with deaths", Quick: l(0, 1), Full: l(0, 1), Play: stream(200)},
		{Name: "closed meanwhile", Quick: l(1, 0), Full: l(1, 0), Play: closing(150)},
		{Name: "cancelled half way", Quick: l(1, 0), Full: l(1, 0), Play: cancelled()},
		{Name: "taken over", Quick: l(1, 0), Full: l(1, 0), Play: moving()},
		{Name: "taken over, with deaths", Quick: l(0, 1), Full: l(0, 1), Play: moving()},
		{Name: "taken over in parts", Quick: l(1, 0), Full: l(1, 0), Play: movingInParts()},
		{Name: "given away", Quick: l(1, 0), Full: l(2, 0), Play: giving()},
		{Name: "given away, with deaths", Quick: l(0, 1), Full: l(0, 1), Play: giving()},
		{Name: "two of a process", Quick: l(1, 0), Full: l(1, 0), Play: sharing()},
		{Name: "both directions", Quick: l(1, 0), Full: l(1, 1), Play: answering()},
		{Name: "polling", Quick: l(1, 0), Full: l(1, 1), Play: polling()},
	})
}

// drama is a pipe whose end a has slot 1 and whose end b has slot 2.
type drama struct {
	world
	a, b  party
	fault error
	dead  []uint32
}

func newDrama() *drama {
	w := newWorld(least)
	a, b := w.pair()
	return &drama{world: w, a: a, b: b}
}

func (d *drama) wrong(format string, args ...any) {
	if d.fault == nil {
		d.fault = fmt.Errorf(format, args...)
	}
}

// play returns a play of bodies.
func (d *drama) play(finish func() error, bodies ...explore.Body) explore.Play {
	return explore.Play{
		Bodies: bodies,
		Repair: func(dead []uint32) {
			d.Bury(dead)
			d.dead = dead
		},
		Finish: func([]uint32) error { return errors.Join(d.fault, finish(), d.Faults()) },
		Close: func() {
			d.a.Use.End()
			d.b.Use.End()
		},
	}
}

func (d *drama) died(slot uint32) bool { return slices.Contains(d.dead, slot) }

// messages has a send messages of those sizes, and b receive until nothing comes.
func messages(sizes ...int) func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		sent, got := 0, 0
		var end error
		return d.play(
			func() error {
				switch {
				case d.died(2):
					return nil
				case got < sent:
					return fmt.Errorf("%d messages were sent, %d received", sent, got)
				case !errors.Is(end, io.EOF) && !errors.Is(end, io.ErrUnexpectedEOF), errors.Is(end, io.ErrUnexpectedEOF) && !d.died(1):
					return fmt.Errorf("the end was %w", end)
				}
				return nil
			},
			explore.Body{Name: "sender", Slot: 1, Run: func() error {
				for i, n := range sizes {
					if err := d.a.send(context.Background(), pattern(byte(i), n)); err != nil {
						return orNil(err, io.ErrClosedPipe)
					}
					sent++
				}
				d.a.Close()
				return nil
			}},
			explore.Body{Name: "receiver", Slot: 2, Run: func() error {
				for {
					b, err := d.b.expect(context.Background(), sizes[min(got, len(sizes)-1)])
					if err != nil {
						end = err
						return d.fault
					}
					if got >= len(sizes) || !bytes.Equal(b, pattern(byte(got), sizes[got])) {
						d.wrong("message %d is %q", got, b)
					}
					got++
				}
			}},
		)
	}
}

// stream has a write n bytes, which b reads.
func stream(n int) func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		want := pattern(1, n)
		written := 0
		var got []byte
		return d.play(
			func() error {
				if !d.died(2) && len(got) < written {
					return fmt.Errorf("%d bytes were written, %d read", written, len(got))
				}
				return nil
			},
			explore.Body{Name: "writer", Slot: 1, Run: func() error {
				var err error
				written, err = d.a.write(want)
				d.a.Close()
				return orNil(err, io.ErrClosedPipe)
			}},
			explore.Body{Name: "reader", Slot: 2, Run: func() error {
				var err error
				got, err = d.b.drain()
				if !bytes.HasPrefix(want, got) {
					d.wrong("read %q", got)
				}
				return errors.Join(d.fault, orNil(err, io.EOF))
			}},
		)
	}
}

// closing has a send a message in parts while its own process closes the end: the
// message is received, or taken back.
func closing(n int) func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		other := d.share(d.a.Party, 0)
		var sent, end error
		got := 0
		return d.play(
			func() error {
				if (sent == nil) != (got == 1) && !d.died(1) {
					return fmt.Errorf("Send returned %w, and %d were received", sent, got)
				}
				if !errors.Is(end, io.EOF) {
					return fmt.Errorf("the end was %w", end)
				}
				return nil
			},
			explore.Body{Name: "sender", Run: func() error {
				sent = d.a.send(context.Background(), pattern(0, n))
				return orNil(sent, fs.ErrClosed)
			}},
			explore.Body{Name: "closer", Run: func() error { other.Close(); return nil }},
			explore.Body{Name: "receiver", Run: func() error {
				for {
					if _, end = d.b.receive(context.Background()); end != nil {
						return nil
					}
					got++
				}
			}},
		)
	}
}

// cancelled has a give up a message that it has sent in part, and send another one.
func cancelled() func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		ctx, cancel := context.WithCancel(context.Background())
		var sent error
		var got [][]byte
		var end error
		return d.play(
			func() error {
				if d.died(1) || d.died(2) {
					return nil
				}
				want := [][]byte{pattern(1, 300), pattern(2, 9)}
				if sent != nil {
					want = want[1:]
				}
				if !errors.Is(end, io.EOF) || !slices.EqualFunc(want, got, bytes.Equal) {
					return fmt.Errorf("Send returned %w, received %q, %w", sent, got, end)
				}
				return nil
			},
			explore.Body{Name: "sender", Slot: 1, Run: func() error {
				if sent = d.a.send(ctx, pattern(1, 300)); orNil(sent, context.Canceled, io.ErrClosedPipe) != nil {
					return sent
				}
				err := d.a.send(context.Background(), pattern(2, 9))
				d.a.Close()
				return orNil(err, io.ErrClosedPipe)
			}},
			explore.Body{Name: "receiver", Slot: 2, Run: func() error {
				for {
					b, err := d.b.receive(context.Background())
					if err != nil {
						end = err
						return nil
					}
					got = append(got, b)
				}
			}},
			explore.Body{Name: "impatience", Run: func() error {
				cancel()
				return nil
			}},
		)
	}
}

// sharing has two goroutines of one process send, one of them in parts.
func sharing() func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		other := d.share(d.a.Party, 0)
		sent := 0
		done := func() {
			if sent++; sent == 2 {
				d.a.Close()
			}
		}
		var got []int
		var end error
		return d.play(
			func() error {
				slices.Sort(got)
				if !slices.Equal(got, []int{30, 150}) || !errors.Is(end, io.EOF) {
					return fmt.Errorf("received messages of %d bytes, %w", got, end)
				}
				return nil
			},
			explore.Body{Name: "first", Run: func() error {
				defer done()
				return d.a.send(context.Background(), pattern(1, 150))
			}},
			explore.Body{Name: "second", Run: func() error {
				defer done()
				return other.send(context.Background(), pattern(2, 30))
			}},
			explore.Body{Name: "receiver", Run: func() error {
				for {
					var b []byte
					if b, end = d.b.receive(context.Background()); end != nil {
						return nil
					}
					got = append(got, len(b))
				}
			}},
		)
	}
}

// answering has each send and receive: nobody hangs, whoever dies.
func answering() func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		var echo []byte
		var end error
		return d.play(
			func() error {
				if len(d.dead) == 0 && (end != nil || string(echo) != "ping") {
					return fmt.Errorf("the answer is %q, %w", echo, end)
				}
				return nil
			},
			explore.Body{Name: "asks", Slot: 1, Run: func() error {
				if end = d.a.send(context.Background(), []byte("ping")); end == nil {
					echo, end = d.a.receive(context.Background())
				}
				return orNil(end, io.EOF, io.ErrClosedPipe)
			}},
			explore.Body{Name: "answers", Slot: 2, Run: func() error {
				b, err := d.b.receive(context.Background())
				if err == nil {
					err = d.b.send(context.Background(), b)
				}
				return orNil(err, io.EOF, io.ErrClosedPipe)
			}},
		)
	}
}

// polling has b poll before it receives, which then does not wait.
func polling() func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		var got []byte
		return d.play(
			func() error {
				if len(d.dead) == 0 && string(got) != "x" {
					return fmt.Errorf("received %q", got)
				}
				return nil
			},
			explore.Body{Name: "sender", Slot: 1, Run: func() error {
				return orNil(d.a.send(context.Background(), []byte("x")), io.ErrClosedPipe)
			}},
			explore.Body{Name: "poller", Slot: 2, Run: func() error {
				if err := d.b.Poll(context.Background(), d.b.reads); err != nil {
					return err
				}
				var err error
				got, err = d.b.receive(context.Background())
				return orNil(err, io.EOF)
			}},
		)
	}
}

// TestProofFindsPlanted shows that faults are found: a writer that looks for
// sleepers before it publishes, and a death that nobody is told of.
func TestProofFindsPlanted(t *testing.T) {
	explore.MustFind(t, explore.Limits{Switches: 2}, func() explore.Play {
		d := newDrama()
		return explore.Play{Bodies: []explore.Body{
			{Name: "receiver", Run: func() error { _, err := d.b.read(make([]byte, 9)); return err }},
			{Name: "writer", Run: func() error { duplex.WriteLate(d.a.End, []byte("x")); return nil }},
		}}
	})
	explore.MustFind(t, explore.Limits{Switches: 1, Kills: 1}, func() explore.Play {
		d := newDrama()
		return explore.Play{
			Bodies: []explore.Body{
				{Name: "receiver", Run: func() error { _, err := d.b.read(make([]byte, 9)); return orNil(err, io.EOF) }},
				{Name: "writer", Slot: 1, Run: func() error { _, err := d.a.write([]byte("x")); return err }},
			},
			Repair: func(dead []uint32) { duplex.LoseQuietly(d.Core, dead[0]) },
		}
	})
	// A new owner that does not wait for the old one to be outside of its copy.
	explore.MustFind(t, explore.Limits{Switches: 2}, func() explore.Play {
		d := newDrama()
		c := d.join(3, 0)
		return explore.Play{Bodies: []explore.Body{
			{Name: "old", Run: func() error { _, err := d.a.write([]byte("old")); return orNil(err, fs.ErrClosed) }},
			{Name: "new", Run: func() error {
				duplex.TakeRudely(c.End)
				duplex.WriteRudely(c.End, []byte("new"))
				c.Close()
				return nil
			}},
			{Name: "reader", Run: func() error {
				if got, err := d.b.drain(); !errors.Is(err, io.EOF) || string(got) != "oldnew" && string(got) != "new" {
					return fmt.Errorf("read %q, %w", got, err)
				}
				return nil
			}},
		}}
	})
}
