package shm

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"sync/atomic"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// view is a segment's memory with its parts in their places. It holds no
// reference that keeps the memory mapped.
type view struct {
	region       mem.Region
	geo          geometry
	header       *header
	participants []participant // slot s is at s-1
	deaths       []death
	entries      []entry
	users        []satomic.Uint64
	backend      uint32
	lifetime     Lifetime
	maxSize      int64
	// present is how many bytes of the region are known to exist, and measure
	// asks for more; nil if all do.
	present atomic.Int64
	measure func() (int64, error)
}

// fixed is what a header says once and for all.
type fixed struct {
	slots, entries int64
	maxSize        int64
	lifetime       Lifetime
	backend        uint32
}

func (f fixed) hash() uint64 {
	h := fnv.New64a()
	for _, n := range []int64{f.slots, f.entries, f.maxSize, int64(f.lifetime), int64(f.backend)} {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(n))
		h.Write(b[:])
	}
	return h.Sum64()
}

// overlay puts the parts of a segment of known geometry into their places.
func overlay(r mem.Region, f fixed) (*view, error) {
	g := newGeometry(f.slots, f.entries)
	v := &view{region: r, geo: g, backend: f.backend, lifetime: f.lifetime, maxSize: f.maxSize}
	var err error
	at := func(e error) {
		if err == nil {
			err = e
		}
	}
	var e error
	v.header, e = mem.At[header](r, 0)
	at(e)
	v.participants, e = mem.Slice[participant](r, participantsOff, g.slots)
	at(e)
	v.deaths, e = mem.Slice[death](r, g.deathsOff, deathRecords)
	at(e)
	v.entries, e = mem.Slice[entry](r, g.entriesOff, g.entries)
	at(e)
	v.users, e = mem.Slice[satomic.Uint64](r, g.usersOff, g.entries*g.userWords)
	at(e)
	return v, err
}

// identity is what makes a segment this one and no other.
type identity struct {
	id   [16]byte
	boot string
	name string
}

// format makes zeroed memory a segment that is complete but for the ready word.
func format(r mem.Region, f fixed, size int64, who identity, created int64) (*view, error) {
	v, err := overlay(r, f)
	if err != nil {
		return nil, err
	}
	h := v.header
	h.magic.Store(magic)
	h.version.Store(layoutVersion)
	h.order.Store(byteOrder)
	h.backend.Store(f.backend)
	h.slots.Store(uint32(f.slots))
	h.entries.Store(uint32(f.entries))
	h.size.Store(uint64(size))
	h.maxSize.Store(uint64(f.maxSize))
	h.heapOff.Store(uint64(v.geo.heapOff))
	h.fresh.Store(uint64(v.geo.heapOff))
	h.lifetime.Store(uint32(f.lifetime))
	h.created.Store(uint64(created))
	h.specHash.Store(f.hash())
	h.id = who.id
	satomic.Step()
	copy(h.bootID[:], who.boot)
	satomic.Step()
	copy(h.name[:], who.name)
	satomic.Step()
	return v, nil
}

// size returns the bytes committed, never more than can be touched: the number
// in the header may be anybody's, and beyond the end of the file is a fault.
func (v *view) size() int64 {
	size := int64(v.header.size.Load()) // pairs with: shm.header.size (room)
	size = min(max(size, v.geo.heapOff), v.region.Len(), v.maxSize)
	if v.measure == nil || size <= v.present.Load() {
		return size
	}
	if there, err := v.measure(); err == nil {
		v.present.Store(there)
	}
	return min(size, v.present.Load())
}

func (v *view) id() string { return string(v.header.id[:]) }

func (v *view) name() string { return cString(v.header.name[:]) }

func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// putText stores s, cut to fit and zero-padded, into the words of a text field.
func putText(words []satomic.Uint64, s string) {
	buf := make([]byte, len(words)*8)
	copy(buf, s)
	for i := range words {
		words[i].Store(binary.LittleEndian.Uint64(buf[i*8:]))
	}
}

// getText returns the text in the words of a text field, up to the first zero byte.
func getText(words []satomic.Uint64) string {
	buf := make([]byte, len(words)*8)
	for i := range words {
		binary.LittleEndian.PutUint64(buf[i*8:], words[i].Load())
	}
	return cString(buf)
}
