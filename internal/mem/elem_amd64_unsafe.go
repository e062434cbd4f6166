//go:build amd64 && !race && !shmcheck

package mem

import "unsafe"

// On amd64 every aligned load and store of up to 8 bytes is whole, loads stay in
// order and stores stay in order, and the compiler moves none of them across the
// atomic that every operation begins with (object.Use.Pin). So ordinary stores
// do, at a fifth of the cost of the exchange that sync/atomic makes of a store.

func load8(p unsafe.Pointer) uint8   { return *(*uint8)(p) }
func load16(p unsafe.Pointer) uint16 { return *(*uint16)(p) }

func store8(p unsafe.Pointer, x uint8)   { *(*uint8)(p) = x }
func store16(p unsafe.Pointer, x uint16) { *(*uint16)(p) = x }
func store32(p unsafe.Pointer, x uint32) { *(*uint32)(p) = x }

// plain says that StoreElem stores 8 bytes so, too.
const plain = true

// CopyElemsOut copies shared Ts to private memory, as LoadElem would one by one,
// and returns how many. The runtime's copy moves every aligned word whole, which
// the garbage collector relies on.
func CopyElemsOut[T any](dst, src []T) int { return copy(dst, src) }

// CopyElemsIn copies private Ts to shared memory, as StoreElem would one by one,
// and returns how many.
func CopyElemsIn[T any](dst, src []T) int { return copy(dst, src) }
