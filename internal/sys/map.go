//go:build linux

package sys

import (
	"fmt"
	"math"
	"os"

	mmap "github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// MapFile maps the first length bytes of f for reading and writing, shared with
// every process that maps them. length may reach beyond the end of the file:
// that is room to grow into, and touching it before the file has grown is a
// fault that ends the process. A child that is forked does not have the
// mapping, and a core dump does not contain it. f may be closed afterwards.
func MapFile(f *os.File, length int64) ([]byte, error) { return mapFile(f, length, mmap.RDWR) }

// MapFileReadOnly is MapFile for reading only.
func MapFileReadOnly(f *os.File, length int64) ([]byte, error) {
	return mapFile(f, length, mmap.RDONLY)
}

func mapFile(f *os.File, length int64, prot int) ([]byte, error) {
	if length <= 0 || length > math.MaxInt {
		return nil, fileError("mmap", f, unix.EINVAL)
	}
	m, err := mmap.MapRegion(f, int(length), prot, 0, 0)
	if err != nil {
		return nil, fileError("mmap", f, err)
	}
	for _, advice := range []int{unix.MADV_DONTFORK, unix.MADV_DONTDUMP} {
		if err := unix.Madvise(m, advice); err != nil {
			_ = m.Unmap()
			return nil, fileError("madvise", f, err)
		}
	}
	return m, nil
}

// Unmap ends a mapping that MapFile or MapFileReadOnly returned. Whoever still
// touches the bytes ends the process.
func Unmap(b []byte) error {
	m := mmap.MMap(b)
	if err := m.Unmap(); err != nil {
		return fmt.Errorf("munmap: %w", err)
	}
	return nil
}
