//go:build race || shmcheck

package satomic

import (
	"sync/atomic"

	"github.com/shoal-ipc/shoal/internal/bare"
)

// Overtaken says that a load after Publish or Enter may come before it, as far as
// others can see, unless they have the processor put a fence in between.
const Overtaken = false

// Publish sets the word to x after every store before it.
func (w *Uint64) Publish(x uint64) { w.Store(x) }

// PublishAndLeave is Publish, and then ends what Enter began.
func (w *Uint64) PublishAndLeave(x uint64, inside *atomic.Uint32, busy *Uint32) {
	w.Store(x)
	busy.Store(0)
	inside.Swap(0) // a store of the race detector's is no fence: see exchange
}

// Enter sets inside to 1 if the caller is the goroutine owner, looks once more,
// and sets busy to 1 if it still is; see bare.Enter, and Overtaken.
func Enter(owner *atomic.Uintptr, inside *atomic.Uint32, busy *Uint32) uint32 {
	me := bare.Goroutine()
	if me == 0 || owner.Load() != me {
		return bare.Outside
	}
	Step()
	inside.Swap(1)
	if owner.Load() != me {
		inside.Swap(0)
		return bare.Lost
	}
	busy.Store(1)
	return bare.Inside
}
