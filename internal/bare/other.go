//go:build !amd64 && !arm64

package bare

import "sync/atomic"

// Plain says that Store64 and its like leave the order of the store and of the
// loads that follow it to the processor.
const Plain = false

// Store64 sets *p to x after every store before it.
func Store64(p *uint64, x uint64) { atomic.StoreUint64(p, x) }

// StoreAndClear is Store64, and then sets *a and then *b to 0 in the same way.
func StoreAndClear(p *uint64, x uint64, a, b *uint32) {
	atomic.StoreUint64(p, x)
	atomic.StoreUint32(a, 0)
	atomic.StoreUint32(b, 0)
}

// Expect does nothing.
func Expect(*byte, uintptr) {}

// Enter lets nobody in: here nobody knows who the caller is.
func Enter(*uintptr, *uint32, *uint32) uint32 { return Outside }

// Goroutine returns a number that no other goroutine has that lives now. It is
// never 0, but where there is no such number.
func Goroutine() uintptr { return 0 }
