//go:build linux

package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// FileInfo is what a segment wants to know of its file.
type FileInfo struct {
	Dev, Ino uint64 // which file it is
	UID, GID int
	Mode     fs.FileMode
	Size     int64
	Links    uint64 // names in directories
}

// Inspect describes f.
func Inspect(f *os.File) (FileInfo, error) {
	info, err := f.Stat()
	if err != nil {
		return FileInfo{}, err
	}
	return describe(info)
}

// InspectPath describes what lies at path; of a symbolic link, the link.
func InspectPath(path string) (FileInfo, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return FileInfo{}, err
	}
	return describe(info)
}

func describe(info fs.FileInfo) (FileInfo, error) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return FileInfo{}, fmt.Errorf("stat %s: %w", info.Name(), errors.ErrUnsupported)
	}
	return FileInfo{
		Dev: uint64(st.Dev), Ino: st.Ino, //nolint:unconvert // Dev has 32 bits on some CPUs
		UID: int(st.Uid), GID: int(st.Gid),
		Mode: info.Mode(), Size: info.Size(),
		Links: uint64(st.Nlink), //nolint:unconvert // Nlink has 32 bits on some CPUs
	}, nil
}

// OpenReadWrite opens the regular file at path. Anything else that lies there is
// refused with an error that is fs.ErrInvalid; a symbolic link is not followed.
// It does not wait, whatever lies there.
func OpenReadWrite(path string) (*os.File, error) { return openRegular(path, unix.O_RDWR) }

// OpenReadOnly is OpenReadWrite for reading.
func OpenReadOnly(path string) (*os.File, error) { return openRegular(path, unix.O_RDONLY) }

func openRegular(path string, access int) (*os.File, error) {
	// O_NONBLOCK keeps a named pipe or a terminal from making us wait.
	const flags = unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Open(path, access|flags, 0)
		return err
	})
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, openError(path, fmt.Errorf("it is a symbolic link: %w", fs.ErrInvalid))
	case errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENXIO):
		return nil, openError(path, notRegular())
	case err != nil:
		return nil, openError(path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return nil, openError(path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		_ = unix.Close(fd)
		return nil, openError(path, notRegular())
	}
	_ = unix.SetNonblock(fd, false)
	return os.NewFile(uintptr(fd), path), nil
}

func notRegular() error { return fmt.Errorf("it is not a regular file: %w", fs.ErrInvalid) }

func openError(path string, err error) error {
	return &fs.PathError{Op: "open", Path: path, Err: err}
}

// Chown gives f to the group gid; the owner stays.
func Chown(f *os.File, gid int) error { return f.Chown(-1, gid) }
