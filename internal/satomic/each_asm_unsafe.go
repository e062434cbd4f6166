//go:build !race && !shmcheck && (amd64 || arm64)

package satomic

import (
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/bare"
)

// PublishEach is Publish for n words that lie stride bytes apart from first on, in
// their order. That they are there is the caller's to know.
func PublishEach(first *Uint64, stride uintptr, n int, x uint64) {
	bare.StoreEach((*uint64)(unsafe.Pointer(&first.v)), stride, n, x)
}

// CountEach returns how many of the n words that lie stride bytes apart from first
// on are x, up to the first that is not. That they are there is the caller's to know.
func CountEach(first *Uint64, stride uintptr, n int, x uint64) int {
	return bare.CountEach((*uint64)(unsafe.Pointer(&first.v)), stride, n, x)
}
