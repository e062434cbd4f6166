//go:build linux

package sys

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// onDescriptor calls fn with the descriptor of f, which stays open meanwhile
// whoever closes f.
func onDescriptor(f *os.File, fn func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := conn.Control(func(fd uintptr) { inner = fn(int(fd)) }); err != nil {
		return os.ErrClosed // the one reason, which the runtime words otherwise
	}
	return inner
}

// descriptorPath returns the path by which the kernel opens what fd refers to
// anew. It needs /proc.
func descriptorPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// procError is for what was done with a descriptorPath: that it does not exist
// says nothing of the file.
func procError(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("/proc is missing: %w", errors.ErrUnsupported)
	}
	return err
}

// retry calls fn until a signal is not what ended it.
func retry(fn func() error) error {
	for {
		if err := fn(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// fileError says which call failed on f.
func fileError(call string, f *os.File, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: call, Path: f.Name(), Err: err}
}

// Reopen opens the file that f refers to once more, for reading and writing: an
// open file description of its own, whose locks are not those of f. It closes
// itself on exec. It needs /proc.
func Reopen(f *os.File) (*os.File, error) {
	var g *os.File
	err := onDescriptor(f, func(fd int) error {
		return retry(func() error {
			n, err := unix.Open(descriptorPath(fd), unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
			if err == nil {
				g = os.NewFile(uintptr(n), f.Name())
			}
			return err
		})
	})
	if err != nil {
		return nil, fileError("reopen", f, procError(err))
	}
	return g, nil
}
