// Package bare is the little that Go cannot say: a store that is a release and
// nothing more, one or many at a time, a copy by the processor's own string
// instruction, a hint of what is about to be written, and which goroutine this is;
// and, on amd64, all of these in one piece for one message of a ring (Put and Get).
// It is assembly for amd64 and arm64; elsewhere, and where a tool could not see
// through it, Go's own means stand in. What the code that relies on it may conclude
// is in docs/memory-model.md.
package bare

// What Enter, Put and Get return.
const (
	Outside = 0 // the caller is not the owner
	Inside  = 1
	Lost    = 2 // the caller was the owner when it came, but is not any more
	Done    = 3 // of Put and Get: the caller was inside, and has left
)
