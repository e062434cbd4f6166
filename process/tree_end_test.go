//go:build linux && !shmfallback

package process_test

import (
	"os"
	"testing"
)

// When the root of a tree is killed, all of it ends, and takes the named segment
// with it.
func TestTreeEndsWithItsRoot(t *testing.T) {
	if os.Getenv("SHOAL_DISABLE") != "" {
		t.Skip("the last of the tree may end before it can know that its root has")
	}
	tr := plant(t)
	tr.grown()
	if files := tr.left(); len(files) != 1 {
		t.Fatalf("the tree's segment is in %v", files)
	}
	if err := tr.root.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	tr.gone()
	if files := tr.left(); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}
