//go:build linux

package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// Allocate makes the n bytes of f from off on exist, so that storing to a
// mapping of them cannot fail for want of space. Bytes that are there already
// keep their content, new ones are zero; the file grows if it must. When the
// space is not there, the error is one for which IsNoSpace is true, and the file
// is as long as before.
//
// Where the file system cannot allocate, zeros are written from the present end
// of the file on; then only one process at a time may call Allocate on a file.
func Allocate(f *os.File, off, n int64) error {
	if off < 0 || n <= 0 || off > math.MaxInt64-n {
		return fileError("allocate", f, unix.EINVAL)
	}
	before, err := f.Stat()
	if err != nil {
		return err
	}
	err = onDescriptor(f, func(fd int) error {
		if err := fitsMemory(fd, n); err != nil {
			return err
		}
		return inParts(off, n, func(off, n int64) error { return unix.Fallocate(fd, 0, off, n) })
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		err = writeZeros(f, before.Size(), off+n)
	}
	if err != nil {
		// Some file systems keep what they got before they ran out.
		if after, statErr := f.Stat(); statErr == nil && after.Size() > before.Size() {
			_ = f.Truncate(before.Size())
		}
	}
	return fileError("allocate", f, err)
}

// fitsMemory refuses what no effort can allocate: a file system that has no size
// of its own, as that of memory files, takes all the memory of the machine, and
// what runs there with it, before it says that there is none.
func fitsMemory(fd int, n int64) error {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(fd, &st) }); err != nil || st.Blocks != 0 {
		return err
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return fmt.Errorf("sysinfo: %w", err)
	}
	all := uint64(info.Totalram) + uint64(info.Totalswap) //nolint:unconvert // 32 bits on some CPUs
	if n > clampProduct(all, uint64(info.Unit)) {
		return unix.ENOSPC
	}
	return nil
}

// inParts calls allocate for the whole, and for ever smaller parts when a signal
// interrupts it: in Linux before 6.12 a file system in memory then gives back
// what the call has got so far, and under a profiler's signals a large call
// would begin anew for ever.
func inParts(off, n int64, allocate func(off, n int64) error) error {
	const smallest = 256 << 10
	for part := n; n > 0; {
		part = min(part, n)
		switch err := allocate(off, part); {
		case errors.Is(err, unix.EINTR):
			part = max(part/2, smallest)
		case err != nil:
			return err
		default:
			off, n = off+part, n-part
		}
	}
	return nil
}

// writeZeros extends f from its end to size.
func writeZeros(f *os.File, end, size int64) error {
	var zeros [64 << 10]byte
	for end < size {
		n, err := f.WriteAt(zeros[:min(size-end, int64(len(zeros)))], end)
		if err != nil {
			return err
		}
		end += int64(n)
	}
	return nil
}

// IsNoSpace reports whether err says that there is no room: on the file system,
// in the user's quota, under the process's limit of file sizes, or in memory.
func IsNoSpace(err error) bool {
	for _, errno := range []unix.Errno{unix.ENOSPC, unix.EDQUOT, unix.EFBIG, unix.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// FreeSpace returns how many bytes an unprivileged user can still store on the
// file system of path.
func FreeSpace(path string) (int64, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(path, &st) }); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	return freeSpace(&st)
}

// FreeSpaceOf is FreeSpace for the file system that f lies on.
func FreeSpaceOf(f *os.File) (int64, error) {
	var st unix.Statfs_t
	err := onDescriptor(f, func(fd int) error {
		return retry(func() error { return unix.Fstatfs(fd, &st) })
	})
	if err != nil {
		return 0, fileError("statfs", f, err)
	}
	return freeSpace(&st)
}

// freeSpace reads st. A file system in memory may have no size of its own, as
// that of memory files has none: then what is free is the machine's memory.
func freeSpace(st *unix.Statfs_t) (int64, error) {
	if st.Blocks != 0 {
		return clampProduct(st.Bavail, uint64(st.Bsize)), nil
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("sysinfo: %w", err)
	}
	free := uint64(info.Freeram) + uint64(info.Bufferram) //nolint:unconvert // 32 bits on some CPUs
	return clampProduct(free, uint64(info.Unit)), nil
}

func clampProduct(a, b uint64) int64 {
	if b != 0 && a > math.MaxInt64/b {
		return math.MaxInt64
	}
	return int64(a * b)
}
