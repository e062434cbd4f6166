//go:build linux

package sys

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	futexWait        = 0
	futexWake        = 1
	futexWakePrivate = 1 | 128
)

// FutexWait sleeps while *word is want, for at most limit, and reports whether
// it was woken or found another value, or returned for no reason: false only if
// the time is over. Other processes may share the word. The call is made so that
// the Go scheduler can run other goroutines meanwhile.
func FutexWait(word *uint32, want uint32, limit time.Duration) bool {
	ts := unix.NsecToTimespec(int64(max(limit, 0)))
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait, uintptr(want),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
	return errno != unix.ETIMEDOUT
}

// FutexWake wakes up to n sleepers on word, in every process, and returns how
// many there were. Sleepers of FutexWaitv that called the word private are not
// among them.
func FutexWake(word *uint32, n int) int { return wake(word, futexWake, n) }

// FutexWakePrivate wakes up to n sleepers of FutexWaitv in this process that
// called the word private, and returns how many there were.
func FutexWakePrivate(word *uint32, n int) int { return wake(word, futexWakePrivate, n) }

func wake(word *uint32, op uintptr, n int) int {
	r, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), op, uintptr(n), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(r)
}
