//go:build linux

package sys

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// LockByte takes the lock of one byte of f for the open file description of f,
// and reports false at once if another description has it. The byte need not
// exist. f must be open for writing. The kernel frees the lock when nothing
// refers to the description any more: no descriptor, and no mapping made by one.
func LockByte(f *os.File, off int64) (bool, error) {
	lock := byteLock(off)
	err := onDescriptor(f, func(fd int) error {
		return retry(func() error { return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lock) })
	})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false, nil
	}
	return err == nil, fileError("lock a byte of", f, err)
}

// ByteHeld reports whether another open file description than that of f holds
// the lock of one byte of f, taken by LockByte. f may be open for reading only.
func ByteHeld(f *os.File, off int64) (bool, error) {
	lock := byteLock(off)
	err := onDescriptor(f, func(fd int) error {
		return unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &lock)
	})
	if err != nil {
		return false, fileError("ask for the lock of a byte of", f, err)
	}
	return lock.Type != unix.F_UNLCK, nil
}

func byteLock(off int64) unix.Flock_t {
	return unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: off, Len: 1}
}
