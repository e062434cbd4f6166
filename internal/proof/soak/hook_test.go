//go:build linux && !shmcheck

package soak

// disturb makes a child slow and mortal inside of operations, with the tag
// shmcheck.
func disturb() (end func()) { return func() {} }
