//go:build !linux

package sys

import "errors"

// FileSystemOf describes the file system of path.
func FileSystemOf(string) (FileSystem, error) { return FileSystem{}, errors.ErrUnsupported }

// Kernel returns the release of the running kernel, or "" if it does not say.
func Kernel() string { return "" }
