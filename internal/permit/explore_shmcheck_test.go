//go:build shmcheck

package permit_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/permit"
)

// drama is a semaphore, the participants of one play on it, and what they know
// that they hold.
type drama struct {
	*world
	kind    int
	permits int
	parties map[uint32]*party
	holds   map[uint32]int
	added   int // Signal: permits for sure, those at the start included
	maybe   int // Signal: permits that somebody was about to add, or to take, who died
}

func newDrama(t *testing.T, kind, permits int) *drama {
	return &drama{
		world: newWorld(t, kind, permits, 9), kind: kind, permits: permits, added: permits,
		parties: map[uint32]*party{}, holds: map[uint32]int{},
	}
}

// enters returns the participant slot, the same one each time.
func (d *drama) enters(slot uint32) *party {
	if d.parties[slot] == nil {
		d.parties[slot] = d.join(slot)
		d.parties[slot].use.Board = nil // which is steps that change nothing
	}
	return d.parties[slot]
}

// starts has slot hold n permits from the start.
func (d *drama) starts(slot uint32, n int) {
	mustAcquire(d.t, d.enters(slot), n)
	d.holds[slot] += n
}

// step is something that a participant does.
type step func(d *drama, slot uint32, p *party) error

// does is a body that does so many steps.
func (d *drama) does(name string, slot uint32, steps ...step) explore.Body {
	p := d.enters(slot)
	return explore.Body{Name: fmt.Sprint(name, " ", slot), Slot: slot, Run: func() error {
		for _, s := range steps {
			if err := s(d, slot, p); err != nil {
				return err
			}
		}
		return nil
	}}
}

func (d *drama) took(slot uint32, n int, take func() error) error {
	d.maybe += n
	err := take()
	d.maybe -= n
	if err == nil {
		d.holds[slot] += n
		d.added -= n
	}
	return err
}

func take(n int) step {
	return func(d *drama, slot uint32, p *party) error {
		return orNil(d.took(slot, n, func() error { return p.TryAcquire(n) }), permit.ErrNoPermit)
	}
}

// await takes n permits, however long it takes, and returns them.
func await(n int) step { return awaitUntil(context.Background(), n) }

func awaitUntil(ctx context.Context, n int) step {
	return func(d *drama, slot uint32, p *party) error {
		err := d.took(slot, n, func() error { return p.Acquire(ctx, n) })
		if err != nil {
			if errors.Is(err, context.Canceled) || errors.Is(err, fs.ErrClosed) {
				return nil
			}
			return err
		}
		if d.kind == permit.Signal {
			return nil // it is consumed
		}
		return give(n)(d, slot, p)
	}
}

func give(n int) step {
	return func(d *drama, slot uint32, p *party) error {
		d.holds[slot] -= n
		d.maybe += n
		err := p.Release(n)
		d.maybe -= n
		d.added += n
		return orNil(err, fs.ErrClosed)
	}
}

// pair takes n permits, if there are so many, and returns them.
func pair(n int) step {
	return func(d *drama, slot uint32, p *party) error {
		before := d.holds[slot]
		if err := take(n)(d, slot, p); err != nil || d.holds[slot] == before {
			return err
		}
		return give(n)(d, slot, p)
	}
}

// repairs is what is done about the dead.
func (d *drama) repairs(dead []uint32) {
	for _, slot := range dead {
		d.repair(slot)
	}
}

// end is a Finish: the living hold what they know of, and all else is free.
func (d *drama) end(dead []uint32) error {
	if d.kind == permit.Signal {
		n := d.free()
		if n < d.added-d.maybe || n > d.added+d.maybe {
			return fmt.Errorf("%d permits, want %d, %d more or less", n, d.added, d.maybe)
		}
		d.check(n)
		return nil
	}
	for slot, p := range d.parties {
		if slices.Contains(dead, slot) || p.use.Closed() {
			continue
		}
		if n := p.Held(); n != d.holds[slot] {
			return fmt.Errorf("%d holds %d permits, should hold %d", slot, n, d.holds[slot])
		}
		if d.holds[slot] > 0 {
			if err := p.Release(d.holds[slot]); err != nil {
				return err
			}
		}
	}
	d.check(d.permits)
	last := d.join(8)
	return errors.Join(last.TryAcquire(d.permits), last.Release(d.permits))
}

func (d *drama) play(bodies ...explore.Body) explore.Play {
	return explore.Play{Bodies: bodies, Repair: d.repairs, Finish: d.end, Close: func() {
		for _, p := range d.parties {
			p.use.End()
		}
	}}
}

func upTo(switches, kills int) explore.Limits {
	return explore.Limits{Switches: switches, Kills: kills}
}

// cast is who plays in a scene.
type cast func(d *drama) []explore.Body

func newScene(t *testing.T, name string, quick, full explore.Limits, kind, permits int, bodies cast) explore.Scene {
	return explore.Scene{Name: name, Quick: quick, Full: full, Play: func() explore.Play {
		d := newDrama(t, kind, permits)
		return d.play(bodies(d)...)
	}}
}

// TestProofSchedulesOfBooks tries the orders of the steps of those who take and
// return permits, and die at it.
func TestProofSchedulesOfBooks(t *testing.T) {
	books := func(name string, quick, full explore.Limits, permits int, bodies cast) explore.Scene {
		sc := newScene(t, name, quick, full, permit.Bounded, permits, bodies)
		play := sc.Play
		sc.Play = func() explore.Play {
			p := play()
			p.Close = nil // nobody waits
			return p
		}
		return sc
	}
	pairs := func(d *drama) []explore.Body {
		return []explore.Body{d.does("pair", 1, pair(1)), d.does("pair", 2, pair(1))}
	}
	// one has each of several try once, and so many are there that one of them gets what it wants.
	one := func(name string, quick, full explore.Limits, permits int, wants ...int) explore.Scene {
		sc := books(name, quick, full, permits, nil)
		sc.Play = func() explore.Play {
			d := newDrama(t, permit.Bounded, permits)
			var bodies []explore.Body
			for i, n := range wants {
				bodies = append(bodies, d.does("taker", uint32(i+1), take(n)))
			}
			p := d.play(bodies...)
			p.Close = nil
			p.Finish = func(dead []uint32) error {
				if d.added == permits {
					return errors.New("nobody got any of what was free")
				}
				return d.end(dead)
			}
			return p
		}
		return sc
	}
	returns := func(d *drama) []explore.Body {
		d.starts(1, 1)
		d.starts(2, 1)
		return []explore.Body{d.does("giver", 1, give(1)), d.does("giver", 2, give(1))}
	}
	explore.Prove(t, []explore.Scene{
		books("take and take", upTo(1, 1), upTo(3, 1), 3, func(d *drama) []explore.Body {
			return []explore.Body{d.does("taker", 1, take(2)), d.does("taker", 2, take(2))}
		}),
		books("take and return", upTo(1, 1), upTo(3, 1), 3, func(d *drama) []explore.Body {
			d.starts(1, 1)
			d.starts(2, 1)
			return []explore.Body{d.does("taker", 1, take(1)), d.does("giver", 2, give(1))}
		}),
		books("return and return", upTo(0, 2), upTo(1, 2), 3, returns),
		books("return and return, numbers wrap", upTo(1, 1), upTo(3, 1), 3, func(d *drama) []explore.Body {
			d.core.SetNumbers(1<<24 - 2)
			return returns(d)
		}),
		books("three take and return", upTo(1, 0), upTo(1, 1), 3, func(d *drama) []explore.Body {
			d.starts(2, 1)
			d.starts(3, 1)
			return []explore.Body{d.does("taker", 1, take(1)), d.does("giver", 2, give(1)), d.does("giver", 3, give(1))}
		}),
		books("pair and giver, two die", upTo(0, 2), upTo(1, 2), 3, func(d *drama) []explore.Body {
			d.starts(2, 1)
			return []explore.Body{d.does("pair", 1, pair(1)), d.does("giver", 2, give(1))}
		}),
		books("pair and pair", upTo(2, 0), upTo(4, 0), 1, pairs),
		books("pair and pair, one dies", upTo(1, 1), upTo(2, 1), 1, pairs),
		books("many at once and one", upTo(1, 0), upTo(2, 0), 300, func(d *drama) []explore.Body {
			return []explore.Body{d.does("pair", 1, pair(260)), d.does("pair", 2, pair(1)), d.does("pair", 3, pair(270))}
		}),
		books("many at once and one, one dies", upTo(0, 1), upTo(1, 1), 300, func(d *drama) []explore.Body {
			return []explore.Body{d.does("pair", 1, pair(260)), d.does("pair", 2, pair(1))}
		}),
		one("two try to take all of many", upTo(3, 0), upTo(4, 0), 270, 270, 270),
		one("three try to take one", upTo(1, 0), upTo(2, 0), 1, 1, 1, 1),
		one("a try to take many, beside others", upTo(2, 0), upTo(2, 0), 270, 270, 1),
		books("one process returns and takes, and another", upTo(2, 0), upTo(3, 0), 4, func(d *drama) []explore.Body {
			d.starts(2, 1)
			d.starts(1, 1)
			return []explore.Body{d.does("giver", 1, give(1)), d.does("taker", 1, take(2)), d.does("giver", 2, give(1))}
		}),
		books("one process returns twice, and another", upTo(2, 0), upTo(3, 0), 3, func(d *drama) []explore.Body {
			d.starts(2, 1)
			d.starts(1, 1)
			return []explore.Body{d.does("giver", 1, give(1)), d.does("pair", 1, take(1), give(1)), d.does("pair", 2, give(1), take(1))}
		}),
		books("one process leaves, another one takes", upTo(2, 0), upTo(3, 0), 3, func(d *drama) []explore.Body {
			d.starts(1, 2)
			p := d.enters(1)
			return []explore.Body{d.does("giver", 1, give(1)), d.does("taker", 2, take(1)), {Name: "close", Run: func() error {
				d.close(p)
				return nil
			}}}
		}),
	})
}

// TestProofSchedulesOfWaiters does so for those who wait.
func TestProofSchedulesOfWaiters(t *testing.T) {
	oneReturns := func(d *drama) []explore.Body {
		d.starts(1, 1)
		giver := d.does("giver", 1, give(1))
		giver.Slot = 0 // others wait for it
		return []explore.Body{giver, d.does("waiter", 2, await(1)), d.does("waiter", 3, await(1))}
	}
	oneGathers := func(d *drama) []explore.Body {
		d.starts(1, 2)
		giver := d.does("giver", 1, give(1), give(1))
		giver.Slot = 0
		return []explore.Body{giver, d.does("gatherer", 2, await(2)), d.does("waiter", 3, await(1))}
	}
	oneGivesUp := func(d *drama) []explore.Body {
		ctx, cancel := context.WithCancel(context.Background())
		return append(oneReturns(d)[:2], d.does("waiter", 3, awaitUntil(ctx, 1)),
			explore.Body{Name: "impatience", Run: func() error { cancel(); return nil }})
	}
	oneCloses := func(d *drama) []explore.Body {
		p := d.enters(3)
		return append(oneReturns(d), explore.Body{Name: "close", Run: func() error { d.close(p); return nil }})
	}
	adds := func(n ...int) cast {
		return func(d *drama) []explore.Body {
			adder := d.does("adder", 1, give(n[0]), give(1))
			adder.Slot = 0
			bodies := []explore.Body{adder}
			for i, n := range n[1:] {
				slot := uint32(i) + 2
				bodies = append(bodies, d.does("waiter", slot, await(n)))
			}
			return bodies
		}
	}
	explore.Prove(t, []explore.Scene{
		newScene(t, "one returns, two wait", upTo(1, 0), upTo(2, 0), permit.Bounded, 1, oneReturns),
		newScene(t, "one returns, two wait, one dies", upTo(0, 1), upTo(1, 1), permit.Bounded, 1, oneReturns),
		newScene(t, "one returns, two wait, one gives up", upTo(1, 0), upTo(2, 0), permit.Bounded, 1, oneGivesUp),
		newScene(t, "one returns, two wait, one closes", upTo(1, 0), upTo(1, 0), permit.Bounded, 1, oneCloses),
		newScene(t, "one returns two, one gathers, one waits", upTo(1, 0), upTo(2, 0), permit.Bounded, 2, oneGathers),
		newScene(t, "one returns two, one gathers, one waits, one dies", upTo(0, 1), upTo(1, 1), permit.Bounded, 2, oneGathers),
		newScene(t, "signals for two", upTo(1, 0), upTo(2, 0), permit.Signal, 0, adds(1, 1, 1)),
		newScene(t, "signals for two, one dies", upTo(0, 1), upTo(1, 1), permit.Signal, 0, adds(1, 1, 1)),
		newScene(t, "signals for one that gathers and one that waits", upTo(1, 0), upTo(2, 0), permit.Signal, 0, adds(2, 2, 1)),
		newScene(t, "signals for one that gathers and one that waits, one dies", upTo(0, 1), upTo(1, 1), permit.Signal, 0, adds(2, 2, 1)),
	})
}
