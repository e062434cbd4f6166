package barrier

import (
	"errors"

	"github.com/shoal-ipc/shoal/internal/cell"
)

// ErrBroken is returned by Wait; package lock exports it.
var ErrBroken = errors.New("lock: broken barrier")

// errGathers says that a generation is not over.
var errGathers = errors.New("lock: barrier gathers")

func (c *Core) load() phase { return phase(c.head.phase.Load()) } // pairs with: barrier.phase (swap)

func (c *Core) swap(old, next phase) bool {
	return c.head.phase.CompareAndSwap(uint64(old), uint64(next)) // commit; pairs with: barrier.phase (load)
}

// tell wakes all who wait, after the phase changed.
func (c *Core) tell() {
	if cell.Flagged(&c.head.bell) {
		cell.Notify(&c.head.bell)
	}
}

// arrive has slot come to the generation that gathers. It returns which one that
// was, and how many came before.
func (c *Core) arrive(slot uint32) (generation, int, error) {
	for {
		p := c.load()
		switch n := p.arrived(); {
		case p.broken():
			return 0, 0, ErrBroken
		case n >= c.parties:
			return 0, 0, c.corrupt(p)
		case n == c.parties-1:
			if c.swap(p, p.nextRound()) {
				c.tell()
				return p.generation(), n, nil
			}
		case c.announce(slot, p.generation()) && c.swap(p, p+oneArrival):
			return p.generation(), n, nil
		}
	}
}

// announce names the generation that slot is about to come to. It fails if that
// one is over, or another goroutine was quicker.
func (c *Core) announce(slot uint32, g generation) bool {
	j := c.joined[slot].Load()
	if j == g.joins() {
		return true
	}
	// If g is still the one that gathers, what was there before is older: so the
	// word never goes back.
	return c.load().generation() == g && c.joined[slot].CompareAndSwap(j, g.joins()) // commit; pairs with: barrier.joined (Repair)
}

// outcome returns nil if generation g was passed, ErrBroken if it was broken, and
// errGathers if neither.
func (c *Core) outcome(g generation) error {
	p := c.load()
	now := p.generation()
	switch {
	case now == g && p.broken():
		return ErrBroken
	case now == g:
		return errGathers
	case now.era() == g.era():
		return nil
	}
	era, round, ok := readEnding(c.head.ended[g.era()%eras].Load())
	if ok && era == g.era() && round != g.round() {
		return nil
	}
	return ErrBroken // or so many eras ago that nobody knows
}

// shatter breaks generation g if it is not over, and returns its outcome.
func (c *Core) shatter(g generation) error {
	for {
		p := c.load()
		if p.generation() != g || p.broken() {
			return c.outcome(g)
		}
		if c.swap(p, p|brokenBit) {
			c.tell()
			return ErrBroken
		}
	}
}

// abort breaks the generation that gathers.
func (c *Core) abort() {
	for {
		p := c.load()
		if p.broken() || c.swap(p, p|brokenBit) {
			break
		}
	}
	c.tell() // also if it was broken: who broke it may be stopped
}

// reset ends the era, unless nobody waits and nothing is broken.
func (c *Core) reset() {
	era := c.load().generation().era()
	for {
		p := c.load()
		if p.generation().era() != era || !p.broken() && p.arrived() == 0 {
			break // as new, by somebody else's Reset or all by itself
		}
		if !p.broken() {
			c.swap(p, p|brokenBit)
			continue
		}
		c.record(p.generation())
		if c.swap(p, p.nextEra()) {
			break
		}
	}
	c.tell()
}

// record writes down in which generation its era was broken.
func (c *Core) record(g generation) {
	e := &c.head.ended[g.era()%eras]
	x := e.Load()
	if era, _, ok := readEnding(x); !ok || int16(g.era()-era) > 0 {
		e.CompareAndSwap(x, g.ending()) // if it fails, somebody else has written the same, or a later era
	}
}
