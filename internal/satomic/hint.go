//go:build !race && (amd64 || arm64)

package satomic

// Hint is a number in the memory of this process that says where to look first.
// Any number that was ever stored is right, so goroutines may overwrite each
// other's, and neither a fence nor an order with other words is needed: it costs
// no more than a variable. In race builds, and where 64 bits are two stores, it
// is an atomic word.
type Hint struct{ v uint64 }

// Load returns a number that was stored.
func (h *Hint) Load() uint64 { return h.v }

// Store sets the number.
func (h *Hint) Store(x uint64) { h.v = x }
