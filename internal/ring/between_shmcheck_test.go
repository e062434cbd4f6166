//go:build shmcheck

package ring_test

import (
	"fmt"
	"testing"

	"github.com/shoal-ipc/shoal/internal/ring"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// TestBetween lets others do something at each step of a Try method. They leave
// the queue at every moment such that the method must not refuse, so it must not.
func TestBetween(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(b *bed, p *ring.Port) func() error // returns what the others do
		try    func(p *ring.Port) error
	}{
		{
			// A message that was given back is there, then a newer one too, then only that.
			"TryTake, never empty",
			func(b *bed, p *ring.Port) func() error {
				mustPut(b.t, b.port(2), "old")
				m, err := p.TryReceive()
				must(b.t, err)
				p.Nack(m)
				return func() error {
					if err := b.port(3).TryPut([]byte("new")); err != nil {
						return err
					}
					return taken(b.port(2))
				}
			},
			taken,
		},
		{
			// One that was given back is always there, but not always the same.
			"TryTake, never without one given back",
			func(b *bed, p *ring.Port) func() error {
				mustPut(b.t, b.port(2), "first", "second", "third")
				first, err := p.TryReceive()
				must(b.t, err)
				second, err := p.TryReceive()
				must(b.t, err)
				p.Nack(second)
				return func() error {
					p.Nack(first)
					m, err := b.port(3).TryReceive()
					if err != nil {
						return err
					}
					if err := taken(b.port(2)); err != nil {
						return err
					}
					b.port(3).Nack(m)
					return nil
				}
			},
			func(p *ring.Port) error {
				text, err := get(p)
				if text == "third" {
					err = fmt.Errorf("got %q before those given back", text)
				}
				return err
			},
		},
		{
			"TryPut, never full",
			func(b *bed, _ *ring.Port) func() error {
				mustPut(b.t, b.port(2), "a", "b", "c")
				return func() error {
					for range 2 {
						if err := taken(b.port(2)); err != nil {
							return err
						}
						if err := b.port(3).TryPut([]byte("d")); err != nil {
							return err
						}
					}
					return nil
				}
			},
			func(p *ring.Port) error { return p.TryPut([]byte("e")) },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for n := 1; ; n++ {
				b := newBed(t, ring.Spec{Cap: 4})
				p := b.port(1)
				others := c.before(b, p)
				steps := 0
				satomic.SetHook(func() {
					if steps++; steps == n {
						satomic.SetHook(nil)
						if err := others(); err != nil {
							t.Errorf("step %d, the others: %v", n, err)
						}
					}
				})
				err := c.try(p)
				satomic.SetHook(nil)
				if err != nil {
					t.Errorf("step %d: %v", n, err)
				}
				if steps < n {
					return
				}
			}
		})
	}
}

func taken(p *ring.Port) error {
	_, err := get(p)
	return err
}
