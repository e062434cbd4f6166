package sys_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/sys"
	"golang.org/x/sys/unix"
)

func mustMap(t *testing.T, f *os.File, length int64) []byte {
	t.Helper()
	b, err := sys.MapFile(f, length)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sys.Unmap(b); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestMapFileShares(t *testing.T) {
	f := fileOf(t, 8192)
	a, b := mustMap(t, f, 8192), mustMap(t, f, 8192)
	a[5000] = 42
	if b[5000] != 42 {
		t.Error("two mappings of one file do not share")
	}
	var read [1]byte
	if _, err := f.ReadAt(read[:], 5000); err != nil || read[0] != 42 {
		t.Errorf("the file has %v, %v; want what the mapping has", read, err)
	}
}

func TestMapFileBeyondTheEnd(t *testing.T) {
	f := fileOf(t, 4096)
	b := mustMap(t, f, 1<<30)
	b[4095] = 1
	if err := sys.Allocate(f, 4096, 1<<20); err != nil {
		t.Fatal(err)
	}
	b[4096+1<<20-1] = 1 // would be a fault if the room did not grow with the file
}

func TestMapFileSurvivesClose(t *testing.T) {
	f := fileOf(t, 4096)
	b := mustMap(t, f, 4096)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b[0] = 1
	if _, err := sys.MapFile(f, 4096); err == nil {
		t.Error("a closed file was mapped")
	}
}

func TestMapFileRefuses(t *testing.T) {
	f := fileOf(t, 4096)
	for _, length := range []int64{0, -1, -1 << 63} {
		if _, err := sys.MapFile(f, length); !errors.Is(err, unix.EINVAL) {
			t.Errorf("length %d: %v, want EINVAL", length, err)
		}
	}
}

func TestMapFileReadOnly(t *testing.T) {
	f := fileOf(t, 4096)
	if _, err := f.WriteAt([]byte{7}, 100); err != nil {
		t.Fatal(err)
	}
	r, err := sys.OpenReadOnly(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if _, err := sys.MapFile(r, 4096); err == nil {
		t.Error("a file open for reading was mapped for writing")
	}
	b, err := sys.MapFileReadOnly(r, 4096)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sys.Unmap(b) }()
	if b[100] != 7 {
		t.Errorf("read %d, want 7", b[100])
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() == nil {
			t.Error("a read-only mapping was written to")
		}
	}()
	store(b) // in a call, for which the compiler keeps the deferred one ready
}

//go:noinline
func store(b []byte) { b[100] = 8 }

// TestMapFileAdvice looks whether forked children and core dumps are kept away.
func TestMapFileAdvice(t *testing.T) {
	b := mustMap(t, fileOf(t, 4096), 4096)
	flags := vmFlags(t, uintptr(unsafe.Pointer(&b[0])))
	for _, want := range []string{"dc", "dd", "sh"} {
		if !strings.Contains(" "+flags+" ", " "+want+" ") {
			t.Errorf("the mapping has the flags %q, want %q among them", flags, want)
		}
	}
}

// vmFlags returns what the kernel says of the mapping that begins at addr.
func vmFlags(t *testing.T, addr uintptr) string {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skip("no smaps:", err)
	}
	defer func() { _ = f.Close() }()
	inside := false
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.HasPrefix(s.Text(), fmt.Sprintf("%x-", addr)) {
			inside = true
		}
		if flags, ok := strings.CutPrefix(s.Text(), "VmFlags: "); ok && inside {
			return flags
		}
	}
	t.Fatalf("no mapping begins at %#x", addr)
	return ""
}

func TestMemfd(t *testing.T) {
	f, err := sys.Memfd("sheet")
	if err != nil {
		t.Skip("no memory files:", err)
	}
	defer func() { _ = f.Close() }()
	if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor flags %#x, %v; want FD_CLOEXEC", flags, err)
	}
	if err := sys.Allocate(f, 0, 8192); err != nil {
		t.Fatal(err)
	}
	if err := sys.SealShrink(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(4096); !errors.Is(err, unix.EPERM) {
		t.Errorf("shrinking a sealed file: %v, want EPERM", err)
	}
	if err := sys.Allocate(f, 8192, 8192); err != nil {
		t.Errorf("growing a sealed file: %v", err)
	}
	if err := f.Truncate(1 << 20); err != nil {
		t.Errorf("growing a sealed file: %v", err)
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_GROW); !errors.Is(err, unix.EPERM) {
		t.Errorf("another seal: %v, want EPERM", err)
	}
	if err := sys.SealShrink(fileOf(t, 0)); err == nil {
		t.Error("a file with a name was sealed")
	}
}
