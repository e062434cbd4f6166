//go:build shmcheck

package ring_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/ring"
)

// pairs returns scenes on SPSC queues. At their end the roles are given up, so
// that what is left can be looked at.
func pairs(t *testing.T, s ring.Spec) func(name string, quick, full explore.Limits, cast func(d *drama) []explore.Body) explore.Scene {
	s.Mode = ring.SPSC
	return func(name string, quick, full explore.Limits, cast func(d *drama) []explore.Body) explore.Scene {
		return explore.Scene{Name: name, Quick: quick, Full: full, Play: func() explore.Play {
			d := newDrama(t, s)
			play := d.play(cast(d)...)
			play.Close = func() {}
			play.Finish = func(dead []uint32) error {
				for slot := range d.uses {
					if !slices.Contains(dead, slot) {
						d.close(slot)
					}
				}
				return d.end(dead)
			}
			return play
		}}
	}
}

// close is what Segment.Close does.
func (d *drama) close(slot uint32) {
	d.uses[slot].End()
	d.core.Leave(slot)
}

// closing is a body that closes the segment of slot.
func (d *drama) closing(slot uint32) explore.Body {
	return explore.Body{Name: fmt.Sprint("close ", slot), Run: func() error {
		d.close(slot)
		return nil
	}}
}

// roleOrNot is nil for the errors of one who comes too early, or too late.
func roleOrNot(err error) error { return orNil(err, fs.ErrPermission, fs.ErrClosed, ring.ErrEmpty) }

// mayPut is a body of slot that puts the letters, if it may.
func (d *drama) mayPut(slot uint32, messages string) explore.Body {
	return d.body("producer", slot, func(p *ring.Port) error { return d.putAll(slot, p, messages) })
}

func (d *drama) putAll(slot uint32, p *ring.Port, messages string) error {
	for _, m := range []byte(messages) {
		if err := d.sent(slot, m, func() error { return p.TryPut(letter(m, 1)) }); err != nil {
			return roleOrNot(err)
		}
	}
	return nil
}

// mayTake is a body of slot that takes up to n messages, if it may.
func (d *drama) mayTake(slot uint32, n int) explore.Body {
	return d.body("consumer", slot, func(p *ring.Port) error { return d.takeAll(slot, p, n) })
}

func (d *drama) takeAll(slot uint32, p *ring.Port, n int) error {
	for range n {
		m, err := p.TryTake()
		if err == nil {
			d.finish(slot, p, m)
		} else if err := roleOrNot(err); err != nil {
			return err
		}
	}
	return nil
}

// runs is a body of slot that puts the letters as runs.
func (d *drama) runs(slot uint32, messages string) explore.Body {
	return d.body("producer", slot, func(p *ring.Port) error {
		if err := d.putAll(slot, p, messages[:1]); err != nil {
			return err
		}
		c, n := p.ClaimRun(len(messages) - 1)
		for k := range n {
			m := messages[1+k]
			d.messages[m] = &fate{from: slot}
			copy(p.Inline(ring.Claim{Index: c.Index + uint32(k)}), letter(m, 1))
		}
		if n > 0 {
			p.PublishRun(c, n, 1)
		}
		for k := range n {
			d.messages[messages[1+k]].put = true
		}
		return nil
	})
}

// takesRuns is a body of slot that takes one message and then a run.
func (d *drama) takesRuns(slot uint32, n int) explore.Body {
	return d.body("consumer", slot, func(p *ring.Port) error {
		if err := d.takeAll(slot, p, 1); err != nil {
			return err
		}
		first, k := p.TakeRun(n, 1)
		var taken []byte
		for i := range k {
			m := first
			m.Index += uint32(i)
			b := p.Bytes(m)[0]
			d.messages[b].taking = slot
			taken = append(taken, b)
		}
		if k > 0 {
			p.FinishRun(first, k)
		}
		for _, b := range taken {
			d.messages[b].taking = 0
			d.messages[b].got++
		}
		return nil
	})
}

// TestProofSchedulesOfPairs tries the orders of the steps of the two sides of an
// SPSC queue, of their successors, and of several goroutines of one side.
func TestProofSchedulesOfPairs(t *testing.T) {
	one, two, three := pairs(t, ring.Spec{Cap: 1}), pairs(t, ring.Spec{Cap: 2}), pairs(t, ring.Spec{Cap: 3})
	four := pairs(t, ring.Spec{Cap: 4})
	both := func(d *drama) []explore.Body { return []explore.Body{d.tries(1, "abc", 1), d.looks(2, 3)} }
	waiting := func(d *drama) []explore.Body { return []explore.Body{d.puts(1, "abc", 1), d.takes(2, 3)} }
	heirs := func(d *drama) []explore.Body {
		return []explore.Body{d.mayPut(1, "abc"), d.mayPut(3, "xy"), d.looks(2, 3)}
	}
	heirsOfConsumer := func(d *drama) []explore.Body {
		d.has("ab")
		d.close(6)
		return []explore.Body{d.mayTake(1, 2), d.mayTake(3, 2), d.tries(2, "c", 1)}
	}
	ends := func(d *drama) []explore.Body {
		drain := d.body("consumer", 3, func(p *ring.Port) error {
			for {
				m, err := p.Take(context.Background())
				if errors.Is(err, ring.ErrShutdown) {
					d.over = true
					return nil
				}
				if err != nil {
					return err
				}
				d.finish(3, p, m)
			}
		})
		return []explore.Body{
			d.tries(1, "ab", 1), drain, d.body("end", 4, func(p *ring.Port) error { p.Shutdown(); return nil }),
		}
	}
	goroutines := func(d *drama) []explore.Body {
		p := d.port(1)
		first := explore.Body{Name: "first", Slot: 1, Run: func() error { return errors.Join(d.putAll(1, p, "abc"), d.fault) }}
		second := explore.Body{Name: "second", Slot: 1, Run: func() error { return errors.Join(d.putAll(9, p, "x"), d.fault) }}
		return []explore.Body{first, second, d.looks(2, 2)}
	}
	takers := func(d *drama) []explore.Body {
		d.has("abcd")
		d.close(6)
		p := d.port(1)
		first := explore.Body{Name: "first", Slot: 1, Run: func() error { return errors.Join(d.takeAll(1, p, 2), d.fault) }}
		second := explore.Body{Name: "second", Slot: 1, Run: func() error { return errors.Join(d.takeAll(9, p, 1), d.fault) }}
		return []explore.Body{first, second}
	}
	explore.Prove(t, []explore.Scene{
		one("one place, three messages", upTo(2, 0), upTo(3, 0), both),
		two("three messages, one side dies", upTo(0, 1), upTo(1, 1), both),
		one("one place, both wait", upTo(1, 0), upTo(2, 0), waiting),
		two("a producer and its heir, one dies", upTo(0, 1), upTo(1, 1), heirs),
		two("a consumer and its heir, one dies", upTo(0, 1), upTo(1, 1), heirsOfConsumer),
		two("shut down while one puts and one drains", upTo(1, 0), upTo(2, 0), ends),
		three("the producer's segment is closed", upTo(1, 0), upTo(2, 0), func(d *drama) []explore.Body {
			leaver := d.mayPut(1, "abc")
			return []explore.Body{leaver, d.closing(1), d.mayPut(3, "x")}
		}),
		two("the consumer's segment is closed", upTo(1, 0), upTo(2, 0), func(d *drama) []explore.Body {
			d.has("ab")
			leaver := d.mayTake(1, 2)
			return []explore.Body{leaver, d.closing(1), d.mayTake(3, 2)}
		}),
		four("two goroutines put", upTo(1, 0), upTo(2, 0), goroutines),
		four("two goroutines take", upTo(1, 0), upTo(2, 0), takers),
		four("runs, one side dies", upTo(0, 1), upTo(1, 1), func(d *drama) []explore.Body {
			return []explore.Body{d.runs(1, "abc"), d.takesRuns(2, 2)}
		}),
	})
}

// TestProofSchedulesOfPairsCatch has a role given up before the operations of its
// process have ended: then two put into one place, or get the same message.
func TestProofSchedulesOfPairsCatch(t *testing.T) {
	hasty := func(d *drama, leaver, heir explore.Body) explore.Play {
		play := d.play(leaver, explore.Body{Name: "close", Run: func() error {
			d.core.Leave(1)
			d.uses[1].End()
			return nil
		}}, heir)
		play.Close = func() {}
		play.Finish = func(dead []uint32) error {
			d.close(3)
			return d.end(dead)
		}
		return play
	}
	for name, play := range map[string]func() explore.Play{
		"put": func() explore.Play {
			d := newDrama(t, ring.Spec{Cap: 3, Mode: ring.SPSC})
			return hasty(d, d.mayPut(1, "abc"), d.mayPut(3, "x"))
		},
		"take": func() explore.Play {
			d := newDrama(t, ring.Spec{Cap: 4, Mode: ring.SPSC})
			d.has("abc")
			return hasty(d, d.mayTake(1, 3), d.mayTake(3, 3))
		},
	} {
		t.Run(name, func(t *testing.T) { explore.MustFind(t, upTo(2, 0), play) })
	}
}
