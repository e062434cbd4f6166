//go:build !race

package satomic

import "sync/atomic"

func store32(w *atomic.Uint32, x uint32) { w.Store(x) }

func store64(w *atomic.Uint64, x uint64) { w.Store(x) }
