package hashmap

import "github.com/shoal-ipc/shoal/internal/mem"

// BucketOf returns the bucket of a key.
func (c *Core) BucketOf(key string) uint32 {
	return bucketOf(c.hasher.hash([]byte(key)), c.places.buckets)
}

// Hash returns the hash of a key.
func Hash(seed uint64, key string) uint64 { return newHasher(seed).hash([]byte(key)) }

// Placed returns where the parts of a map lie.
func Placed(s Spec) (buckets, stripes uint32, stride, end int64) {
	p := place(s)
	return p.buckets, p.stripes, p.stride, p.end
}

// Bits returns how many bits of the bitmap are set.
func (c *Core) Bits() int {
	n := 0
	for i := range uint32(len(c.owners)) {
		n += int(c.bitmap[i/64].Load() >> (i % 64) & 1)
	}
	return n
}

// NextBucket is nextBucket.
func NextBucket(x uint64, head uint32) uint64 { return nextBucket(x, head) }

// Unsettle makes the entries of a chain such that no reader finds one at rest.
func (c *Core) Unsettle(bucket uint32) {
	for link := uint32(c.buckets[bucket].Load() & headMask); link != 0; link = c.entries.At(link - 1).next.Load() {
		c.entries.At(link - 1).busy.Add(7)
	}
}

// Tie makes a loop of a chain.
func (c *Core) Tie(bucket uint32) {
	first := uint32(c.buckets[bucket].Load() & headMask)
	c.entries.At(first - 1).next.Store(first)
}

// Lead makes the chain of a bucket begin with link.
func (c *Core) Lead(bucket, link uint32) {
	c.buckets[bucket].Store(nextBucket(c.buckets[bucket].Load(), link))
}

// SetLength says that the current copy of the first entry of a chain has n bytes.
func (c *Core) SetLength(bucket uint32, n uint64) {
	i := uint32(c.buckets[bucket].Load()&headMask) - 1
	c.copyOf(i, versionOf(c.entries.At(i).meta.Load()))[0].Store(n)
}

// Revive makes all entries live, whether they are free or not.
func (c *Core) Revive() {
	for i := range uint32(len(c.owners)) {
		c.entries.At(i).meta.Or(live)
	}
}

// PublishFirst is Store of a new key with a planted fault: the entry is live before
// it is whole.
func (m *Map) PublishFirst(key, value []byte) {
	hash := m.hasher.hash(key)
	bucket := bucketOf(hash, m.places.buckets)
	i, _ := m.claim(m.stripeOf(bucket))
	e := m.entries.At(i)
	version := e.begin()
	e.tag.Store(tagOf(hash))
	e.keyLen.Store(uint32(len(key)))
	mem.CopyBytesIn(m.keyOf(i), key)
	e.publish(version, nil)
	m.link(bucket, i)
	m.writeCopy(i, version, value)
}

// ReplaceSilently is a Store of a key that is there with a planted fault: it does
// not say that it writes.
func (m *Map) ReplaceSilently(key, value []byte) {
	s, err := m.find(key, m.hasher.hash(key))
	if err != nil {
		panic(err)
	}
	e := m.entries.At(s.index())
	version := versionOf(e.meta.Load()) + 1
	m.writeCopy(s.index(), version, value)
	e.publish(version, nil)
	e.busy.Store(version)
}

// FreeFirst is Delete with a planted fault: the entry is free before its chain has
// changed.
func (m *Map) FreeFirst(key []byte) {
	s, err := m.find(key, m.hasher.hash(key))
	if err != nil {
		panic(err)
	}
	e := m.entries.At(s.index())
	version := e.begin()
	e.meta.Store(version * oneVersion)
	m.free(s.index())
	m.unlink(s)
	st := &m.stripes[m.stripeOf(s.bucket)]
	st.count.Store(st.count.Load() - 1)
}
