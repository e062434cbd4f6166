//go:build race

package satomic

import "sync/atomic"

// The race detector replaces atomic operations by its own, and its stores are
// releases: a load after one may come before it. An exchange is ordered in both
// directions, as a store is in every other build.

func store32(w *atomic.Uint32, x uint32) { w.Swap(x) }

func store64(w *atomic.Uint64, x uint64) { w.Swap(x) }
