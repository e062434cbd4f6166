package hashmap

import (
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// KindID is the number of the kind "map" in the directory.
const KindID = 14

// Kind returns the kind of object "map". Its Spec is that of Spec.Pack.
func Kind() *object.Kind {
	return &object.Kind{
		ID: KindID, Name: "map", Size: size,
		Format:   func(r mem.Region, shape object.Shape) error { _, err := Attach(r, shape); return err },
		Attach:   func(r mem.Region, shape object.Shape) (object.Core, error) { return Attach(r, shape) },
		Describe: describe,
	}
}

func size(shape object.Shape) (int64, error) {
	s := Unpack(shape.Spec)
	if err := s.Validate(); err != nil {
		return 0, err
	}
	return place(s).end, nil
}

func describe(shape object.Shape) string {
	s := Unpack(shape.Spec)
	return fmt.Sprintf("cap=%d keySize=%d valueSize=%d", s.Cap, s.KeySize, s.ValueSize)
}

// Seed gives a fresh map the seed of its hash, before anybody else can see it.
func Seed(r mem.Region, seed uint64) error {
	h, err := mem.At[header](r, 0)
	if err == nil {
		h.seed.Store(seed)
	}
	return err
}

// Core is a map in a region, as any participant sees it.
type Core struct {
	spec    Spec
	places  places
	hasher  hasher
	stripes []stripe
	buckets []satomic.Uint64
	bitmap  []satomic.Uint64
	owners  []satomic.Uint32
	entries mem.Strided[entry]
	words   []satomic.Uint64 // of all entries
	region  mem.Region
}

// Attach returns the map in r.
func Attach(r mem.Region, shape object.Shape) (*Core, error) {
	s := Unpack(shape.Spec)
	if err := s.Validate(); err != nil {
		return nil, err
	}
	p := place(s)
	if r.Len() < p.end {
		return nil, fmt.Errorf("kv: %d bytes are too few for a map of %d: %w", r.Len(), p.end, fs.ErrInvalid)
	}
	h, err := mem.At[header](r, 0)
	if err != nil {
		return nil, err
	}
	c := &Core{spec: s, places: p, hasher: newHasher(h.seed.Load()), region: r}
	if c.stripes, err = mem.Slice[stripe](r, p.stripesOff, int64(p.stripes)); err != nil {
		return nil, err
	}
	if c.buckets, err = mem.Slice[satomic.Uint64](r, p.bucketsOff, int64(p.buckets)); err != nil {
		return nil, err
	}
	if c.bitmap, err = mem.Slice[satomic.Uint64](r, p.bitmapOff, p.bitmapWords); err != nil {
		return nil, err
	}
	if c.owners, err = mem.Slice[satomic.Uint32](r, p.ownersOff, s.Cap); err != nil {
		return nil, err
	}
	if c.entries, err = mem.NewStrided[entry](r, p.entriesOff, p.stride, uint32(s.Cap)); err != nil {
		return nil, err
	}
	c.words, err = mem.Slice[satomic.Uint64](r, p.entriesOff, s.Cap*p.stride/8)
	return c, err
}

// Spec returns the geometry.
func (c *Core) Spec() Spec { return c.spec }

// Stripes returns how many changes there can be at once.
func (c *Core) Stripes() uint32 { return c.places.stripes }

// stripeOf returns the stripe to which a bucket belongs.
func (c *Core) stripeOf(bucket uint32) uint32 { return bucket & (c.places.stripes - 1) }

// within reports whether link, of a bucket or an entry, is one that can be: 0, or 1
// plus an index.
func (c *Core) within(link uint32) bool { return link <= uint32(len(c.owners)) }

// keyOf returns where the key of entry i lies.
func (c *Core) keyOf(i uint32) []satomic.Uint64 {
	at := int64(i)*(c.places.stride/8) + entrySize/8
	return c.words[at : at+c.places.keyWords]
}

// copyOf returns where the copy of entry i's value is that version chooses.
func (c *Core) copyOf(i uint32, version uint64) []satomic.Uint64 {
	at := int64(i)*(c.places.stride/8) + c.places.firstCopyOff + int64(version&1)*c.places.copyWords
	return c.words[at : at+c.places.copyWords]
}

// readCopy copies a value to dst, which has room for Spec.ValueSize bytes, and
// returns how many bytes it has; more than there can be if the number is wrong.
func (c *Core) readCopy(dst []byte, i uint32, version uint64) int64 {
	words := c.copyOf(i, version)
	if c.spec.Values == Fixed {
		mem.CopyBytesOut(dst, words)
		return c.spec.ValueSize
	}
	n := words[0].Load()
	if n > uint64(c.spec.ValueSize) {
		return c.spec.ValueSize + 1
	}
	used := words[1 : 1+mem.WordsOf(int64(n))]
	mem.CopyBytesOut(dst[:n], used)
	return int64(n)
}

// writeCopy fills a copy.
func (c *Core) writeCopy(i uint32, version uint64, value []byte) {
	words := c.copyOf(i, version)
	if c.spec.Values == Encoded {
		words[0].Store(uint64(len(value)))
		words = words[1 : 1+mem.WordsOf(int64(len(value)))]
	}
	mem.CopyBytesIn(words, value)
}

// Len returns the number of entries: exact while nobody changes the map, and
// otherwise no further from what it was at any instant of the call than there were
// changes during it.
func (c *Core) Len() int {
	n := uint64(0)
	for i := range c.stripes {
		n += uint64(c.stripes[i].count.Load())
	}
	return int(min(n, uint64(c.spec.Cap)))
}
