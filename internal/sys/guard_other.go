//go:build !linux || !amd64

package sys

// Guard is not supported here.
type Guard struct{}

// NewGuard returns nil here: the memory is not guarded.
func NewGuard([]byte) *Guard { return nil }

// OnHit does nothing here.
func (*Guard) OnHit(func()) {}

// Hit reports false here.
func (*Guard) Hit() bool { return false }

// End does nothing here.
func (*Guard) End() {}

// GuardHits returns 0 here.
func GuardHits() uint64 { return 0 }

func touch(*uint32) {}

const hasGuards = false
