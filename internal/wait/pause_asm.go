//go:build amd64 || arm64

package wait

// pause tells the processor n times (at least 1) that it is waiting in a loop,
// which saves power and leaves more to its sibling thread.
//
//go:noescape
func pause(n uint32)
