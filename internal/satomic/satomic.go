// Package satomic holds the atomic words of shared memory. They are those of
// sync/atomic, sequentially consistent; with the build tag shmcheck a hook runs
// before and after each operation, which is how tests kill a process, or switch
// to another goroutine, at every step of an algorithm.
package satomic

import "sync/atomic"

// The methods call functions of sync/atomic, not methods, and no others of this
// package: a function that the compiler takes into its caller leaves an empty
// instruction behind where no other stands for the call, and some of those
// together cost more than an operation that is one instruction.

// Direct says that in this build every operation is one of sync/atomic with
// nothing around it.
const Direct = !Checked && !exchange

// Uint32 is a 32-bit word of shared memory. It is not copied.
type Uint32 struct {
	_ [0]atomic.Uint32 // for its alignment, and because it is not copied either
	v uint32
}

// Load returns the word.
func (w *Uint32) Load() uint32 {
	if Checked {
		before()
	}
	x := atomic.LoadUint32(&w.v)
	if Checked {
		after()
	}
	return x
}

// Store sets the word to x.
func (w *Uint32) Store(x uint32) {
	if Checked {
		before()
	}
	if exchange {
		atomic.SwapUint32(&w.v, x)
	} else {
		atomic.StoreUint32(&w.v, x)
	}
	if Checked {
		after()
	}
}

// CompareAndSwap sets the word to x if it is old, and reports whether it was.
func (w *Uint32) CompareAndSwap(old, x uint32) bool {
	if Checked {
		before()
	}
	ok := atomic.CompareAndSwapUint32(&w.v, old, x)
	if Checked {
		after()
	}
	return ok
}

// Swap sets the word to x and returns what it was.
func (w *Uint32) Swap(x uint32) uint32 {
	if Checked {
		before()
	}
	old := atomic.SwapUint32(&w.v, x)
	if Checked {
		after()
	}
	return old
}

// Add adds delta to the word and returns the sum.
func (w *Uint32) Add(delta uint32) uint32 {
	if Checked {
		before()
	}
	x := atomic.AddUint32(&w.v, delta)
	if Checked {
		after()
	}
	return x
}

// And clears the bits of the word that are not in mask, and returns what it was.
func (w *Uint32) And(mask uint32) uint32 {
	if Checked {
		before()
	}
	old := atomic.AndUint32(&w.v, mask)
	if Checked {
		after()
	}
	return old
}

// Or sets the bits of mask in the word, and returns what it was.
func (w *Uint32) Or(mask uint32) uint32 {
	if Checked {
		before()
	}
	old := atomic.OrUint32(&w.v, mask)
	if Checked {
		after()
	}
	return old
}

// Uint64 is a 64-bit word of shared memory. It is not copied.
type Uint64 struct {
	_ [0]atomic.Uint64 // for its alignment, and because it is not copied either
	v uint64
}

// Load returns the word.
func (w *Uint64) Load() uint64 {
	if Checked {
		before()
	}
	x := atomic.LoadUint64(&w.v)
	if Checked {
		after()
	}
	return x
}

// Store sets the word to x.
func (w *Uint64) Store(x uint64) {
	if Checked {
		before()
	}
	if exchange {
		atomic.SwapUint64(&w.v, x)
	} else {
		atomic.StoreUint64(&w.v, x)
	}
	if Checked {
		after()
	}
}

// CompareAndSwap sets the word to x if it is old, and reports whether it was.
func (w *Uint64) CompareAndSwap(old, x uint64) bool {
	if Checked {
		before()
	}
	ok := atomic.CompareAndSwapUint64(&w.v, old, x)
	if Checked {
		after()
	}
	return ok
}

// Swap sets the word to x and returns what it was.
func (w *Uint64) Swap(x uint64) uint64 {
	if Checked {
		before()
	}
	old := atomic.SwapUint64(&w.v, x)
	if Checked {
		after()
	}
	return old
}

// Add adds delta to the word and returns the sum.
func (w *Uint64) Add(delta uint64) uint64 {
	if Checked {
		before()
	}
	x := atomic.AddUint64(&w.v, delta)
	if Checked {
		after()
	}
	return x
}

// And clears the bits of the word that are not in mask, and returns what it was.
func (w *Uint64) And(mask uint64) uint64 {
	if Checked {
		before()
	}
	old := atomic.AndUint64(&w.v, mask)
	if Checked {
		after()
	}
	return old
}

// Or sets the bits of mask in the word, and returns what it was.
func (w *Uint64) Or(mask uint64) uint64 {
	if Checked {
		before()
	}
	old := atomic.OrUint64(&w.v, mask)
	if Checked {
		after()
	}
	return old
}
