// Package satomic holds the atomic words of shared memory. They are those of
// sync/atomic, sequentially consistent; with the build tag shmcheck a hook runs
// before and after each operation, which is how tests kill a process, or switch
// to another goroutine, at every step of an algorithm.
package satomic

import "sync/atomic"

// Uint32 is a 32-bit word of shared memory. It is not copied.
type Uint32 struct{ v atomic.Uint32 }

// Load returns the word.
func (w *Uint32) Load() uint32 {
	before()
	x := w.v.Load()
	after()
	return x
}

// Store sets the word to x.
func (w *Uint32) Store(x uint32) {
	before()
	store32(&w.v, x)
	after()
}

// CompareAndSwap sets the word to x if it is old, and reports whether it was.
func (w *Uint32) CompareAndSwap(old, x uint32) bool {
	before()
	ok := w.v.CompareAndSwap(old, x)
	after()
	return ok
}

// Swap sets the word to x and returns what it was.
func (w *Uint32) Swap(x uint32) uint32 {
	before()
	old := w.v.Swap(x)
	after()
	return old
}

// Add adds delta to the word and returns the sum.
func (w *Uint32) Add(delta uint32) uint32 {
	before()
	x := w.v.Add(delta)
	after()
	return x
}

// And clears the bits of the word that are not in mask, and returns what it was.
func (w *Uint32) And(mask uint32) uint32 {
	before()
	old := w.v.And(mask)
	after()
	return old
}

// Or sets the bits of mask in the word, and returns what it was.
func (w *Uint32) Or(mask uint32) uint32 {
	before()
	old := w.v.Or(mask)
	after()
	return old
}

// Uint64 is a 64-bit word of shared memory. It is not copied.
type Uint64 struct{ v atomic.Uint64 }

// Load returns the word.
func (w *Uint64) Load() uint64 {
	before()
	x := w.v.Load()
	after()
	return x
}

// Store sets the word to x.
func (w *Uint64) Store(x uint64) {
	before()
	store64(&w.v, x)
	after()
}

// CompareAndSwap sets the word to x if it is old, and reports whether it was.
func (w *Uint64) CompareAndSwap(old, x uint64) bool {
	before()
	ok := w.v.CompareAndSwap(old, x)
	after()
	return ok
}

// Swap sets the word to x and returns what it was.
func (w *Uint64) Swap(x uint64) uint64 {
	before()
	old := w.v.Swap(x)
	after()
	return old
}

// Add adds delta to the word and returns the sum.
func (w *Uint64) Add(delta uint64) uint64 {
	before()
	x := w.v.Add(delta)
	after()
	return x
}

// And clears the bits of the word that are not in mask, and returns what it was.
func (w *Uint64) And(mask uint64) uint64 {
	before()
	old := w.v.And(mask)
	after()
	return old
}

// Or sets the bits of mask in the word, and returns what it was.
func (w *Uint64) Or(mask uint64) uint64 {
	before()
	old := w.v.Or(mask)
	after()
	return old
}
