//go:build linux

package sys

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ReopenReadOnly is Reopen for a descriptor that is only read.
func ReopenReadOnly(f *os.File) (*os.File, error) {
	var own *os.File
	err := onDescriptor(f, func(fd int) error {
		return retry(func() error {
			n, err := unix.Open(descriptorPath(fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
			if err == nil {
				own = os.NewFile(uintptr(n), f.Name())
			}
			return err
		})
	})
	if err != nil {
		return nil, fileError("reopen", f, procError(err))
	}
	return own, nil
}

// PathOf returns the name of f's file; empty if it has none, or none any more.
func PathOf(f *os.File) (string, error) {
	var path string
	err := onDescriptor(f, func(fd int) (err error) {
		path, err = os.Readlink(descriptorPath(fd))
		return err
	})
	if err != nil || !strings.HasPrefix(path, "/") || !SameFile(f, path) {
		return "", err
	}
	return path, nil
}
