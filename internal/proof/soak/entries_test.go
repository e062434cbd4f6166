//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/kv"
	"github.com/shoal-ipc/shoal/shm"
)

// The map of a segment has keys that stay once they are there, whose numbers are
// added to, and keys that come and go. It is often full.
const (
	mapRoom  = 24
	counters = 8
	passers  = 32
)

func counterKey(i int) string { return fmt.Sprint("counter ", i) }

func passerKey(i int) string { return fmt.Sprint("passer ", i) }

// passer returns a value that tells for which key it was made.
func passer(i int, n uint64) chapter { return chapterOf(n<<8 | uint64(i)) }

// useMap does one thing with the map.
func (c *reckoner) useMap(ctx context.Context) error {
	i := c.r.IntN(passers)
	key := passerKey(i)
	switch c.r.IntN(8) {
	case 0, 1, 2:
		return c.count(mapAdds, 1, func() error { return c.addToMap(ctx, counterKey(c.r.IntN(counters))) })
	case 3:
		return c.entries.Store(ctx, key, passer(i, uint64(c.r.Uint32())))
	case 4:
		return c.entries.Delete(ctx, key)
	case 5:
		x, err := c.entries.LoadAndDelete(ctx, key)
		return judgeEntry(key, x, err)
	case 6:
		x, _, err := c.entries.LoadOrStore(ctx, key, passer(i, 7))
		return judgeEntry(key, x, err)
	}
	if c.r.IntN(4) != 0 {
		x, err := c.entries.Load(key)
		return judgeEntry(key, x, err)
	}
	_, err := checkEntries(c.entries)
	return err
}

func (c *reckoner) addToMap(ctx context.Context, key string) error {
	return c.entries.Update(ctx, key, func(x *chapter, found bool) error {
		if found && *x != chapterOf(x.Seq) {
			return wrong("%s is torn: %+v", key, *x)
		}
		*x = chapterOf(x.Seq + 1)
		return nil
	})
}

// judgeEntry says what is wrong with a value, and passes on an error, unless the
// key was not there.
func judgeEntry(key string, x chapter, err error) error {
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var i int
	if _, err := fmt.Sscanf(key, "passer %d", &i); err == nil && x.Seq&255 != uint64(i) {
		return wrong("%s has the value of another key: %+v", key, x)
	}
	if x != chapterOf(x.Seq) {
		return wrong("%s is torn: %+v", key, x)
	}
	return nil
}

// checkEntries goes through a map, and returns what the counters come to.
func checkEntries(m *kv.Map[string, chapter]) (sum int64, err error) {
	seen := map[string]bool{}
	for e, err := range m.All() {
		if err == nil {
			err = judgeEntry(e.Key, e.Value, nil)
		}
		if err == nil && seen[e.Key] {
			err = wrong("%s comes twice", e.Key)
		}
		if err != nil {
			return 0, err
		}
		seen[e.Key] = true
		var i int
		if _, err := fmt.Sscanf(e.Key, "counter %d", &i); err == nil {
			sum += int64(e.Value.Seq)
		}
	}
	return sum, nil
}

// settleMap compares the map with what was counted, and fills it.
func settleMap(ctx context.Context, p *park, total sum) error {
	have, err := checkEntries(p.entries)
	if err != nil {
		return err
	}
	if !total.allows(have) {
		return fmt.Errorf("the counters of the map were added to %+v times, and come to %d", total, have)
	}
	n := 0
	for _, err := range p.entries.All() {
		if err != nil {
			return err
		}
		n++
	}
	if n != p.entries.Len() || n > mapRoom { // at rest: who goes through a map in use may see more, one after the other
		return fmt.Errorf("the map has %d entries, and Len is %d", n, p.entries.Len())
	}
	for i := range mapRoom - n + 1 {
		err := p.entries.Store(ctx, fmt.Sprint("filler ", i), chapterOf(0))
		if full := i == mapRoom-n; errors.Is(err, shm.ErrNoSpace) != full || !full && err != nil {
			return fmt.Errorf("the map has room for %d more, and the next one is: %w", i, err)
		}
	}
	return nil
}
