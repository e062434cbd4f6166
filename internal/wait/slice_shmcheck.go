//go:build shmcheck

package wait

import (
	"sync/atomic"
	"time"
)

var withoutSlice atomic.Bool //nolint:gochecknoglobals // a switch of a test build

// WithoutSlice makes sleepers sleep for as long as they were asked to, until
// restore is called: a wake-up that was lost is then a hang and not a delay.
func WithoutSlice() (restore func()) {
	withoutSlice.Store(true)
	return func() { withoutSlice.Store(false) }
}

// longest is the longest time that a sleep with the given limit takes.
func longest(limit time.Duration) time.Duration {
	if withoutSlice.Load() && limit >= Slice {
		return time.Hour
	}
	return min(limit, Slice)
}
