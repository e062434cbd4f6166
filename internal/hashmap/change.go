package hashmap

import (
	"fmt"
	"math/bits"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/race"
)

// What follows is for who holds the lock of the stripe: nobody else changes its
// chains.

// spot is where a key is in its chain, or that it is not there.
type spot struct {
	bucket uint32
	prev   uint32 // link to the entry before; 0: it is the first
	link   uint32 // link to the entry; 0: there is none
}

func (s spot) index() uint32 { return s.link - 1 }

// hashed is a key and its hash.
type hashed struct {
	key  []byte
	hash uint64
}

// find searches a chain for a key.
func (c *Core) find(key []byte, hash uint64) (spot, error) {
	s := spot{bucket: bucketOf(hash, c.places.buckets)}
	tag := tagOf(hash)
	s.link = uint32(c.buckets[s.bucket].Load() & headMask)
	for steps := 0; s.link != 0; steps++ {
		switch {
		case !c.within(s.link):
			return s, c.faultIn(faultLink, s.bucket)
		case steps == len(c.owners):
			return s, c.faultIn(faultLoop, s.bucket)
		}
		i := s.index()
		e := c.entries.At(i)
		if e.tag.Load() == tag && e.meta.Load()&live != 0 && e.keyLen.Load() == uint32(len(key)) && mem.EqualBytes(c.keyOf(i), key) {
			return s, nil
		}
		s.prev, s.link = s.link, e.next.Load()
	}
	return s, nil
}

// begin returns the next version of an entry, having said that it is written.
func (e *entry) begin() uint64 {
	version := versionOf(e.meta.Load()) + 1
	e.busy.Store(version) // commit; pairs with: hashmap.busy (take)
	return version
}

// publish makes version that of a live entry.
func (e *entry) publish(version uint64, sync *race.Token) {
	sync.Release()
	e.meta.Store(version*oneVersion | live) // commit; pairs with: hashmap.meta (look)
}

// replace makes value that of entry i.
func (c *Core) replace(i uint32, value []byte, sync *race.Token) {
	e := c.entries.At(i)
	version := e.begin()
	c.writeCopy(i, version, value)
	e.publish(version, sync)
}

// insert adds a key that is not in the chain of s, in entry i, which was claimed.
func (c *Core) insert(s spot, i uint32, k hashed, value []byte, sync *race.Token) {
	e := c.entries.At(i)
	version := e.begin()
	e.tag.Store(tagOf(k.hash))
	e.keyLen.Store(uint32(len(k.key)))
	mem.CopyBytesIn(c.keyOf(i), k.key)
	c.writeCopy(i, version, value)
	c.link(s.bucket, i)
	e.publish(version, sync)
	st := &c.stripes[c.stripeOf(s.bucket)]
	st.count.Store(st.count.Load() + 1)
}

// link makes entry i, which is not live yet, the first of a chain.
func (c *Core) link(bucket, i uint32) {
	x := c.buckets[bucket].Load()
	c.entries.At(i).next.Store(uint32(x & headMask))
	c.buckets[bucket].Store(nextBucket(x, i+1)) // commit; pairs with: hashmap.bucket (look)
}

// remove deletes the entry at s.
func (c *Core) remove(s spot, sync *race.Token) {
	e := c.entries.At(s.index())
	version := e.begin()
	sync.Release()
	e.meta.Store(version * oneVersion) // commit; pairs with: hashmap.meta (look)
	c.unlink(s)
	st := &c.stripes[c.stripeOf(s.bucket)]
	st.count.Store(st.count.Load() - 1)
	c.free(s.index())
	c.countFreed(st)
	if hint := s.index()/64 + 1; st.hint.Load() != hint {
		st.hint.Store(hint)
	}
}

// unlink takes the entry at s, which is not live any more, out of its chain. Its
// own next stays: readers may be there.
func (c *Core) unlink(s spot) {
	next := c.entries.At(s.index()).next.Load() & headMask
	bucket := &c.buckets[s.bucket]
	x := bucket.Load()
	head := uint32(x & headMask)
	if s.prev == 0 {
		head = next
	} else {
		c.entries.At(s.prev - 1).next.Store(next)
	}
	bucket.Store(nextBucket(x, head)) // commit; pairs with: hashmap.bucket (look)
}

// free lets others have entry i, which is in no chain.
func (c *Core) free(i uint32) {
	c.owners[i].Store(0) // commit; pairs with: hashmap.owner (claim)
	c.clearBit(i)
}

// clearBit lets claim find entry i.
func (c *Core) clearBit(i uint32) {
	word, bit := &c.bitmap[i/64], uint64(1)<<(i%64)
	if word.Load()&bit != 0 {
		word.And(^bit)
	}
}

// countFreed says that entries of a stripe became free, after the last one did. The
// caller holds its lock, or repairs for who does.
func (c *Core) countFreed(st *stripe) {
	st.freed.Store(st.freed.Load() + 1) // commit; pairs with: hashmap.freed (claim)
}

// freed returns a number that differs if an entry became free since it was last
// asked for.
func (c *Core) freed() (n uint32) {
	for i := range c.stripes {
		n += c.stripes[i].freed.Load() // pairs with: hashmap.freed (countFreed)
	}
	return n
}

// claimLooks is how often claim looks at all entries; more often only if entries are
// freed all the time and each is taken before it comes to it.
const claimLooks = 1000

// claim takes a free entry for a stripe, and reports whether there was one. One look
// that finds none does not say that: entries that it has passed may have become free
// before others were taken that it had not come to. But if none became free during a
// look, all were taken at its end, or are being deleted.
func (c *Core) claim(stripe uint32) (uint32, bool) {
	if i, ok := c.claimOnce(stripe); ok {
		return i, true
	}
	before := c.freed()
	for range claimLooks {
		if i, ok := c.claimOnce(stripe); ok {
			return i, true
		}
		now := c.freed()
		if now == before {
			break
		}
		before = now
	}
	return 0, false
}

// claimOnce takes the first free entry that it comes to.
func (c *Core) claimOnce(stripe uint32) (uint32, bool) {
	st := &c.stripes[stripe]
	words := uint32(len(c.bitmap))
	hint := st.hint.Load()
	start := (hint - 1) % words
	if hint == 0 { // the first one: each stripe begins somewhere else
		start = uint32(uint64(stripe) * uint64(words) / uint64(len(c.stripes)))
	}
	for k := range words {
		w := (start + k) % words
		for free := ^c.bitmap[w].Load(); free != 0; free &= free - 1 {
			i := w*64 + uint32(bits.TrailingZeros64(free))
			if i >= uint32(len(c.owners)) {
				break
			}
			if !c.owners[i].CompareAndSwap(0, stripe+1) { // pairs with: hashmap.owner (free)
				continue
			}
			c.bitmap[w].Or(1 << (i % 64))
			if hint != w+1 {
				st.hint.Store(w + 1)
			}
			return i, true
		}
	}
	return 0, false
}

// Space reports that something does not fit.
type Space struct { //nolint:errname // shm.SpaceError is the error that users see
	Need, Free int64
	Limit      string
}

func (e *Space) Error() string {
	return fmt.Sprintf("kv: no space: need %d, have %d (limit: %s)", e.Need, e.Free, e.Limit)
}

func (c *Core) errFull() error {
	return &Space{Need: 1, Free: 0, Limit: fmt.Sprintf("Cap of %d entries", c.spec.Cap)}
}

// fits returns a *Space if a key, or a value, is too long.
func (c *Core) fits(key, value int) error {
	switch {
	case int64(key) > c.spec.KeySize:
		return &Space{Need: int64(key), Free: c.spec.KeySize, Limit: "KeySize"}
	case int64(value) > c.spec.ValueSize:
		return &Space{Need: int64(value), Free: c.spec.ValueSize, Limit: "ValueSize"}
	}
	return nil
}
