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
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// TestProofCloseBesideWriting closes the segment while another goroutine of the
// process sends or writes: what has failed is not there, what has not is, and
// nothing comes behind io.EOF.
func TestProofCloseBesideWriting(t *testing.T) {
	once, twice := explore.Limits{Switches: 1}, explore.Limits{Switches: 2}
	explore.Prove(t, []explore.Scene{
		{Name: "a message", Quick: once, Full: twice, Play: leavingMessage(20)},
		{Name: "a message in parts", Quick: once, Full: once, Play: leavingMessage(150)},
		{Name: "bytes", Quick: once, Full: twice, Play: leavingBytes(20)},
		{Name: "bytes that must wait", Quick: once, Full: once, Play: leavingBytes(200)},
	})
}

// leave is what Segment.Close does to the pipe.
func (d *drama) leave() explore.Body {
	return explore.Body{Name: "closer", Run: func() error {
		d.a.Use.End()
		d.Core.Leave(1)
		return nil
	}}
}

// leavingMessage has a send a message of n bytes while its segment is closed.
func leavingMessage(n int) func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		var sent, end, again error
		var got [][]byte
		return d.play(
			func() error {
				var want [][]byte
				if sent == nil {
					want = append(want, pattern(0, n))
				}
				if !slices.EqualFunc(want, got, bytes.Equal) {
					return fmt.Errorf("Send returned %w, received %q", sent, got)
				}
				cut := sent != nil && errors.Is(end, io.ErrUnexpectedEOF)
				if !cut && !errors.Is(end, io.EOF) {
					return fmt.Errorf("the end was %w", end)
				}
				if !errors.Is(again, io.EOF) {
					return fmt.Errorf("behind the end: %w", again)
				}
				return nil
			},
			explore.Body{Name: "sender", Run: func() error {
				sent = d.a.send(context.Background(), pattern(0, n))
				return orNil(sent, fs.ErrClosed)
			}},
			d.leave(),
			explore.Body{Name: "receiver", Run: func() error {
				for {
					var b []byte
					if b, end = d.b.receive(context.Background()); end != nil {
						break
					}
					got = append(got, b)
				}
				_, again = d.b.receive(context.Background())
				return nil
			}},
		)
	}
}

// leavingBytes has a write n bytes while its segment is closed.
func leavingBytes(n int) func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		want := pattern(1, n)
		var wrote int
		var err, end error
		var got []byte
		return d.play(
			func() error {
				if !errors.Is(end, io.EOF) || !bytes.Equal(got, want[:wrote]) || err == nil && wrote != n {
					return fmt.Errorf("Write returned %d, %w; read %q, %w", wrote, err, got, end)
				}
				if late, again := d.b.read(make([]byte, n)); late != 0 || !errors.Is(again, io.EOF) {
					return fmt.Errorf("behind the end: %d bytes, %w", late, again)
				}
				return nil
			},
			explore.Body{Name: "writer", Run: func() error {
				wrote, err = d.a.write(want)
				return orNil(err, fs.ErrClosed)
			}},
			d.leave(),
			explore.Body{Name: "reader", Run: func() error {
				got, end = d.b.drain()
				return orNil(end, io.EOF)
			}},
		)
	}
}

// TestProofFindsUntaken shows that a writer is found for which Segment.Close does
// not wait.
func TestProofFindsUntaken(t *testing.T) {
	explore.MustFind(t, explore.Limits{Switches: 1}, func() explore.Play {
		d := newDrama()
		return d.play(
			func() error {
				if late, err := d.b.read(make([]byte, 9)); late != 0 {
					return fmt.Errorf("behind the end: %d bytes, %w", late, err)
				}
				return nil
			},
			explore.Body{Name: "writer", Run: func() error { duplex.WriteUntaken(d.a.End, []byte("x")); return nil }},
			d.leave(),
			explore.Body{Name: "reader", Run: func() error {
				_, err := d.b.drain()
				return orNil(err, io.EOF)
			}},
		)
	})
}

// TestClosedInsideOfACopy closes an end of which a goroutine is in the middle of a
// copy for longer than Close waits: what it copies does not come behind io.EOF.
func TestClosedInsideOfACopy(t *testing.T) {
	for name, put := range map[string]func(p party, b []byte) error{
		"write": func(p party, b []byte) error { _, err := p.write(b); return err },
		"send":  func(p party, b []byte) error { return p.send(t.Context(), b) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDrama()
			other := d.share(d.a.Party, 0)
			closed := false
			b := bytes.Repeat([]byte{'x'}, 16)
			defer satomic.SetHook(nil)
			satomic.SetHook(func() {
				if !closed && duplex.Copied(d.a.End, b) {
					closed = true
					satomic.SetHook(nil)
					other.Close()
				}
			})
			if err := put(d.a, b); !closed || !errors.Is(err, fs.ErrClosed) {
				t.Fatalf("closed %v, %v; want fs.ErrClosed", closed, err)
			}
			if got, err := d.b.drain(); len(got) != 0 || !errors.Is(err, io.EOF) {
				t.Fatalf("read %q, %v, want io.EOF", got, err)
			}
			if err := d.Faults(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
