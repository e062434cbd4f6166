//go:build !linux

package process

import "os"

// executable returns the path of this executable.
func executable() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}
