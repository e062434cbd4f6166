package shm_test

import (
	"context"
	"os"
	"testing"

	"github.com/shoal-ipc/shoal/shm"
)

var childOpensFile = registerChild("opens file", func([]string) {
	seg, err := shm.FromFile(context.Background(), os.NewFile(3, "given"), nil)
	say(err)
	hear()
	say(seg.Close())
})

// TestLastUserByDescriptor: a process that was given a descriptor by the
// segment's creator knows the name, and removes it if it is the last to leave.
func TestLastUserByDescriptor(t *testing.T) {
	dir := t.TempDir()
	seg := create(context.Background(), "s", &shm.Options{Dir: dir})
	f, err := seg.File()
	if err != nil {
		t.Fatal(err)
	}
	c := prepare(t, childOpensFile)
	c.cmd.ExtraFiles = []*os.File{f}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if s := c.line(); s != "<nil>" {
		t.Fatal(s)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := seg.Close(); err != nil {
		t.Error(err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("while the child has the segment, there is %v", files)
	}
	c.tell("close")
	if s := c.line(); s != "<nil>" {
		t.Error(s)
	}
	c.wait()
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}
