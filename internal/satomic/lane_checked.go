//go:build race || shmcheck

package satomic

import (
	"sync/atomic"

	"github.com/shoal-ipc/shoal/internal/bare"
)

// Lanes says that a Lane puts and gets: not here, where each step is to be seen.
const Lanes = false

// Lane puts or gets nothing.
type Lane struct{}

// NewLane returns a Lane.
func NewLane[H, S any](*H, *S, *Hint, Row) Lane { return Lane{} }

// Put puts nothing.
func (*Lane) Put(*atomic.Uintptr, *atomic.Uint32, *byte) uint32 { return bare.Outside }

// Get gets nothing.
func (*Lane) Get(*atomic.Uintptr, *atomic.Uint32, *byte) uint32 { return bare.Outside }
