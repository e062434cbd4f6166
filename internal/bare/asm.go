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

// StoreEach does as Store64 to the n words that lie stride bytes apart from p on, in
// their order.
//
//go:noescape
func StoreEach(p *uint64, stride uintptr, n int, x uint64)

// CountEach returns how many of the n words that lie stride bytes apart from p on
// are x, up to the first that is not. It reads each of them once, in their order,
// and whatever is read after it is read after them.
//
//go:noescape
func CountEach(p *uint64, stride uintptr, n int, x uint64) int

// Expect tells the processor that the n bytes from p on are about to be read and
// then written, so that it fetches their cache lines once and for itself. It has
// no other effect, whatever lies there.
//
//go:noescape
func Expect(p *byte, n uintptr)

// Enter sets *a to 1 if the caller is the goroutine *owner, and then, if it still
// is, *b to 1: Inside. Else *a is 0 again: Lost. Loads after a store, also the
// second one of *owner, may come before it.
//
//go:noescape
func Enter(owner *uintptr, a, b *uint32) uint32

// Goroutine returns a number that no other goroutine has that lives now. It is
// never 0, but where there is no such number.
func Goroutine() uintptr
