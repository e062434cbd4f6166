// Package guardian tells other processes of this one's death and hears of
// theirs.
//
// A process that joins a segment owns one word of it, its slot's word, and holds
// the lock of one byte. The word is in the robust list of one thread, which does
// nothing else until the process ends; however that happens, the kernel marks
// the word and wakes one of those who sleep on it. The lock of the byte is freed
// later, when the last thread is gone: it is the proof, and the way to notice a
// death where the kernel has no robust lists.
//
// There is one such thread in a process, and as a rule one more that sleeps on
// the words of others.
package guardian

const (
	// OwnerDied is the bit of a slot's word that says that its owner is dead.
	OwnerDied = 1 << 30
	// Waiters is the bit of a slot's word that makes the kernel wake a sleeper
	// when it marks the word. It is always set, so that sleepers need not write.
	Waiters = 1 << 31
)

// Marked reports whether a slot's word says that its owner is dead: the kernel
// marked it, or Mark did.
func Marked(word uint32) bool { return word&OwnerDied != 0 }
