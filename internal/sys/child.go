//go:build linux

package sys

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Duplicate returns a second descriptor of f's open file, closed on exec, in
// the mode (blocking or not) that the open file has. Unlike f.Fd it does not
// make the open file a blocking one, which would also hit every other holder of
// it: a net.Listener whose File f is, for one.
func Duplicate(f *os.File) (*os.File, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, fileError("dup", f, err)
	}
	dup := -1
	var inner error
	err = raw.Control(func(fd uintptr) { dup, inner = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil {
		return nil, fileError("dup", f, os.ErrClosed) // the only way in which Control itself fails
	}
	if inner != nil {
		return nil, fileError("dup", f, inner)
	}
	return os.NewFile(uintptr(dup), f.Name()), nil
}

// StartError returns err, of os.StartProcess with files that are open, as what it
// means. In the new process the files are moved about, beyond the highest of them
// too, and the kernel calls a number that is beyond the limit a bad one: what was
// wanting is room for one more.
func StartError(err error) error {
	if errors.Is(err, unix.EBADF) {
		return fmt.Errorf("%w (%w)", unix.EMFILE, err)
	}
	return err
}

// Adopt takes over descriptor fd, which this process was started with, so that
// programs it starts do not inherit it too.
func Adopt(fd int, name string) (*os.File, error) {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("descriptor %d (%s): %w", fd, name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// AdoptPipe is Adopt for a pipe that nobody else reads: a reader that waits on
// it costs no thread.
func AdoptPipe(fd int, name string) (*os.File, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("descriptor %d (%s): %w", fd, name, err)
	}
	return Adopt(fd, name)
}
