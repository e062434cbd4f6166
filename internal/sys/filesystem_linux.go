package sys

import (
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"
)

// FileSystemOf describes the file system of path.
func FileSystemOf(path string) (FileSystem, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(path, &st) }); err != nil {
		return FileSystem{}, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	free, err := freeSpace(&st)
	return FileSystem{Name: kindOf(uint32(st.Type)), Size: clampProduct(st.Blocks, uint64(st.Bsize)), Free: free}, err
}

func kindOf(magic uint32) string {
	switch magic {
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.RAMFS_MAGIC:
		return "ramfs"
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case unix.HUGETLBFS_MAGIC:
		return "hugetlbfs"
	}
	return "0x" + strconv.FormatUint(uint64(magic), 16)
}

// Kernel returns the release of the running kernel, or "" if it does not say.
func Kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
