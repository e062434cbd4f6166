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
	inside.Store(0)
}

// Enter sets inside and busy to 1 and returns the owner if the caller is that
// goroutine, else 0; see Overtaken.
func Enter(owner *atomic.Uintptr, inside *atomic.Uint32, busy *Uint32) uintptr {
	me := bare.Goroutine()
	if owner.Load() != me {
		return 0
	}
	inside.Store(1)
	busy.Store(1)
	return me
}
