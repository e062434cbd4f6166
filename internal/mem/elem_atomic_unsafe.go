//go:build !amd64 || race || shmcheck

package mem

import (
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Bytes and pairs of bytes have no atomics of their own: they are reached
// through the word that holds them.

// holder returns the word that holds the byte at p, and the byte's place in it.
func holder(p unsafe.Pointer) (w *satomic.Uint32, at uintptr) {
	at = uintptr(p) % 4
	return (*satomic.Uint32)(unsafe.Add(p, -int(at))), at
}

func load8(p unsafe.Pointer) uint8 {
	w, at := holder(p)
	x := w.Load()
	return *(*uint8)(unsafe.Add(unsafe.Pointer(&x), at))
}

func load16(p unsafe.Pointer) uint16 {
	w, at := holder(p)
	x := w.Load()
	return *(*uint16)(unsafe.Add(unsafe.Pointer(&x), at))
}

func store8(p unsafe.Pointer, b uint8) {
	w, at := holder(p)
	for {
		old := w.Load()
		x := old
		*(*uint8)(unsafe.Add(unsafe.Pointer(&x), at)) = b
		if w.CompareAndSwap(old, x) {
			return
		}
	}
}

func store16(p unsafe.Pointer, b uint16) {
	w, at := holder(p)
	for {
		old := w.Load()
		x := old
		*(*uint16)(unsafe.Add(unsafe.Pointer(&x), at)) = b
		if w.CompareAndSwap(old, x) {
			return
		}
	}
}

func store32(p unsafe.Pointer, x uint32) { (*satomic.Uint32)(p).Store(x) }

// plain says that StoreElem stores 8 bytes by an ordinary store.
const plain = false

// CopyElemsOut copies shared Ts to private memory, as LoadElem would one by one,
// and returns how many.
func CopyElemsOut[T any](dst, src []T) int {
	if !Whole[T]() {
		return copy(dst, src)
	}
	n := min(len(dst), len(src))
	for i := range n {
		dst[i] = LoadElem(&src[i])
	}
	return n
}

// CopyElemsIn copies private Ts to shared memory, as StoreElem would one by one,
// and returns how many.
func CopyElemsIn[T any](dst, src []T) int {
	n := min(len(dst), len(src))
	for i := range n {
		StoreElem(&dst[i], src[i])
	}
	return n
}
