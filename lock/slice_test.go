//go:build !shmcheck

package lock_test

func withoutSlice() {}
