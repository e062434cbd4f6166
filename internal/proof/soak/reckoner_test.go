//go:build linux

package soak

import (
	"context"
	"math/rand/v2"
	"time"
)

// reckoner uses the values and arrays of a segment, and its map.
type reckoner struct {
	*park
	account
	r     *rand.Rand
	fault string
	seen  uint64 // the highest number of the value
}

func (c *reckoner) step(ctx context.Context) error {
	switch c.r.IntN(10) {
	case 0, 1:
		return c.update(ctx)
	case 2:
		return c.look(c.value.Load())
	case 3:
		moment, cancel := context.WithTimeout(ctx, time.Duration(c.r.IntN(2000))*time.Microsecond)
		defer cancel()
		x, err := c.value.Wait(moment, func(x chapter) bool { return x.Seq > c.seen })
		if err != nil {
			return err
		}
		return c.look(x)
	case 4:
		return c.count(adds, 1, func() error {
			c.number.Add(1)
			if c.fault == faultDoubles && c.r.IntN(16) == 0 {
				c.number.Add(1)
			}
			return nil
		})
	case 5:
		i := c.r.IntN(slots)
		return c.count(slotAdds, 1, func() error {
			if c.r.IntN(2) == 0 {
				c.numbers.Add(i, 1)
				return nil
			}
			for x := c.numbers.Load(i); !c.numbers.CompareAndSwap(i, x, x+1); {
				x = c.numbers.Load(i)
			}
			return nil
		})
	case 6:
		return c.copyWords()
	case 7, 8:
		return c.useMap(ctx)
	}
	x := uint64(c.r.Uint32())
	c.words.Set(c.r.IntN(slots), x<<32|x)
	return c.checkWords([]uint64{c.words.At(c.r.IntN(slots))})
}

// update goes on to the next chapter.
func (c *reckoner) update(ctx context.Context) error {
	return c.count(updates, 1, func() error {
		return c.value.Update(ctx, func(x *chapter) error {
			if *x != chapterOf(x.Seq) {
				return wrong("the value is torn: %+v", *x)
			}
			*x = chapterOf(x.Seq + 1)
			return nil
		})
	})
}

func (c *reckoner) look(x chapter) error {
	if x != chapterOf(x.Seq) {
		return wrong("the value is torn: %+v", x)
	}
	if x.Seq < c.seen {
		return wrong("the value went back from %d to %d", c.seen, x.Seq)
	}
	c.seen = x.Seq
	return nil
}

func (c *reckoner) copyWords() error {
	list := make([]uint64, 1+c.r.IntN(slots))
	at := c.r.IntN(slots)
	if c.r.IntN(2) == 0 {
		for i := range list {
			x := uint64(c.r.Uint32())
			list[i] = x<<32 | x
		}
		c.words.CopyIn(at, list)
		return nil
	}
	return c.checkWords(list[:c.words.CopyOut(at, list)])
}

func (c *reckoner) checkWords(list []uint64) error {
	for _, x := range list {
		if x>>32 != x&(1<<32-1) {
			return wrong("a word is torn: %x", x)
		}
	}
	return nil
}
