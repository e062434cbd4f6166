//go:build shmcheck

package duplex_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/duplex"
	"github.com/shoal-ipc/shoal/internal/explore"
)

// TestProofBytes plays goroutines that write and read bytes against each other,
// against Close of either end and against deadlines.
func TestProofBytes(t *testing.T) {
	l := func(switches, kills int) explore.Limits { return explore.Limits{Switches: switches, Kills: kills} }
	explore.Prove(t, []explore.Scene{
		{Name: "two writers, and Close", Quick: l(1, 0), Full: l(1, 0), Play: writersAndClose(130, 30, party.write)},
		{Name: "two short Writes, and Close", Quick: l(1, 0), Full: l(2, 0), Play: writersAndClose(9, 30, party.write)},
		{Name: "two readers", Quick: l(1, 0), Full: l(1, 0), Play: readers(60)},
		{Name: "closed while writing", Quick: l(1, 0), Full: l(2, 0), Play: closingBytes(20)},
		{Name: "closed while waiting for room", Quick: l(1, 0), Full: l(1, 0), Play: closingBytes(150)},
		{Name: "a reader that closes", Quick: l(1, 0), Full: l(2, 0), Play: leavingReader()},
		{Name: "a reader that closes, with deaths", Quick: l(0, 1), Full: l(1, 1), Play: leavingReader()},
		{Name: "deaths between copies", Quick: l(0, 1), Full: l(1, 1), Play: stream(150)},
		{Name: "a deadline of a Write", Quick: l(2, 0), Full: l(3, 0), Play: lateWrite((*duplex.End).Nudge)},
		{Name: "a deadline of a Read", Quick: l(2, 0), Full: l(3, 0), Play: lateRead((*duplex.End).Nudge)},
	})
}

// TestProofFindsBytes shows that a Write is found that comes in parts without its
// turn, and a deadline that wakes nobody.
func TestProofFindsBytes(t *testing.T) {
	explore.MustFind(t, explore.Limits{Switches: 1}, writersAndClose(20, 30, func(p party, b []byte) (int, error) {
		n, err := p.write(b[:10])
		if err != nil {
			return n, err
		}
		more, err := p.write(b[10:])
		return n + more, err
	}))
	quiet := func(*duplex.End) {}
	explore.MustFind(t, explore.Limits{Switches: 1}, lateWrite(quiet))
	explore.MustFind(t, explore.Limits{Switches: 1}, lateRead(quiet))
}

// writersAndClose has two goroutines of a process write, and the second one close
// the end then: each byte that a Write says it wrote is read, and none other; no
// Write comes between the parts of the other.
func writersAndClose(first, second int, write func(party, []byte) (int, error)) func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		other := d.share(d.a.Party, 0)
		one, two := bytes.Repeat([]byte{'1'}, first), bytes.Repeat([]byte{'2'}, second)
		var n int
		var err, end error
		var got []byte
		return d.play(
			func() error {
				before := string(two) + string(one[:n])
				after := string(one[:n]) + string(two)
				ok := string(got) == before || string(got) == after && (n == 0 || n == first)
				if !ok || (err == nil) != (n == first) || !errors.Is(end, io.EOF) {
					return fmt.Errorf("the first wrote %d, %w; read %q, %w", n, err, got, end)
				}
				return nil
			},
			explore.Body{Name: "first", Run: func() error {
				n, err = write(d.a, one)
				return orNil(err, fs.ErrClosed)
			}},
			explore.Body{Name: "second", Run: func() error {
				_, err := other.write(two)
				other.Close()
				return err
			}},
			explore.Body{Name: "reader", Run: func() error {
				got, end = d.b.drain()
				return nil
			}},
		)
	}
}

// readers has two goroutines of a process read n bytes: each reads in order, and
// together they read each byte once.
func readers(n int) func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		other := d.share(d.b.Party, 1)
		want := make([]byte, n)
		for i := range want {
			want[i] = byte(i)
		}
		var all []byte
		reads := func(p party) func() error {
			return func() error {
				got, err := p.drain()
				if !slices.IsSorted(got) {
					d.wrong("read %v", got)
				}
				all = append(all, got...)
				return errors.Join(d.fault, orNil(err, io.EOF))
			}
		}
		return d.play(
			func() error {
				slices.Sort(all)
				if !bytes.Equal(all, want) {
					return fmt.Errorf("together they read %v", all)
				}
				return nil
			},
			explore.Body{Name: "writer", Run: func() error {
				_, err := d.a.write(want)
				d.a.Close()
				return err
			}},
			explore.Body{Name: "reader", Run: reads(d.b)},
			explore.Body{Name: "another", Run: reads(other)},
		)
	}
}

// closingBytes has a write n bytes while its own process closes the end: what the
// Write says it wrote is read, and then io.EOF.
func closingBytes(n int) func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		other := d.share(d.a.Party, 0)
		want := pattern(1, n)
		var wrote int
		var err, end error
		var got []byte
		return d.play(
			func() error {
				if !bytes.Equal(got, want[:wrote]) || (err == nil) != (wrote == n) || !errors.Is(end, io.EOF) {
					return fmt.Errorf("wrote %d, %w; read %q, %w", wrote, err, got, end)
				}
				return nil
			},
			explore.Body{Name: "writer", Run: func() error {
				wrote, err = d.a.write(want)
				return orNil(err, fs.ErrClosed)
			}},
			explore.Body{Name: "closer", Run: func() error { other.Close(); return nil }},
			explore.Body{Name: "reader", Run: func() error {
				got, end = d.b.drain()
				return nil
			}},
		)
	}
}

// leavingReader has b read once and close its end, while a writes more than there is
// room for: the Write ends, and says no more than there was room for.
func leavingReader() func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		const most = 128 // under way
		want := pattern(1, 3*most)
		var wrote, read int
		var err error
		return d.play(
			func() error {
				if !d.died(1) && (err == nil || wrote < read || !d.died(2) && wrote > read+most) {
					return fmt.Errorf("wrote %d, %w; read %d", wrote, err, read)
				}
				return nil
			},
			explore.Body{Name: "writer", Slot: 1, Run: func() error {
				wrote, err = d.a.write(want)
				return orNil(err, io.ErrClosedPipe)
			}},
			explore.Body{Name: "reader", Slot: 2, Run: func() error {
				b := make([]byte, 50)
				n, err := d.b.read(b)
				read = n
				d.b.Close()
				if !bytes.Equal(b[:n], want[:n]) {
					d.wrong("read %q", b[:n])
				}
				return orNil(err, io.EOF)
			}},
		)
	}
}

// lateWrite has a deadline pass while a Write waits for room, or before: it says how
// much is there.
func lateWrite(wake func(*duplex.End)) func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		want := pattern(1, 150)
		var wrote int
		return d.play(
			func() error {
				d.a.Close()
				if got, _ := d.b.drain(); !bytes.Equal(got, want[:wrote]) {
					return fmt.Errorf("wrote %d, read %q", wrote, got)
				}
				return nil
			},
			explore.Body{Name: "writer", Run: func() error {
				var err error
				if wrote, err = d.a.write(want); err == nil {
					return fmt.Errorf("wrote %d bytes", wrote)
				}
				return orNil(err, os.ErrDeadlineExceeded)
			}},
			explore.Body{Name: "clock", Run: func() error {
				d.a.writes.Set(time.Unix(1, 0), func() { wake(d.a.End) })
				return nil
			}},
		)
	}
}

// lateRead has a deadline pass while a Read waits, or before.
func lateRead(wake func(*duplex.End)) func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		return d.play(
			func() error { return nil },
			explore.Body{Name: "reader", Run: func() error {
				n, err := d.b.read(make([]byte, 9))
				if n != 0 || err == nil {
					return fmt.Errorf("read %d bytes, %w", n, err)
				}
				return orNil(err, os.ErrDeadlineExceeded)
			}},
			explore.Body{Name: "clock", Run: func() error {
				d.b.reads.Set(time.Unix(1, 0), func() { wake(d.b.End) })
				return nil
			}},
		)
	}
}
