package shm

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io/fs"
	"slices"

	"github.com/shoal-ipc/shoal/internal/kinds"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// record is what an entry of the directory said at one moment, checked.
type record struct {
	index      int
	generation uint32
	state      uint32
	name       string
	kind       *object.Kind
	kindID     uint32
	typ        string
	spec       object.Spec
	off, size  int64 // extent
	regionOff  int64
	created    int64
	creator    int
}

func packState(generation, state uint32) uint64 { return uint64(generation)<<32 | uint64(state) }

// read returns what entry i says, or an error if no correct process wrote it.
// A free entry is a record with that state and nothing else. It takes no lock:
// an entry that changes meanwhile is read again.
func (v *view) read(i int) (record, error) {
	e := &v.entries[i]
	for range 16 {
		state := e.state.Load() // pairs with: shm.entry.state (commit, remove, reclaim)
		r, err := v.readOnce(i, state)
		if e.state.Load() == state {
			return r, err
		}
	}
	// It changes faster than it can be read: as good as free for a looker, and
	// impossible for whoever holds the segment's lock.
	return record{index: i, state: entryFree}, nil
}

func (v *view) readOnce(i int, state uint64) (record, error) {
	e := &v.entries[i]
	r := record{index: i, generation: uint32(state >> 32), state: uint32(state)}
	base := v.geo.entriesOff + int64(i)*entrySize
	bad := func(field string, got, want any) (record, error) {
		return r, mem.Corrupt("entry."+field, base, got, want)
	}
	switch r.state {
	case entryFree:
		return r, nil
	case entryLive, entryRemoved:
	default:
		return bad("state", r.state, "0, 1 or 2")
	}
	nameLen := e.nameLen.Load()
	r.name = getText(e.name[:])
	if int(nameLen) != len(r.name) || validObjectName(r.name) != nil {
		return bad("name", r.name, "a valid name")
	}
	r.kindID = e.kind.Load()
	if r.kind = kinds.ByID(r.kindID); r.kind == nil {
		return bad("kind", r.kindID, "a known kind")
	}
	r.off, r.size = int64(e.off.Load()), int64(e.size.Load())
	if r.off < v.geo.heapOff || r.off%extentAlign != 0 || r.size <= 0 || r.off > v.size() || r.size > v.size()-r.off {
		return bad("off", fmt.Sprint(r.off, "+", r.size), "inside the heap")
	}
	typeLen := int64(e.typeLen.Load())
	r.regionOff = r.off + mem.Align(typeLen, extentAlign)
	if typeLen > maxTypeText || r.regionOff >= r.off+r.size {
		return bad("typeLen", typeLen, "inside the extent")
	}
	for k := range r.spec {
		r.spec[k] = e.spec[k].Load()
	}
	r.created, r.creator = int64(e.created.Load()), int(e.creator.Load())
	text, err := v.region.Bytes(r.off, typeLen)
	if err != nil {
		return r, err
	}
	r.typ = string(text)
	return r, nil
}

// maxTypeText bounds the description of an element type.
const maxTypeText = 64 << 10

func (v *view) shape(r record) object.Shape {
	return object.Shape{Spec: r.spec, Slots: uint32(v.geo.slots)}
}

// objectRegion returns the region of an object, checked to be as large as its kind wants.
func (v *view) objectRegion(r record) (mem.Region, error) {
	base := v.geo.entriesOff + int64(r.index)*entrySize
	need, err := r.kind.Size(v.shape(r))
	if err != nil {
		return mem.Region{}, mem.Corrupt("entry.spec", base, err, "a possible geometry")
	}
	if have := r.off + r.size - r.regionOff; need > have {
		return mem.Region{}, mem.Corrupt("entry.size", base, have, need)
	}
	return v.region.Sub(r.regionOff, need)
}

// core attaches to the object of a record.
func (v *view) core(r record) (object.Core, error) {
	region, err := v.objectRegion(r)
	if err != nil {
		return nil, err
	}
	return r.kind.Attach(region, v.shape(r))
}

// touched returns how many entries, from the first, were ever used.
func (v *view) touched() int {
	return int(min(int64(v.header.touched.Load()), v.geo.entries))
}

// find returns the live entry of that name, or fs.ErrNotExist, or what is wrong
// with the entry that bears it.
func (v *view) find(name string) (record, error) {
	var words [objectMax / 8]uint64
	var text [objectMax]byte
	copy(text[:], name)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(text[i*8:])
	}
	for i := range v.touched() {
		if !v.entries[i].names(&words) {
			continue
		}
		if r, err := v.read(i); err != nil || r.state == entryLive && r.name == name {
			return r, err
		}
	}
	return record{}, fs.ErrNotExist
}

// names reports whether e is live and has the name in words, zero-padded.
func (e *entry) names(words *[objectMax / 8]uint64) bool {
	if uint32(e.state.Load()) != entryLive {
		return false
	}
	for i := range words {
		if e.name[i].Load() != words[i] {
			return false
		}
	}
	return true
}

func (v *view) userWords(entry int) []satomic.Uint64 {
	n := int(v.geo.userWords)
	return v.users[entry*n : (entry+1)*n]
}

// uses, addUser and dropUser read and change the bit that says that participant
// slot has the object of an entry open.
func (v *view) uses(entry int, slot uint32) bool {
	return v.userWords(entry)[slot/64].Load()&(1<<(slot%64)) != 0
}

func (v *view) addUser(entry int, slot uint32) { v.userWords(entry)[slot/64].Or(1 << (slot % 64)) }
func (v *view) dropUser(entry int, slot uint32) {
	v.userWords(entry)[slot/64].And(^(uint64(1) << (slot % 64)))
}

func (v *view) hasUsers(entry int) bool {
	for i := range v.userWords(entry) {
		if v.userWords(entry)[i].Load() != 0 {
			return true
		}
	}
	return false
}

// reclaim frees the entries of removed objects that nobody has open any more.
// The caller holds the segment's lock.
func (v *view) reclaim() {
	for i := range v.touched() {
		state := v.entries[i].state.Load()
		if uint32(state) == entryRemoved && !v.hasUsers(i) {
			v.entries[i].state.Store(packState(uint32(state>>32)+1, entryFree)) // commit; pairs with: shm.entry.state (read)
		}
	}
}

// remove takes the name of an object away. The caller holds the segment's lock.
func (v *view) remove(r record) {
	v.entries[r.index].state.Store(packState(r.generation, entryRemoved)) // commit; pairs with: shm.entry.state (read)
}

// freeEntry returns an entry that names nothing.
func (v *view) freeEntry() (int, bool) {
	for i := range v.entries {
		if uint32(v.entries[i].state.Load()) == entryFree {
			return i, true
		}
	}
	return 0, false
}

// gap returns where an extent of size bytes fits below limit: the smallest gap
// that is large enough. end is where the last extent ends.
func (v *view) gap(size, limit int64) (off, end int64, ok bool) {
	type extent struct{ off, end int64 }
	var taken []extent
	for i := range v.touched() {
		// An unreadable entry may name memory that is in use: pass its extent
		// over only if it has none that could be.
		r, err := v.read(i)
		if r.state == entryFree && err == nil {
			continue
		}
		e := extent{int64(v.entries[i].off.Load()), 0}
		e.end = e.off + int64(v.entries[i].size.Load())
		if e.off >= v.geo.heapOff && e.end > e.off && e.end <= v.maxSize {
			taken = append(taken, e)
		}
	}
	slices.SortFunc(taken, func(a, b extent) int { return cmp.Compare(a.off, b.off) })
	best := int64(-1)
	at := v.geo.heapOff
	consider := func(to int64) {
		if room := to - at; room >= size && (best < 0 || room < best) {
			best, off = room, at
		}
	}
	for _, e := range taken {
		consider(min(e.off, limit)) // an entry may say that it lies beyond what there is
		at = max(at, mem.Align(e.end, extentAlign))
	}
	consider(limit)
	return off, at, best >= 0
}

// used returns the bytes of the objects and of the segment's own structures.
func (v *view) used() int64 {
	used := v.geo.heapOff
	for i := range v.touched() {
		if r, err := v.read(i); err == nil && r.state != entryFree {
			used += r.size
		}
	}
	return used
}

// blueprint describes an object that is to be made in a free entry.
type blueprint struct {
	req     object.Request
	shape   object.Shape
	region  int64 // bytes of the object's region
	size    int64 // bytes of the extent
	index   int
	off     int64
	pid     int
	created int64
	made    *object.Object
}

// build formats an object in the free extent that b names. It is invisible
// until commit: a process that dies before leaves nothing. The caller holds the
// segment's lock.
func (v *view) build(b blueprint) (mem.Region, error) {
	extent, err := v.region.Bytes(b.off, b.size)
	if err != nil {
		return mem.Region{}, err
	}
	if fresh := int64(v.header.fresh.Load()); b.off < fresh {
		clear(extent[:min(b.size, fresh-b.off)]) // memory that was another object's
	}
	if end := b.off + b.size; end > int64(v.header.fresh.Load()) {
		v.header.fresh.Store(uint64(end)) // before the first write there
	}
	satomic.Step()
	copy(extent, b.req.Type)
	satomic.Step()
	region, err := v.region.Sub(b.off+mem.Align(int64(len(b.req.Type)), extentAlign), b.region)
	if err != nil {
		return mem.Region{}, err
	}
	if err := b.req.Kind.Format(region, b.shape); err != nil {
		return mem.Region{}, err
	}
	if b.req.Init != nil {
		if err := b.req.Init(region, b.shape); err != nil {
			return mem.Region{}, err
		}
	}
	if v.touched() <= b.index {
		v.header.touched.Store(uint32(b.index) + 1)
	}
	e := &v.entries[b.index]
	e.kind.Store(b.req.Kind.ID)
	e.typeLen.Store(uint32(len(b.req.Type)))
	e.off.Store(uint64(b.off))
	e.size.Store(uint64(b.size))
	for i := range e.spec {
		e.spec[i].Store(b.shape.Spec[i])
	}
	e.created.Store(uint64(b.created))
	e.creator.Store(uint32(b.pid))
	e.nameLen.Store(uint32(len(b.req.Name)))
	putText(e.name[:], b.req.Name)
	for i := range v.userWords(b.index) {
		v.userWords(b.index)[i].Store(0)
	}
	return region, nil
}

// commit makes a built object visible.
func (v *view) commit(index int) {
	e := &v.entries[index]
	generation := uint32(e.state.Load() >> 32)
	e.state.Store(packState(generation, entryLive)) // commit; pairs with: shm.entry.state (read)
}
