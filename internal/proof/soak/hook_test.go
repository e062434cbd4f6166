//go:build linux && !shmcheck

package soak

import "time"

// briefly is how long a round is in the ordinary tests.
const briefly = 300 * time.Millisecond

// disturb makes a child slow and mortal inside of operations, with the tag
// shmcheck.
func disturb() (end func()) { return func() {} }
