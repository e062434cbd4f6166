//go:build !race && !shmcheck

package satomic

import (
	"sync/atomic"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/bare"
)

// Lanes says that a Lane puts and gets.
const Lanes = bare.Lanes

// Lane puts or gets messages of one size, for the owner of one side of a ring of
// slots: see bare.Lane.
type Lane struct{ lane bare.Lane }

// NewLane returns a lane in the ring with this head, whose slots begin with first. That
// they are there is the caller's to know. The position of the next message is in pos.
func NewLane[H, S any](head *H, first *S, pos *Hint, row Row) Lane {
	return Lane{bare.Lane{
		Head: (*byte)(unsafe.Pointer(head)), Slots: (*byte)(unsafe.Pointer(first)), Pos: (*uint64)(unsafe.Pointer(pos)),
		Stride: row.Stride, Size: uintptr(row.Size), N: row.N, Me: row.Me,
	}}
}

// Put is bare.Put.
func (l *Lane) Put(owner *atomic.Uintptr, inside *atomic.Uint32, src *byte) uint32 {
	return bare.Put(&l.lane, (*uintptr)(unsafe.Pointer(owner)), (*uint32)(unsafe.Pointer(inside)), src)
}

// Get is bare.Get.
func (l *Lane) Get(owner *atomic.Uintptr, inside *atomic.Uint32, dst *byte) uint32 {
	return bare.Get(&l.lane, (*uintptr)(unsafe.Pointer(owner)), (*uint32)(unsafe.Pointer(inside)), dst)
}
