package shm

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"

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
	copy(h.bootID[:], who.boot)
	copy(h.name[:], who.name)
	return v, nil
}

// readHeader checks the header of a file of fileSize bytes, of which r maps at
// least the first page, and returns what it fixes. Nothing else of the file is
// touched before this.
func readHeader(r mem.Region, fileSize int64, name string) (fixed, error) {
	corrupt := func(field string, off int64, got, want any) error {
		return corruptSegment(name, mem.Corrupt(field, off, got, want))
	}
	h, err := mem.At[header](r, 0)
	if err != nil || fileSize < headerSize {
		return fixed{}, corrupt("file size", 0, fileSize, "at least one page")
	}
	if got := h.magic.Load(); got != magic {
		return fixed{}, corrupt("header.magic", 0, got, uint64(magic))
	}
	if got := h.order.Load(); got != byteOrder {
		return fixed{}, &IncompatibleError{Segment: name, Field: "byte order", Have: hexNum(got), Want: hexNum(byteOrder)}
	}
	if got := h.version.Load(); got != layoutVersion {
		return fixed{}, &IncompatibleError{Segment: name, Field: "layout version", Have: num(got), Want: num(layoutVersion)}
	}
	if got := h.ready.Load(); got != readyMark { // pairs with: shm.header.ready (initialize)
		return fixed{}, corrupt("header.ready", 16, got, uint64(readyMark))
	}
	f := fixed{
		slots:    int64(h.slots.Load()),
		entries:  int64(h.entries.Load()),
		maxSize:  int64(h.maxSize.Load()),
		lifetime: Lifetime(h.lifetime.Load()),
		backend:  h.backend.Load(),
	}
	if f.slots < 1 || f.slots > maxSlots {
		return fixed{}, corrupt("header.slots", 32, f.slots, "1 to 4095")
	}
	if f.entries < 1 || f.entries > maxEntries {
		return fixed{}, corrupt("header.entries", 36, f.entries, "1 to 1024")
	}
	if got, want := h.specHash.Load(), f.hash(); got != want {
		return fixed{}, corrupt("header.specHash", 104, got, want)
	}
	if f.lifetime < LastUser || f.lifetime > Persistent {
		return fixed{}, corrupt("header.lifetime", 72, f.lifetime, "1 to 3")
	}
	g := newGeometry(f.slots, f.entries)
	if got := int64(h.heapOff.Load()); got != g.heapOff {
		return fixed{}, corrupt("header.heapOff", 56, got, g.heapOff)
	}
	size := int64(h.size.Load())
	if size < g.heapOff || size > f.maxSize {
		return fixed{}, corrupt("header.size", 40, size, "between heapOff and maxSize")
	}
	if fileSize < size {
		return fixed{}, corrupt("file size", 0, fileSize, size)
	}
	return f, nil
}

// size returns the bytes committed, never more than the mapping can hold.
func (v *view) size() int64 {
	return min(max(int64(v.header.size.Load() /* pairs with: shm.header.size (room) */), v.geo.heapOff), v.region.Len(), v.maxSize)
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
