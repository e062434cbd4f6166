//go:build linux

package sys

import "golang.org/x/sys/unix"

// Yield lets whoever else could run on this processor do so first. It costs a
// short system call where there is nobody. Go's scheduler is not told, because it
// lasts no longer than an interruption by the kernel would.
func Yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
