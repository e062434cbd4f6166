//go:build shmcheck

package satomic

import "sync/atomic"

// Checked says whether this build runs the hook.
const Checked = true

// hook is what a test has run at the steps of the algorithms.
type hook struct{ before, after func() }

var hooks atomic.Pointer[hook] //nolint:gochecknoglobals // the one switch of a test build

func before() {
	if h := hooks.Load(); h != nil {
		h.before()
	}
}

func after() {
	if h := hooks.Load(); h != nil {
		h.after()
	}
}

// Step is where code that is no atomic, but that a test may want to stop at (a
// copy into shared memory), names itself.
func Step() { before() }

// SetHook makes f run before and after every operation on a shared word of this
// process, and at every Step; nil ends it.
func SetHook(f func()) {
	if f == nil {
		hooks.Store(nil)
		return
	}
	hooks.Store(&hook{before: f, after: f})
}

// SetHookBefore makes f run before every operation on a shared word of this
// process and at every Step, but not after operations; SetHook(nil) ends it.
func SetHookBefore(f func()) { hooks.Store(&hook{before: f, after: func() {}}) }
