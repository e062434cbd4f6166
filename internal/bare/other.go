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

// Enter sets *a and *b to 1 and returns *owner if the caller is that goroutine,
// else 0: here nobody knows.
func Enter(*uintptr, *uint32, *uint32) uintptr { return 0 }

// Goroutine returns a number that no other goroutine has that lives now. It is
// never 0, but where there is no such number.
func Goroutine() uintptr { return 0 }
