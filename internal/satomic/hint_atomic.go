//go:build race || !(amd64 || arm64)

package satomic

import "sync/atomic"

// Hint is a number in the memory of this process that says where to look first.
// Any number that was ever stored is right.
type Hint struct{ v atomic.Uint64 }

// Load returns a number that was stored.
func (h *Hint) Load() uint64 { return h.v.Load() }

// Store sets the number.
func (h *Hint) Store(x uint64) { h.v.Store(x) }
