//go:build !race && !shmcheck

package satomic

import (
	"sync/atomic"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/bare"
)

// Overtaken says that a load after Publish or Enter may come before it, as far as
// others can see, unless they have the processor put a fence in between.
const Overtaken = bare.Plain

// Publish sets the word to x after every store before it. It costs a fifth of
// what Store does; see Overtaken.
func (w *Uint64) Publish(x uint64) { bare.Store64((*uint64)(unsafe.Pointer(&w.v)), x) }

// PublishAndLeave is Publish, and then ends what Enter began.
func (w *Uint64) PublishAndLeave(x uint64, inside *atomic.Uint32, busy *Uint32) {
	bare.StoreAndClear((*uint64)(unsafe.Pointer(&w.v)), x, (*uint32)(unsafe.Pointer(busy)), (*uint32)(unsafe.Pointer(inside)))
}

// Enter sets inside to 1 if the caller is the goroutine owner, looks once more,
// and sets busy to 1 if it still is; see bare.Enter, and Overtaken.
func Enter(owner *atomic.Uintptr, inside *atomic.Uint32, busy *Uint32) uint32 {
	return bare.Enter((*uintptr)(unsafe.Pointer(owner)), (*uint32)(unsafe.Pointer(inside)), (*uint32)(unsafe.Pointer(busy)))
}
