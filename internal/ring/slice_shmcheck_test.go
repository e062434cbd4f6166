//go:build shmcheck

package ring_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/internal/wait"
)

// withoutSlice makes waits end only by a wake-up until the test is over.
func withoutSlice(t testing.TB) { t.Cleanup(wait.WithoutSlice()) }
