//go:build shmcheck

package lock_test

import "github.com/shoal-ipc/shoal/internal/wait"

// withoutSlice makes a lost wake-up of this process a hang and not a delay, until
// restore is called.
func withoutSlice() (restore func()) { return wait.WithoutSlice() }
