//go:build amd64 || arm64

package bare

// Plain says that Store64 and its like leave the order of the store and of the
// loads that follow it to the processor.
const Plain = true

// Store64 sets *p to x after every store before it. A load after it may come
// before it: who relies on the opposite order asks for a fence from the other
// side.
//
//go:noescape
func Store64(p *uint64, x uint64)

// StoreAndClear is Store64, and then sets *a and then *b to 0 in the same way.
//
//go:noescape
func StoreAndClear(p *uint64, x uint64, a, b *uint32)

// Enter sets *a to 1 if the caller is the goroutine *owner, and then, if it still
// is, *b to 1: Inside. Else *a is 0 again: Lost. Loads after a store, also the
// second one of *owner, may come before it.
//
//go:noescape
func Enter(owner *uintptr, a, b *uint32) uint32

// Goroutine returns a number that no other goroutine has that lives now. It is
// never 0, but where there is no such number.
func Goroutine() uintptr
