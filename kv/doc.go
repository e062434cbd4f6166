// Package kv has a map that processes share: a Map of a fixed number of entries,
// with keys that are strings or have a fixed layout, and values of any type that
// can be encoded.
//
// Reading takes no lock and makes no system call. A process that is killed at any
// instruction leaves each entry as it was, or as it was to be, and nobody waits for
// it longer than its repair takes.
package kv
