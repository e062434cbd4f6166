//go:build linux

package sys

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// hiddenPrefix begins the names of files under construction, where the file
	// system has none without a name.
	hiddenPrefix = ".shoal-"
	// hiddenByte is the byte that the maker of a hidden file holds locked while
	// it lives. It is far from any byte that a segment gives a meaning to.
	hiddenByte = 1<<63 - 2
)

// TempFile makes an empty file in dir, with exactly the permissions of mode
// whatever the umask, which nobody can open by name before LinkFile gives it
// one. If it is closed before, or its process dies, it is gone: at once where
// the file system has files without a name; else it is a hidden file until Drop
// or, after a death, StaleTemps removes it.
func TempFile(dir string, mode fs.FileMode) (*os.File, error) {
	f, err := unnamedFile(dir)
	if errors.Is(err, errors.ErrUnsupported) {
		f, err = hiddenFile(dir)
	}
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(mode.Perm()); err != nil {
		_ = Drop(f)
		return nil, err
	}
	return f, nil
}

// unnamedFile fails with errors.ErrUnsupported if there are no such files in dir.
func unnamedFile(dir string) (*os.File, error) {
	if !Probe().TmpFile {
		return nil, errors.ErrUnsupported
	}
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
		return err
	})
	switch {
	case err == nil:
		return os.NewFile(uintptr(fd), filepath.Join(dir, "(unnamed)")), nil
	case isMissingTmpFile(err):
		return nil, errors.ErrUnsupported
	}
	return nil, &fs.PathError{Op: "create a file in", Path: dir, Err: err}
}

// isMissingTmpFile recognizes how kernels and file systems refuse O_TMPFILE.
func isMissingTmpFile(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EINVAL)
}

// hiddenFile makes a file with a hidden name and holds its hiddenByte.
func hiddenFile(dir string) (*os.File, error) {
	for {
		path := filepath.Join(dir, hiddenPrefix+rand.Text())
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		locked, err := LockByte(f, hiddenByte)
		if err != nil {
			_ = os.Remove(path)
			_ = f.Close()
			return nil, err
		}
		// Between the two calls somebody may have taken the file for a stale one.
		if info, err := Inspect(f); locked && err == nil && info.Links > 0 {
			return f, nil
		}
		_ = f.Close()
	}
}

// LinkFile gives f, which TempFile returned, the name path on the same file
// system. It fails with fs.ErrExist if path is taken. The file appears with all
// its content or not at all.
func LinkFile(f *os.File, path string) error {
	if hidden := hiddenPath(f); hidden != "" {
		return linkHidden(hidden, path)
	}
	err := onDescriptor(f, func(fd int) error {
		err := unix.Linkat(unix.AT_FDCWD, descriptorPath(fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
		if errors.Is(err, unix.ENOENT) { // no /proc, or no such directory
			err = unix.Linkat(fd, "", unix.AT_FDCWD, path, unix.AT_EMPTY_PATH)
		}
		return err
	})
	if err != nil {
		return &fs.PathError{Op: "link", Path: path, Err: err}
	}
	return nil
}

// linkHidden renames hidden to path unless that exists.
func linkHidden(hidden, path string) error {
	err := unix.Renameat2(unix.AT_FDCWD, hidden, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
		// The file system cannot rename so. A second name does as well: if we
		// die before the first is gone, StaleTemps removes it.
		if err := os.Link(hidden, path); err != nil {
			return err
		}
		return os.Remove(hidden)
	}
	return &fs.PathError{Op: "link", Path: path, Err: err}
}

// Drop closes f, which TempFile returned, and removes its hidden name if it
// still has one. It is for a file that is not wanted any more.
func Drop(f *os.File) error { return errors.Join(Unname(f), f.Close()) }

// Unname removes the hidden name of f, which TempFile returned, if it still has
// one. f stays open.
func Unname(f *os.File) error {
	if hidden := hiddenPath(f); hidden != "" && SameFile(f, hidden) {
		return os.Remove(hidden)
	}
	return nil
}

// hiddenPath returns the hidden name that f was made with, or "".
func hiddenPath(f *os.File) string {
	if strings.HasPrefix(filepath.Base(f.Name()), hiddenPrefix) {
		return f.Name()
	}
	return ""
}

// SameFile reports whether path names the file that f refers to; a symbolic link
// at path does not.
func SameFile(f *os.File, path string) bool {
	a, err := Inspect(f)
	if err != nil {
		return false
	}
	b, err := InspectPath(path)
	return err == nil && a.Dev == b.Dev && a.Ino == b.Ino
}

// StaleTemps removes the hidden files in dir whose makers died, and returns how
// many those were. Files of living makers, and of other users, stay.
func StaleTemps(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), hiddenPrefix) && removeStale(filepath.Join(dir, e.Name())) {
			removed++
		}
	}
	return removed, nil
}

func removeStale(path string) bool {
	f, err := OpenReadWrite(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	// With the byte ours, its maker is dead, or has not come as far as to lock
	// it, and will then see that the name is gone.
	free, err := LockByte(f, hiddenByte)
	return err == nil && free && SameFile(f, path) && os.Remove(path) == nil
}
