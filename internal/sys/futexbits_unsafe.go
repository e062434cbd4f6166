//go:build linux

package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	futexWaitBitset = 9
	futexWakeBitset = 10
)

// FutexSleep sleeps while *word is want, without a limit. It returns when it was
// woken, by FutexWake or by a FutexRouse that names one of bits, when it found
// another value, or for no reason. bits is not 0.
//
// A limit would cost more than the sleep itself: the kernel then sets a timer and
// takes it back.
func FutexSleep(word *uint32, want, bits uint32) {
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWaitBitset, uintptr(want), 0, 0,
		uintptr(bits))
}

// FutexRouse wakes those sleepers on word, in every process, that named one of
// bits when they fell asleep, or that named none, and returns how many there were.
// If the word's memory is lost, nobody can be woken; then its Guard is hit.
func FutexRouse(word *uint32, bits uint32) int {
	const all = 1<<31 - 1
	r, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWakeBitset, all, 0, 0, uintptr(bits))
	if errno != 0 {
		if errno == unix.EFAULT {
			touch(word)
		}
		return 0
	}
	return int(r)
}
