//go:build shmcheck

package satomic

import "sync/atomic"

// Checked says whether this build runs the hook.
const Checked = true

var hook atomic.Pointer[func()] //nolint:gochecknoglobals // the one switch of a test build

func step() {
	if f := hook.Load(); f != nil {
		(*f)()
	}
}

// Step is where code that is no atomic, but that a test may want to stop at (a
// copy into shared memory), names itself.
func Step() { step() }

// SetHook makes f run before and after every operation on a shared word of this
// process, and at every Step; nil ends it.
func SetHook(f func()) {
	if f == nil {
		hook.Store(nil)
		return
	}
	hook.Store(&f)
}
