//go:build race || shmcheck || !(amd64 || arm64)

package satomic

import "unsafe"

// PublishEach is Publish for n words that lie stride bytes apart from first on, in
// their order. That they are there is the caller's to know.
func PublishEach(first *Uint64, stride uintptr, n int, x uint64) {
	for i := range n {
		(*Uint64)(unsafe.Add(unsafe.Pointer(first), uintptr(i)*stride)).Publish(x)
	}
}

// CountEach returns how many of the n words that lie stride bytes apart from first
// on are x, up to the first that is not. That they are there is the caller's to know.
func CountEach(first *Uint64, stride uintptr, n int, x uint64) int {
	for i := range n {
		if (*Uint64)(unsafe.Add(unsafe.Pointer(first), uintptr(i)*stride)).Load() != x {
			return i
		}
	}
	return n
}
