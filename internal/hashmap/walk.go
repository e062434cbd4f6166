package hashmap

import (
	"fmt"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// what a look at a chain came to.
type result uint8

const (
	absent  result = iota + 1 // the key was not there at some instant of the look
	present                   // it was, and this is its value
	moved                     // others changed the chain or the entry meanwhile
	broken                    // what no correct process writes
)

// chainChecks is after how many entries a reader looks whether it is still in the
// chain in which it began.
const chainChecks = 16

// look searches a chain for a key, and copies its value to dst.
// It returns the number of the value's bytes, or, for broken, a fault.
func (c *Core) look(key []byte, hash uint64, dst []byte) (int64, result) {
	bucket := &c.buckets[bucketOf(hash, c.places.buckets)]
	began := bucket.Load() // pairs with: hashmap.bucket (link, unlink, mendStripe)
	tag := tagOf(hash)
	link := uint32(began & headMask)
	for steps := uint32(1); link != 0; steps++ {
		if !c.within(link) {
			return int64(faultLink), brokenUnlessMoved(bucket, began)
		}
		if steps%chainChecks == 0 {
			if bucket.Load() != began {
				return 0, moved
			}
			if steps > uint32(len(c.owners)) {
				return int64(faultLoop), broken
			}
		}
		i := link - 1
		e := c.entries.At(i)
		meta := e.meta.Load() // pairs with: hashmap.meta (publish)
		if meta&live != 0 && e.tag.Load() == tag && e.keyLen.Load() == uint32(len(key)) && mem.EqualBytes(c.keyOf(i), key) {
			return c.take(e, i, versionOf(meta), dst)
		}
		link = e.next.Load()
	}
	if bucket.Load() != began { // pairs with: hashmap.bucket (link, unlink, mendStripe)
		return 0, moved
	}
	return 0, absent
}

// take copies the value that entry i had at version to dst.
func (c *Core) take(e *entry, i uint32, version uint64, dst []byte) (int64, result) {
	n := c.readCopy(dst, i, version)
	if busy := e.busy.Load(); busy-version > 1 { // pairs with: hashmap.busy (begin)
		return 0, moved
	}
	if n > c.spec.ValueSize {
		return int64(faultLength), broken
	}
	return n, present
}

// brokenUnlessMoved is for what cannot be in a chain whose word was began: it is
// broken, unless it was another chain.
func brokenUnlessMoved(bucket *satomic.Uint64, began uint64) result {
	if bucket.Load() != began {
		return moved
	}
	return broken
}

// fault is what look and collect find that no correct process writes.
type fault uint8

const (
	faultLink fault = iota
	faultLoop
	faultKey
	faultLength
	faultUnsteady
)

// faultIn returns the error for what was found in chain b.
func (c *Core) faultIn(f fault, b uint32) error {
	off := c.places.bucketsOff + int64(b)*8
	switch f {
	case faultLink:
		return mem.Corrupt("map.chain", off, "a link to no entry", fmt.Sprintf("at most %d", c.spec.Cap))
	case faultLoop:
		return mem.Corrupt("map.chain", off, "a chain without an end", fmt.Sprintf("at most %d entries", c.spec.Cap))
	case faultKey:
		return mem.Corrupt("map.key", off, "a key that is too long", fmt.Sprintf("at most %d bytes", c.spec.KeySize))
	case faultLength:
		return mem.Corrupt("map.value", off, "a value that is too long", fmt.Sprintf("at most %d bytes", c.spec.ValueSize))
	default:
		return mem.Corrupt("map.chain", off, "an entry that never rests", "busy at most one more than the version")
	}
}
