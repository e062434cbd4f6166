package object

import "sync/atomic"

// Inline calls f with u.
//
// It is for operations as small as one instruction, which a call would double: such
// an operation is a method that does all in f. The compiler takes a function into
// its callers if it is small by a count of what is in it, but a function literal
// that it sees called in one place only it takes in at any size, and counts none
// of it. So f becomes part of the code of whoever calls the method.
//
// Whatever the compiler takes in leaves an empty instruction behind, unless there
// is another of the same line; and a few of those cost as much as the call would.
// So f pins by Memory, unpins by Void, and tells the race detector of hand-overs only
// if race.Enabled.
func Inline(u *Use, f func(u *Use)) { f(u) }

// InlineIn is Inline for functions that are called in an f of Inline: the compiler
// does not take a function into itself.
func InlineIn(f func()) { f() }

// Memory returns where to load what PinAnyway returns.
func (u *Use) Memory() *atomic.Pointer[Mapping] { return &u.memory }

// Void reports whether there is no memory, which no correct process sees. Who asks
// after an access to the memory has kept m until then, like Unpin, but in a register:
// runtime.KeepAlive first writes m to the stack, and a store before a locked
// instruction, which waits for it, makes that one slower by a third. The collector
// finds m there: it takes whatever lies in the registers of a goroutine that was
// interrupted between two calls for a pointer.
func (m *Mapping) Void() bool { return m.Region.Len() == 0 }
