//go:build linux && !shmcheck

package queue_test

// disturb makes a child of TestChaos slow and mortal inside of operations, with
// the tag shmcheck.
func disturb() (end func()) { return func() {} }
