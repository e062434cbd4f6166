//go:build linux

package sys

import (
	"fmt"
	"math"
	"os"
	"strconv"

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

// Shrinkable reports whether f may become shorter, as everything may but a memory
// file that SealShrink has sealed.
func Shrinkable(f *os.File) bool {
	seals := 0
	err := onDescriptor(f, func(fd int) (err error) {
		seals, err = unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
		return err
	})
	return err != nil || seals&unix.F_SEAL_SHRINK == 0
}

// Blank replaces the memory of b, a mapping, from the first page on that begins
// at or after from, by zeros that only this process sees and that need no file.
func Blank(b []byte, from int64) error {
	page := int64(os.Getpagesize())
	from = (max(from, 0) + page - 1) / page * page
	if from >= int64(len(b)) {
		return nil
	}
	return blank(b[from:])
}

// Rouse ends the system calls in which threads of this process sleep; the kernel
// begins again those that can be. Who sleeps on a word whose memory was replaced
// could not be woken otherwise: for the kernel that is another word now.
func Rouse() {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return // then the limit of each sleep ends it, if it has one
	}
	for _, task := range tasks {
		if tid, err := strconv.Atoi(task.Name()); err == nil {
			_ = unix.Tgkill(os.Getpid(), tid, unix.SIGURG) // the runtime's own, which it expects at any time; the thread may be gone
		}
	}
}
