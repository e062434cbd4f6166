package sys

// FileSystem is what a folder lies on.
type FileSystem struct {
	Name       string // "tmpfs", "ext4", or the number of its kind in hexadecimal
	Size, Free int64  // bytes in all, and those that an unprivileged user can still store
}
