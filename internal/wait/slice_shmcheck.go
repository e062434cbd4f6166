//go:build shmcheck

package wait

import "sync/atomic"

var withoutSlice atomic.Bool //nolint:gochecknoglobals // a switch of a test build

// WithoutSlice makes sleepers sleep for as long as nobody wakes them, until
// restore is called: a wake-up that was lost is then a hang and not a delay.
func WithoutSlice() (restore func()) {
	before := withoutSlice.Swap(true)
	return func() { withoutSlice.Store(before) }
}

// looksAgain reports whether sleepers look again by themselves.
func looksAgain() bool { return !withoutSlice.Load() }
