//go:build !shmcheck

package ring_test

import "testing"

func withoutSlice(testing.TB) {}
