package vector

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// parts is the elements of 3, 5, 6 or 7 bytes. Go lays them out without gaps, so
// that some of them lie in two words, and no store covers these. Those that lie
// in one word are read and written with it.
//
// A writer of an element in two words, alone by a lock, first notes which one it
// is and what it becomes. The note takes effect by one store that makes sequence
// odd; from then on the element is what the note says. The writer then fills both
// words and makes sequence even:
//
//	dies after               survivors see     outcome
//	the lock, index, bytes   the old element   repair frees the lock
//	sequence odd             the new element,  repair fills the words and frees the lock
//	                         by the note
//	sequence even            the new element   repair frees the lock
//
// Readers take no lock: they read both words, or the note, and start again if
// sequence has changed meanwhile.
type parts struct {
	header *header
	words  []satomic.Uint64
	size   int64 // bytes of an element
	n      int64 // elements
}

// Parts is this process's side of the elements of 3, 5, 6 or 7 bytes.
type Parts struct {
	parts
	mutex *robust.Mutex
}

// HasParts reports whether elements of size bytes need Parts to be whole.
func HasParts(size int64) bool { return size == 3 || size == 5 || size == 6 || size == 7 }

// Parts returns this process's side of the array's elements.
func (c *Core) Parts(use *object.Use, obj *object.Object) *Parts {
	return &Parts{parts: c.parts, mutex: robust.New(&c.header.partsLock, robust.Release, use, obj)}
}

// place is where an element lies: in word, from byte at on, and, if split is not
// 0, from its byte split on in the next word.
type place struct{ word, at, split int64 }

func (p *parts) place(i int64) place {
	off := i * p.size
	at := place{word: off / 8, at: off % 8}
	if at.at+p.size > 8 {
		at.split = 8 - at.at
	}
	return at
}

const (
	readTries  = 64 // before the processor is yielded
	readRounds = 1 << 14
)

// Load returns the bytes of element i, which is in range; the first is the lowest.
func (p *parts) Load(i int64) uint64 {
	at := p.place(i)
	if at.split == 0 {
		return get(&p.words[at.word]) >> (8 * at.at)
	}
	var x uint64
	for range readRounds { // only bytes that no correct process writes bring this to its end
		for range readTries {
			var ok bool
			if x, ok = p.loadBoth(i, at); ok {
				return x
			}
		}
		runtime.Gosched()
	}
	return x
}

// loadBoth returns an element that lies in two words, unless it was disturbed.
func (p *parts) loadBoth(i int64, at place) (x uint64, ok bool) {
	s := p.header.sequence.Load() // pairs with: vector.parts.sequence (storeBoth)
	if s%2 == 1 && p.header.index.Load() == uint64(i) {
		x = p.header.bytes.Load()
	} else {
		x = get(&p.words[at.word])>>(8*at.at) | get(&p.words[at.word+1])<<(8*at.split)
	}
	return x, p.header.sequence.Load() == s
}

// Store sets element i, which is in range, to bytes as Load returns them. It
// waits for other writers; it fails, with nothing changed, if the segment is
// closed meanwhile, or its lock is damaged.
func (p *Parts) Store(i int64, x uint64) error {
	if p.place(i).split == 0 {
		p.Put(i, x)
		return nil
	}
	if err := p.Lock(); err != nil {
		return err
	}
	p.Put(i, x)
	p.Unlock()
	return nil
}

// Lock begins a series of Puts. It waits for other writers, and fails as Store does.
func (p *Parts) Lock() error { return p.mutex.Lock(context.Background()) }

// Unlock ends it.
func (p *Parts) Unlock() { p.mutex.Drop() }

// Put is Store with the lock held.
func (p *Parts) Put(i int64, x uint64) {
	x &= p.mask()
	if at := p.place(i); at.split == 0 {
		put(&p.words[at.word], p.mask()<<(8*at.at), x<<(8*at.at))
	} else {
		p.storeBoth(i, at, x)
	}
}

// mask has all bits of an element.
func (p *parts) mask() uint64 { return 1<<(8*p.size) - 1 }

// storeBoth sets an element that lies in two words. The lock is held.
func (p *parts) storeBoth(i int64, at place, x uint64) {
	p.finish()
	s := p.header.sequence.Load()
	p.header.index.Store(uint64(i))
	p.header.bytes.Store(x)
	p.header.sequence.Store(s + 1) // commit; pairs with: vector.parts.sequence (loadBoth)
	p.fill(at, x)
	p.header.sequence.Store(s + 2) // commit; pairs with: vector.parts.sequence (loadBoth)
}

// fill writes both words of an element.
func (p *parts) fill(at place, x uint64) {
	put(&p.words[at.word], p.mask()<<(8*at.at), x<<(8*at.at))
	put(&p.words[at.word+1], p.mask()>>(8*at.split), x>>(8*at.split))
}

// finish does what a note says, if there is one. The lock is held, or belongs to
// a dead participant.
func (p *parts) finish() {
	s := p.header.sequence.Load()
	if s%2 == 0 {
		return
	}
	if i := p.header.index.Load(); i < uint64(p.n) {
		if at := p.place(int64(i)); at.split != 0 {
			p.fill(at, p.header.bytes.Load()&p.mask())
		}
	}
	p.header.sequence.Store(s + 1) // commit; pairs with: vector.parts.sequence (loadBoth)
}

// repair finishes what the dead participant d began.
func (p *parts) repair(d object.Dead) {
	owned := false
	robust.Holds(&p.header.partsLock, func(h object.Hold) bool {
		owned = h.Slot == d.Slot
		return false
	})
	if owned && HasParts(p.size) {
		p.finish()
	}
	robust.Repair(&p.header.partsLock, robust.Release, d)
}

func (p *parts) check(live func(slot uint32) bool) []error {
	errs := robust.Check(&p.header.partsLock, robust.Release, partsLockOff, live)
	if !HasParts(p.size) {
		return errs
	}
	s, i := p.header.sequence.Load(), p.header.index.Load()
	if s%2 == 1 && p.header.sequence.Load() == s && i >= uint64(p.n) {
		errs = append(errs, mem.Corrupt("array.index", indexOff, i, fmt.Sprintf("less than %d", p.n)))
	}
	return errs
}

// get returns the bytes of w; the first is the lowest.
func get(w *satomic.Uint64) uint64 { return ordered(w.Load()) }

// put sets the bits of w that are in mask to those of x, which has no others.
func put(w *satomic.Uint64, mask, x uint64) {
	for {
		old := w.Load()
		if w.CompareAndSwap(old, ordered(ordered(old)&^mask|x)) {
			return
		}
	}
}

// ordered makes the first byte of a word in memory the lowest of a number, and
// the other way round.
func ordered(w uint64) uint64 {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], w)
	return binary.LittleEndian.Uint64(b[:])
}
