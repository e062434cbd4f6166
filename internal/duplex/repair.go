package duplex

import (
	"fmt"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// Repair is object.Core's. No memory of a pipe is ever lent to a system call, so
// everything is done in the first phase; the second repeats it.
func (c *Core) Repair(d object.Dead) {
	c.lose(d.Slot)
	for i := range c.head.ways {
		w := &c.head.ways[i]
		robust.Repair(&w.pen, policy, d)
		robust.Repair(&w.eye, policy, d)
		ringAnyway(&w.data)
		ringAnyway(&w.room)
	}
}

// Leave is object.Core's: the ends of the participant are lost, as if it had died.
func (c *Core) Leave(slot uint32) {
	c.lose(slot)
	for i := range c.head.ways {
		w := &c.head.ways[i]
		robust.Leave(&w.pen, policy, slot, 0)
		robust.Leave(&w.eye, policy, slot, 0)
		ring(&w.data)
		ring(&w.room)
	}
}

// lose ends every end that slot has, or has given away. Whoever took one over has
// made it its own by then, or does not get it any more.
func (c *Core) lose(slot uint32) {
	for i := range c.head.ends {
		owner := &c.head.ends[i].owner
		for slot != 0 {
			x := owner.Load()
			if t := title(x); !t.from(slot) || owner.CompareAndSwap(x, uint64(t.as(lost))) { // commit; pairs with: duplex.owner (mayWrite)
				break
			}
		}
	}
}

// Check is object.Core's.
func (c *Core) Check(live func(slot uint32) bool) []error {
	var errs []error
	for i := range c.head.ends {
		if err := c.checkEnd(i, live); err != nil {
			errs = append(errs, err)
		}
	}
	for i := range c.head.ways {
		w, off := &c.head.ways[i], wayAt(i)
		errs = append(errs, robust.Check(&w.pen, policy, off+offsetPen, live)...)
		errs = append(errs, robust.Check(&w.eye, policy, off+offsetEye, live)...)
		if open := w.open.Load(); open > 1 {
			errs = append(errs, mem.Corrupt("pipe.open", off+offsetOpen, open, "0 or 1"))
		}
		if err := c.checkPositions(i); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func (c *Core) checkEnd(i int, live func(slot uint32) bool) error {
	owner := &c.head.ends[i].owner
	x := owner.Load()
	t := title(x)
	off := int64(i) * mem.CacheLine
	if t.state() >= states {
		return mem.Corrupt("pipe.owner", off, t, "a state")
	}
	if t.from(t.slot()) && !live(t.slot()) && owner.Load() == x {
		return mem.Corrupt("pipe.owner", off, t, "a participant")
	}
	return nil
}

// checkPositions verifies that no more is under way than may be, if the positions
// stand still for as long as it takes to read them.
func (c *Core) checkPositions(i int) error {
	w := &c.head.ways[i]
	for range looks {
		r, p := w.readPos.Load(), w.writePos.Load()
		if w.readPos.Load() != r {
			continue
		}
		if p-r > c.limit {
			return mem.Corrupt("pipe.writePos", wayAt(i), fmt.Sprintf("%d bytes under way", p-r), fmt.Sprintf("at most %d", c.limit))
		}
		return nil
	}
	return nil // too busy to tell
}

// looks is how often a reader of several words tries to find them at rest.
const looks = 100

// wayAt returns where direction i lies.
func wayAt(i int) int64 { return offsetWays + int64(i)*waySize }

// Holds is object.Core's. To have an end is no holding: a process that ends in
// good order without closing it has not died with something in its hands.
func (c *Core) Holds(yield func(object.Hold) bool) {
	for i := range c.head.ways {
		w := &c.head.ways[i]
		if !robust.Holds(&w.pen, yield) || !robust.Holds(&w.eye, yield) {
			return
		}
	}
}

// State is object.Core's.
func (c *Core) State() string { return c.stateOf(0) + "; " + c.stateOf(1) }

// stateOf says whose an end is, and how much of what it has written was not read.
func (c *Core) stateOf(i int) string {
	out := &c.head.ways[i]
	s := ends[i] + " " + title(c.head.ends[i].owner.Load()).String()
	if under := out.writePos.Load() - out.readPos.Load(); under != 0 && under <= c.limit {
		s += fmt.Sprintf(", %d bytes under way", under)
	}
	return s
}
