//go:build !shmcheck

package satomic

// Checked says whether this build runs the hook.
const Checked = false

func before() {}

func after() {}

// Step is where code that is no atomic, but that a test may want to stop at (a
// copy into shared memory), names itself. It does nothing in this build.
func Step() {}
