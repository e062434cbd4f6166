package sys_test

import (
	"runtime"
	"testing"

	"github.com/shoal-ipc/shoal/internal/sys"
)

func TestFileSystemOf(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("Linux only")
	}
	dir := t.TempDir()
	got, err := sys.FileSystemOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	free, err := sys.FreeSpace(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.Name == "" || got.Free <= 0 || free <= 0 {
		t.Errorf("FileSystemOf: %+v, FreeSpace: %d", got, free)
	}
	if _, err := sys.FileSystemOf(dir + "/missing"); err == nil {
		t.Error("no error for a folder that is not there")
	}
	if sys.Kernel() == "" {
		t.Error("the kernel has no release")
	}
}
