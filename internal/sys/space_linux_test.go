package sys_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/shoal-ipc/shoal/internal/sys"
	"golang.org/x/sys/unix"
)

func TestAllocate(t *testing.T) {
	f := fileOf(t, 0)
	if err := sys.Allocate(f, 0, 10000); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("kept"), 5000); err != nil {
		t.Fatal(err)
	}
	if err := sys.Allocate(f, 4096, 100000); err != nil {
		t.Fatal(err)
	}
	info, err := sys.Inspect(f)
	if err != nil || info.Size != 104096 {
		t.Fatalf("size %d, %v; want 104096", info.Size, err)
	}
	got := make([]byte, 4)
	if _, err := f.ReadAt(got, 5000); err != nil || string(got) != "kept" {
		t.Errorf("content is %q, %v; want it kept", got, err)
	}
	for _, bad := range [][2]int64{{-1, 1}, {0, 0}, {0, -1}, {1 << 62, 1 << 62}} {
		if err := sys.Allocate(f, bad[0], bad[1]); !errors.Is(err, unix.EINVAL) {
			t.Errorf("allocate %v: %v, want EINVAL", bad, err)
		}
	}
}

func TestAllocateByWriting(t *testing.T) {
	f := fileOf(t, 100)
	if _, err := f.WriteAt(bytes.Repeat([]byte{9}, 100), 0); err != nil {
		t.Fatal(err)
	}
	const size = 200 << 10
	if err := sys.WriteZeros(f, 100, size); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(f.Name())
	if err != nil || len(got) != size {
		t.Fatalf("%d bytes, %v; want %d", len(got), err, size)
	}
	if !bytes.Equal(got[:100], bytes.Repeat([]byte{9}, 100)) || !bytes.Equal(got[100:], make([]byte, size-100)) {
		t.Error("what was there is not kept, or what came is not zero")
	}
}

// TestAllocateFull fills a tiny file system in memory, where that is allowed.
func TestAllocateFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("cannot mount a small file system:", err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	free, err := sys.FreeSpace(dir)
	if err != nil || free != 256<<10 {
		t.Errorf("free space %d, %v; want %d", free, err, 256<<10)
	}
	f, err := sys.TempFile(dir, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := sys.Allocate(f, 0, 64<<10); err != nil {
		t.Fatal(err)
	}
	if err := sys.Allocate(f, 64<<10, 1<<20); !sys.IsNoSpace(err) {
		t.Errorf("allocating more than there is: %v, want an error for which IsNoSpace is true", err)
	}
	info, err := sys.Inspect(f)
	if err != nil || info.Size != 64<<10 {
		t.Errorf("afterwards the size is %d, %v; want %d as before", info.Size, err, 64<<10)
	}
	if free, err = sys.FreeSpaceOf(f); err != nil || free != 192<<10 {
		t.Errorf("free space %d, %v; want %d: the failed call must give back what it got", free, err, 192<<10)
	}
}

// TestAllocateLimit has a child exceed its limit of file sizes, for which the
// kernel also sends a signal that ends programs in other languages.
func TestAllocateLimit(t *testing.T) {
	h := startHelper(t, "filelimit", nil, filepath.Join(t.TempDir(), "file"))
	if got := h.line(t); got != "no space" {
		t.Errorf("the child says %q", got)
	}
	if err := h.Wait(); err != nil {
		t.Error("the child ended badly:", err)
	}
}

func helpFileLimit(args []string) error {
	limit := unix.Rlimit{Cur: 64 << 10, Max: 64 << 10}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	f, err := os.Create(args[0])
	if err != nil {
		return err
	}
	for name, fn := range map[string]func() error{
		"allocate": func() error { return sys.Allocate(f, 0, 1<<20) },
		"write":    func() error { return sys.WriteZeros(f, 0, 1<<20) },
	} {
		if err := fn(); !sys.IsNoSpace(err) {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	say("no space")
	return nil
}

func TestIsNoSpace(t *testing.T) {
	for err, want := range map[error]bool{
		unix.ENOSPC: true, unix.EDQUOT: true, unix.EFBIG: true, unix.ENOMEM: true,
		unix.EPERM: false, unix.EINVAL: false, nil: false,
	} {
		if err != nil {
			err = &os.PathError{Op: "allocate", Path: "x", Err: err}
		}
		if got := sys.IsNoSpace(err); got != want {
			t.Errorf("IsNoSpace(%v) = %v", err, got)
		}
	}
}

// TestFreeSpaceOfMemory asks a file system that has no size.
func TestFreeSpaceOfMemory(t *testing.T) {
	f, err := sys.Memfd("space")
	if err != nil {
		t.Skip("no memory files:", err)
	}
	defer func() { _ = f.Close() }()
	if free, err := sys.FreeSpaceOf(f); err != nil || free <= 0 {
		t.Errorf("free memory %d, %v; want some", free, err)
	}
	if _, err := sys.FreeSpace("/nonexistent"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("free space of nothing: %v, want fs.ErrNotExist", err)
	}
}

// TestAllocateInParts has every call interrupted that wants more than can be
// done between two signals.
func TestAllocateInParts(t *testing.T) {
	for _, most := range []int64{256 << 10, 300 << 10, 1 << 20, 1 << 40} {
		for _, n := range []int64{1, 256 << 10, 100<<20 + 7} {
			const off = 12345
			end, interrupted := int64(off), false
			err := sys.InParts(off, n, func(from, part int64) error {
				if from != end || part <= 0 {
					t.Fatalf("part of %d at %d after %d", part, from, end)
				}
				if interrupted = !interrupted; interrupted || part > most {
					return unix.EINTR
				}
				end += part
				return nil
			})
			if err != nil || end != off+n {
				t.Errorf("at most %d: allocated to %d, %v; want %d", most, end, err, off+n)
			}
		}
	}
	if err := sys.InParts(0, 10, func(int64, int64) error { return unix.ENOSPC }); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("%v, want ENOSPC", err)
	}
}
