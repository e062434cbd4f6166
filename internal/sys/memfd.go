//go:build linux

package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Memfd makes an empty file that has no name in any directory; name is for
// people who look into /proc. It closes itself on exec, and can be sealed.
func Memfd(name string) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	// Machines that forbid executable memory files insist on the first form;
	// kernels before 6.3 do not know it.
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "memfd:"+name), nil
}

// SealShrink makes it impossible, for ever and for everybody, that f (which
// Memfd returned) becomes shorter, or loses this seal. It can still grow.
func SealShrink(f *os.File) error {
	return fileError("seal", f, onDescriptor(f, func(fd int) error {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
		return err
	}))
}
