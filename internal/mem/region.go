// Package mem gives typed views of bytes that other processes may write: it
// checks bounds and alignment, describes the layout of types, and is, with the
// layout files beside each algorithm, the only home of package unsafe.
package mem

import "fmt"

// CacheLine is the distance between words that different processes write, the
// same on every CPU because it is part of the format: two 64-byte lines, which
// the prefetchers of current CPUs fetch in pairs.
const CacheLine = 128

// Corruption reports bytes in shared memory that no correct process writes. The
// public packages turn it into a *shm.CorruptError, which adds the names.
type Corruption struct { //nolint:errname // shm.CorruptError is the error that users see
	Field  string // what is wrong, as docs/layout.md names it
	Offset int64  // where, from the start of the object's region; -1 if nowhere in particular
	Got    string
	Want   string
}

func (c *Corruption) Error() string {
	return fmt.Sprintf("corrupt %s at %d: got %s, want %s", c.Field, c.Offset, c.Got, c.Want)
}

// Corrupt returns a *Corruption; got and want are formatted with %v.
func Corrupt(field string, offset int64, got, want any) error {
	return &Corruption{Field: field, Offset: offset, Got: fmt.Sprint(got), Want: fmt.Sprint(want)}
}

// Align rounds n up to a multiple of to, a power of two.
func Align(n, to int64) int64 { return (n + to - 1) &^ (to - 1) }
