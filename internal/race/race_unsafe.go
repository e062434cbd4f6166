//go:build race

// Package race tells the race detector of the hand-overs that it cannot see:
// those through words of a mapping, which lie outside of the Go heap.
package race

import (
	"runtime"
	"unsafe"
)

// Enabled says whether this is a race build.
const Enabled = true

// Token stands for a shared object in the detector's eyes. It lies in the Go
// heap. A nil Token is for objects that lie there too: the detector sees those,
// and being told more would hide faults.
type Token struct{ b byte }

// Acquire says that what happened before Release calls on t happened before now.
func (t *Token) Acquire() {
	if t != nil {
		runtime.RaceAcquire(unsafe.Pointer(&t.b))
	}
}

// Release says that what happened before now happens before later Acquire calls on t.
func (t *Token) Release() {
	if t != nil {
		runtime.RaceReleaseMerge(unsafe.Pointer(&t.b))
	}
}
