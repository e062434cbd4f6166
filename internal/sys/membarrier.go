//go:build linux

package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const (
	membarrierQuery                   = 0
	membarrierGlobalExpedited         = 1 << 1
	membarrierRegisterGlobalExpedited = 1 << 2
)

// RegisterMembarrier makes this process one that Membarrier of others reaches.
// It may be called again.
func RegisterMembarrier() error { return membarrier(membarrierRegisterGlobalExpedited) }

// Membarrier returns when every thread of every registered process that ran in
// user code has been interrupted: what such a thread stored before is visible,
// and one whose process is being killed runs no instruction more.
func Membarrier() error { return membarrier(membarrierGlobalExpedited) }

func membarrier(command uintptr) error {
	if !Probe().Membarrier {
		return errors.ErrUnsupported
	}
	_, errno := membarrierCall(command)
	if errno != 0 {
		return os.NewSyscallError("membarrier", errno)
	}
	return nil
}

func membarrierCall(command uintptr) (int, unix.Errno) {
	r, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, command, 0, 0)
	return int(r), errno
}
