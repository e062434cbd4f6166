//go:build !linux || !amd64 || shmcheck || race

package singlestep

import "testing"

// TestProofSingleStep says why it does nothing.
func TestProofSingleStep(t *testing.T) {
	t.Skip("single steps are taken on linux/amd64, in a build without -race and -tags shmcheck")
}
