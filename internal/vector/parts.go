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

// Load copies element i to dst, which is as long as an element. i is in range.
func (p *parts) Load(i int64, dst []byte) {
	at := p.place(i)
	if at.split == 0 {
		get(&p.words[at.word], at.at, dst)
		return
	}
	for range readRounds { // only bytes that no correct process writes bring this to its end
		for range readTries {
			if p.loadBoth(i, at, dst) {
				return
			}
		}
		runtime.Gosched()
	}
}

// loadBoth copies an element that lies in two words, unless it was disturbed.
func (p *parts) loadBoth(i int64, at place, dst []byte) bool {
	s := p.header.sequence.Load() // pairs with: vector.parts.sequence (storeBoth)
	if s%2 == 1 && p.header.index.Load() == uint64(i) {
		get(&p.header.bytes, 0, dst)
	} else {
		get(&p.words[at.word], at.at, dst[:at.split])
		get(&p.words[at.word+1], 0, dst[at.split:])
	}
	return p.header.sequence.Load() == s
}

// Store sets element i, which is in range, to src, which is as long as an
// element. It waits for other writers; it fails, with nothing changed, if the
// segment is closed meanwhile, or its lock is damaged.
func (p *Parts) Store(i int64, src []byte) error {
	at := p.place(i)
	if at.split == 0 {
		put(&p.words[at.word], at.at, src)
		return nil
	}
	if err := p.mutex.Lock(context.Background()); err != nil {
		return err
	}
	p.storeBoth(i, at, src)
	p.mutex.Drop()
	return nil
}

// StoreAll sets elements from i on, all in range, to those in src.
func (p *Parts) StoreAll(i int64, src []byte) error {
	if err := p.mutex.Lock(context.Background()); err != nil {
		return err
	}
	defer p.mutex.Drop()
	for ; int64(len(src)) >= p.size; src = src[p.size:] {
		if at := p.place(i); at.split == 0 {
			put(&p.words[at.word], at.at, src[:p.size])
		} else {
			p.storeBoth(i, at, src[:p.size])
		}
		i++
	}
	return nil
}

// storeBoth sets an element that lies in two words. The lock is held.
func (p *parts) storeBoth(i int64, at place, src []byte) {
	p.finish()
	s := p.header.sequence.Load()
	p.header.index.Store(uint64(i))
	put(&p.header.bytes, 0, src)
	p.header.sequence.Store(s + 1) // commit; pairs with: vector.parts.sequence (loadBoth)
	put(&p.words[at.word], at.at, src[:at.split])
	put(&p.words[at.word+1], 0, src[at.split:])
	p.header.sequence.Store(s + 2) // pairs with: vector.parts.sequence (loadBoth)
}

// finish does what a note says, if there is one. The lock is held, or belongs to
// a dead participant.
func (p *parts) finish() {
	s := p.header.sequence.Load()
	if s%2 == 0 {
		return
	}
	if i := p.header.index.Load(); i < uint64(p.n) {
		var b [8]byte
		get(&p.header.bytes, 0, b[:])
		if at := p.place(int64(i)); at.split != 0 {
			put(&p.words[at.word], at.at, b[:at.split])
			put(&p.words[at.word+1], 0, b[at.split:p.size])
		}
	}
	p.header.sequence.Store(s + 1)
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

// get copies the bytes of w from at on to dst.
func get(w *satomic.Uint64, at int64, dst []byte) {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], w.Load())
	copy(dst, b[at:])
}

// put sets the bytes of w from at on to src, in one step, and leaves the others
// as they are.
func put(w *satomic.Uint64, at int64, src []byte) {
	for {
		old := w.Load()
		var b [8]byte
		binary.NativeEndian.PutUint64(b[:], old)
		copy(b[at:], src)
		if w.CompareAndSwap(old, binary.NativeEndian.Uint64(b[:])) {
			return
		}
	}
}
