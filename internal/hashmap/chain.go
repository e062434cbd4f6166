package hashmap

import (
	"runtime"

	"github.com/shoal-ipc/shoal/internal/mem"
)

// Buckets returns how many chains there are, for Map.Collect.
func (c *Core) Buckets() uint32 { return c.places.buckets }

// Chain is what was in one chain: every key that was there all the time once, with
// a value that it had. It is used again and again.
type Chain struct {
	bytes []byte
	ends  []int // of key, value, key, value...
}

// Len returns the number of entries.
func (c *Chain) Len() int { return len(c.ends) / 2 }

// At returns the key and the value of entry i, which stay until the next Collect.
func (c *Chain) At(i int) (key, value []byte) {
	begin := 0
	if i > 0 {
		begin = c.ends[2*i-1]
	}
	middle, end := c.ends[2*i], c.ends[2*i+1]
	return c.bytes[begin:middle:middle], c.bytes[middle:end:end]
}

func (c *Chain) reset() { c.bytes, c.ends = c.bytes[:0], c.ends[:0] }

// grow appends n bytes and returns them.
func (c *Chain) grow(n int64) []byte {
	old := len(c.bytes)
	if spare := cap(c.bytes) - old; int64(spare) < n {
		c.bytes = append(c.bytes, make([]byte, n)...)
	}
	c.bytes = c.bytes[:old+int(n)]
	return c.bytes[old:]
}

// Collect copies what is in chain b to dst. It fails with a *mem.Corruption. The
// mapping is pinned. It waits as Load does.
func (m *Map) Collect(b uint32, dst *Chain) error {
	stripe := m.stripeOf(b)
	fault, r := m.collect(b, dst)
	for range lookRounds {
		for range lookTries {
			if r != moved {
				break
			}
			fault, r = m.collect(b, dst)
		}
		if r == moved && m.lockBriefly(stripe) {
			fault, r = m.collect(b, dst)
			m.lock(stripe).Drop()
			if r == moved {
				break
			}
		}
		switch r {
		case broken:
			return m.faultIn(fault, b)
		case moved:
			runtime.Gosched()
		default:
			m.sync.Acquire()
			return nil
		}
	}
	return m.faultIn(faultUnsteady, b)
}

// collect is look for all keys of a chain. It returns present if it has them, or
// what else it came to.
func (c *Core) collect(b uint32, dst *Chain) (fault, result) {
	dst.reset()
	bucket := &c.buckets[b]
	began := bucket.Load() // pairs with: hashmap.bucket (link, unlink, mendStripe)
	link := uint32(began & headMask)
	mark := uint32(0) // an entry that was passed: whoever comes to it again is in a loop
	for steps := 1; link != 0; steps++ {
		if !c.within(link) {
			return faultLink, brokenUnlessMoved(bucket, began)
		}
		if link == mark {
			return faultLoop, brokenUnlessMoved(bucket, began)
		}
		if steps&(steps-1) == 0 {
			mark = link
		}
		e := c.entries.At(link - 1)
		if f, r := c.copyEntry(e, link-1, dst); r > present {
			return f, r
		}
		link = e.next.Load()
	}
	if bucket.Load() != began { // pairs with: hashmap.bucket (link, unlink, mendStripe)
		return 0, moved
	}
	return 0, present
}

// copyEntry appends entry i, if it is live, to dst.
func (c *Core) copyEntry(e *entry, i uint32, dst *Chain) (fault, result) {
	meta := e.meta.Load() // pairs with: hashmap.meta (publish)
	if meta&live == 0 {
		return 0, absent
	}
	version := versionOf(meta)
	n := int64(e.keyLen.Load())
	f := faultKey
	if n <= c.spec.KeySize {
		f = faultLength
		mem.CopyBytesOut(dst.grow(n), c.keyOf(i))
		n = c.readCopy(dst.grow(c.spec.ValueSize), i, version)
	}
	if busy := e.busy.Load(); busy-version > 1 { // pairs with: hashmap.busy (begin)
		return 0, moved
	}
	if f == faultKey || n > c.spec.ValueSize {
		return f, broken
	}
	middle := len(dst.bytes) - int(c.spec.ValueSize)
	dst.bytes = dst.bytes[:middle+int(n)]
	dst.ends = append(dst.ends, middle, middle+int(n))
	return 0, present
}
