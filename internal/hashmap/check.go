package hashmap

import (
	"fmt"
	"slices"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// Check is object.Core's. What is true of a stripe whose lock is free it verifies
// of those that stay at rest while it looks.
func (c *Core) Check(live func(slot uint32) bool) []error {
	errs := c.checkFree()
	for s := range uint32(len(c.stripes)) {
		off := c.places.stripesOff + int64(s)*stripeSize
		errs = append(errs, robust.Check(&c.stripes[s].lock, robust.Release, off, live)...)
		errs = append(errs, c.checkStripe(s)...)
	}
	return errs
}

// checkTries is how often a stripe is looked at that others change.
const checkTries = 3

// checkStripe verifies a stripe, unless others change it all the time.
func (c *Core) checkStripe(s uint32) []error {
	for range checkTries {
		before, ok := c.standing(s)
		if !ok {
			continue
		}
		mine := newMarks(c)
		errs := c.checkChains(s, before, mine)
		errs = append(errs, c.checkOwners(s, mine)...)
		if after, ok := c.standing(s); !ok || !slices.Equal(before, after) {
			continue
		}
		return errs
	}
	return nil
}

// standing returns the words of a stripe's buckets, and then its count, which
// differ after every change; false if somebody holds the lock. It looks at the lock
// first, since a change that had begun before may be over when it has the words, and
// last, since one may have begun meanwhile.
func (c *Core) standing(s uint32) ([]uint64, bool) {
	if owner, _ := c.stripes[s].lock.Owner(); owner != 0 {
		return nil, false
	}
	var words []uint64
	for b := s; b < c.places.buckets; b += c.places.stripes {
		words = append(words, c.buckets[b].Load())
	}
	words = append(words, uint64(c.stripes[s].count.Load()))
	owner, _ := c.stripes[s].lock.Owner()
	return words, owner == 0
}

// checkChains verifies the chains of a stripe, and marks the entries in them.
func (c *Core) checkChains(s uint32, heads []uint64, mine marks) []error {
	var errs []error
	count := uint32(0)
	for k := range len(heads) - 1 {
		b := s + uint32(k)*c.places.stripes
		for link := uint32(heads[k] & headMask); link != 0; link = c.entries.At(link - 1).next.Load() {
			if !c.within(link) {
				errs = append(errs, c.faultIn(faultLink, b))
				break
			}
			if !mine.set(link - 1) {
				errs = append(errs, c.faultIn(faultLoop, b))
				break
			}
			count++
			errs = append(errs, c.checkEntry(s, b, link-1)...)
		}
	}
	if want := uint64(count); heads[len(heads)-1] != want && len(errs) == 0 {
		off := c.places.stripesOff + int64(s)*stripeSize + robust.WordsSize
		errs = append(errs, mem.Corrupt("map.count", off, heads[len(heads)-1], want))
	}
	return errs
}

// checkEntry verifies an entry of chain b.
func (c *Core) checkEntry(s, b, i uint32) []error {
	var errs []error
	e := c.entries.At(i)
	off := c.places.entriesOff + int64(i)*c.places.stride
	wrong := func(field string, got, want any) {
		errs = append(errs, mem.Corrupt(field, off, got, want))
	}
	meta, busy := e.state()
	if meta&live == 0 {
		wrong("map.meta", "not live", "live, in a chain")
	}
	if busy-versionOf(meta) > 1 {
		wrong("map.busy", busy, fmt.Sprintf("%d or one more", versionOf(meta)))
	}
	if owner := c.owners[i].Load(); owner != s+1 {
		wrong("map.owner", owner, s+1)
	}
	n := e.keyLen.Load()
	if int64(n) > c.spec.KeySize || c.spec.Keys == Fixed && int64(n) != c.spec.KeySize {
		wrong("map.key", fmt.Sprintf("%d bytes", n), fmt.Sprintf("at most %d", c.spec.KeySize))
		return errs
	}
	key := make([]byte, n)
	mem.CopyBytesOut(key, c.keyOf(i))
	if hash := c.hasher.hash(key); bucketOf(hash, c.places.buckets) != b || tagOf(hash) != e.tag.Load() {
		wrong("map.key", "a key of another chain", fmt.Sprintf("one of chain %d", b))
	}
	return errs
}

// state returns an entry's meta, and a busy that fits if there is one.
func (e *entry) state() (meta, busy uint64) {
	const tries = 1000 // of two loads; writers may come in between
	for range tries {
		meta, busy = e.meta.Load(), e.busy.Load()
		if busy-versionOf(meta) <= 1 {
			break
		}
	}
	return meta, busy
}

// checkFree verifies that what is free is not live.
func (c *Core) checkFree() []error {
	var errs []error
	for i := range uint32(len(c.owners)) {
		e := c.entries.At(i)
		if meta := e.meta.Load(); meta&live != 0 && c.owners[i].Load() == 0 && e.meta.Load() == meta {
			off := c.places.entriesOff + int64(i)*c.places.stride
			errs = append(errs, mem.Corrupt("map.meta", off, "live", "not live, since it is free"))
		}
	}
	return errs
}

// checkOwners verifies that all that a stripe owns is in its chains.
func (c *Core) checkOwners(s uint32, mine marks) []error {
	var errs []error
	for i := range uint32(len(c.owners)) {
		switch owner := c.owners[i].Load(); {
		case owner == s+1 && !mine.has(i), owner > uint32(len(c.stripes)):
			off := c.places.ownersOff + int64(i)*4
			errs = append(errs, mem.Corrupt("map.owner", off, owner, "the stripe in whose chains it is"))
		}
	}
	return errs
}
