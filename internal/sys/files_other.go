//go:build !linux

package sys

import (
	"errors"
	"io/fs"
	"net"
	"os"
)

// FileInfo is what a segment wants to know of its file.
type FileInfo struct {
	Dev, Ino uint64
	UID, GID int
	Mode     fs.FileMode
	Size     int64
	Links    uint64
}

// MapFile is not supported here.
func MapFile(*os.File, int64) ([]byte, error) { return nil, errors.ErrUnsupported }

// MapFileReadOnly is not supported here.
func MapFileReadOnly(*os.File, int64) ([]byte, error) { return nil, errors.ErrUnsupported }

// Unmap is not supported here.
func Unmap([]byte) error { return errors.ErrUnsupported }

// Memfd is not supported here.
func Memfd(string) (*os.File, error) { return nil, errors.ErrUnsupported }

// SealShrink is not supported here.
func SealShrink(*os.File) error { return errors.ErrUnsupported }

// Allocate is not supported here.
func Allocate(*os.File, int64, int64) error { return errors.ErrUnsupported }

// IsNoSpace reports false here.
func IsNoSpace(error) bool { return false }

// FreeSpace is not supported here.
func FreeSpace(string) (int64, error) { return 0, errors.ErrUnsupported }

// FreeSpaceOf is not supported here.
func FreeSpaceOf(*os.File) (int64, error) { return 0, errors.ErrUnsupported }

// TempFile is not supported here.
func TempFile(string, fs.FileMode) (*os.File, error) { return nil, errors.ErrUnsupported }

// LinkFile is not supported here.
func LinkFile(*os.File, string) error { return errors.ErrUnsupported }

// Unname has nothing to do here.
func Unname(*os.File) error { return nil }

// Drop closes f.
func Drop(f *os.File) error { return f.Close() }

// StaleTemps is not supported here.
func StaleTemps(string) (int, error) { return 0, errors.ErrUnsupported }

// Chown is not supported here.
func Chown(*os.File, int) error { return errors.ErrUnsupported }

// OpenReadWrite is not supported here.
func OpenReadWrite(string) (*os.File, error) { return nil, errors.ErrUnsupported }

// OpenReadOnly is not supported here.
func OpenReadOnly(string) (*os.File, error) { return nil, errors.ErrUnsupported }

// Inspect is not supported here.
func Inspect(*os.File) (FileInfo, error) { return FileInfo{}, errors.ErrUnsupported }

// InspectPath is not supported here.
func InspectPath(string) (FileInfo, error) { return FileInfo{}, errors.ErrUnsupported }

// SameFile reports false here.
func SameFile(*os.File, string) bool { return false }

// Reopen is not supported here.
func Reopen(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }

// LockByte is not supported here.
func LockByte(*os.File, int64) (bool, error) { return false, errors.ErrUnsupported }

// ByteHeld is not supported here.
func ByteHeld(*os.File, int64) (bool, error) { return false, errors.ErrUnsupported }

// FileLock is not supported here.
type FileLock struct{}

// NewFileLock returns a lock that cannot be taken.
func NewFileLock(*os.File) *FileLock { return &FileLock{} }

// TryLock is not supported here.
func (*FileLock) TryLock() (bool, error) { return false, errors.ErrUnsupported }

// Unlock is not supported here.
func (*FileLock) Unlock() error { return errors.ErrUnsupported }

// SendFile is not supported here.
func SendFile(*net.UnixConn, *os.File, []byte) error { return errors.ErrUnsupported }

// ReceiveFile is not supported here.
func ReceiveFile(*net.UnixConn, int) ([]byte, *os.File, error) {
	return nil, nil, errors.ErrUnsupported
}

// ReopenReadOnly is not supported here.
func ReopenReadOnly(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }

// PathOf is not supported here.
func PathOf(*os.File) (string, error) { return "", errors.ErrUnsupported }

// Shrinkable reports true here.
func Shrinkable(*os.File) bool { return true }

// Blank is not supported here.
func Blank([]byte, int64) error { return errors.ErrUnsupported }

// Rouse does nothing here.
func Rouse() {}

// SocketPair is not supported here.
func SocketPair() (a, b *os.File, err error) { return nil, nil, errors.ErrUnsupported }
