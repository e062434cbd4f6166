//go:build shmcheck

package duplex_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/explore"
)

// moving has a third participant take end a over while the first writes: b reads a
// beginning of what the first wrote, and then all of the other's.
func moving() func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		c := d.join(3, 0)
		old, next := bytes.Repeat([]byte{'o'}, 100), bytes.Repeat([]byte{'n'}, 100)
		first, second := 0, 0
		var got []byte
		play := d.play(
			func() error {
				if d.died(2) || d.died(1) && second == 0 {
					return nil
				}
				n := bytes.Count(got, []byte{'o'})
				if n < first || n > len(old) || len(got)-n < second || !bytes.Equal(got, append(old[:n:n], next[:len(got)-n]...)) {
					return fmt.Errorf("wrote %d and %d, read %q", first, second, got)
				}
				return nil
			},
			explore.Body{Name: "old", Slot: 1, Run: func() error {
				var err error
				first, err = d.a.write(old)
				return orNil(err, fs.ErrClosed, io.ErrClosedPipe)
			}},
			explore.Body{Name: "new", Slot: 3, Run: func() error {
				if err := c.Take(context.Background()); err != nil {
					return orNil(err, fs.ErrClosed)
				}
				var err error
				second, err = c.write(next)
				c.Close()
				return orNil(err, io.ErrClosedPipe)
			}},
			explore.Body{Name: "reader", Slot: 2, Run: func() error {
				var err error
				got, err = d.b.drain()
				return orNil(err, io.EOF)
			}},
		)
		play.Repair = func(dead []uint32) {
			d.Bury(dead)
			d.dead = dead
			if !d.died(1) {
				d.a.Close() // who was to take the end over has died, perhaps before it did
			}
		}
		return play
	}
}

// movingInParts is moving, with messages: one that the old owner has sent in part is
// taken back by the new one.
func movingInParts() func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		c := d.join(3, 0)
		var first, second error
		took := false
		var got []byte
		var end error
		return d.play(
			func() error {
				if len(d.dead) > 0 {
					return nil
				}
				want := ""
				if first == nil {
					want = "o"
				}
				if took && second == nil {
					want += "n"
				}
				if !errors.Is(end, io.EOF) || string(got) != want {
					return fmt.Errorf("Sends: %w, %w; received %q, %w", first, second, got, end)
				}
				return nil
			},
			explore.Body{Name: "old", Slot: 1, Run: func() error {
				first = d.a.send(context.Background(), bytes.Repeat([]byte{'o'}, 150))
				return orNil(first, fs.ErrClosed, io.ErrClosedPipe)
			}},
			explore.Body{Name: "new", Slot: 3, Run: func() error {
				if err := c.Take(context.Background()); err != nil {
					return orNil(err, fs.ErrClosed)
				}
				took = true
				second = c.send(context.Background(), []byte("n"))
				c.Close()
				return orNil(second, io.ErrClosedPipe)
			}},
			explore.Body{Name: "receiver", Slot: 2, Run: func() error {
				for {
					var b []byte
					if b, end = d.b.receive(context.Background()); end != nil {
						return nil
					}
					got = append(got, b[0])
				}
			}},
		)
	}
}

// giving has the owner of a give it away, and then report that the child is gone,
// while the child takes it: it has it, or it is lost, and b learns of that.
func giving() func() explore.Play {
	return func() explore.Play {
		d := newDrama()
		c := d.join(3, 0)
		var took, end error
		return d.play(
			func() error {
				if d.died(2) {
					return nil
				}
				if !errors.Is(end, io.EOF) {
					return fmt.Errorf("the end was %w", end)
				}
				return nil
			},
			explore.Body{Name: "giver", Slot: 1, Run: func() error {
				d.a.Abandon(d.a.Give(d.a.Ticket()))
				if _, err := d.a.write([]byte("x")); !errors.Is(err, fs.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
					return fmt.Errorf("a write to what was given away: %w", err)
				}
				return nil
			}},
			explore.Body{Name: "child", Slot: 3, Run: func() error {
				if took = c.Take(context.Background()); took == nil {
					c.Close()
				}
				return orNil(took, fs.ErrClosed)
			}},
			explore.Body{Name: "other", Slot: 2, Run: func() error {
				_, end = d.b.receive(context.Background())
				return nil
			}},
		)
	}
}
