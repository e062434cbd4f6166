package sys_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/shoal-ipc/shoal/internal/sys"
)

func TestMachine(t *testing.T) {
	if id := sys.BootID(); len(id) != 36 || id != sys.BootID() {
		t.Errorf("boot id %q", id)
	}
	link, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("pid:[%d]", sys.PIDNamespace()); link != want {
		t.Errorf("pid namespace %s, want %s", want, link)
	}
	if name := sys.Executable(); name == "" || strings.Contains(name, "/") {
		t.Errorf("executable %q", name)
	}
}

func TestStartTime(t *testing.T) {
	mine, err := sys.StartTime(os.Getpid())
	if err != nil || mine == 0 {
		t.Fatalf("start time %d, %v", mine, err)
	}
	if again, err := sys.StartTime(os.Getpid()); err != nil || again != mine {
		t.Errorf("start time %d, %v; was %d", again, err, mine)
	}
	if _, err := sys.StartTime(1 << 30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("start time of nobody: %v", err)
	}
}

// TestStartTimeOfOddName has a program whose name looks like fields.
func TestStartTimeOfOddName(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	odd := filepath.Join(t.TempDir(), "a) b (1 2")
	if err := os.Link(exe, odd); err != nil {
		if err := os.Symlink(exe, odd); err != nil {
			t.Fatal(err)
		}
	}
	h := startHelper(t, "start", []string{"EXE=" + odd})
	said := h.line(t)
	got, err := sys.StartTime(h.Process.Pid)
	if err != nil || strconv.FormatUint(got, 10) != said {
		t.Errorf("start time %d, %v; the child says %s", got, err, said)
	}
	mine, err := sys.StartTime(os.Getpid())
	if err != nil || got < mine {
		t.Errorf("the child began at %d, before us at %d, %v", got, mine, err)
	}
}

func helpStart([]string) error {
	t, err := sys.StartTime(os.Getpid())
	if err != nil {
		return err
	}
	say("%d", t)
	waitForParent()
	return nil
}

func TestFeatures(t *testing.T) {
	all := []struct {
		name string
		get  func(sys.Features) bool
	}{
		{"robustlist", func(f sys.Features) bool { return f.RobustList }},
		{"futexwaitv", func(f sys.Features) bool { return f.FutexWaitv }},
		{"membarrier", func(f sys.Features) bool { return f.Membarrier }},
		{"tmpfile", func(f sys.Features) bool { return f.TmpFile }},
	}
	have := sys.Probe()
	t.Logf("this system has %+v", have)
	for _, off := range all {
		h := startHelper(t, "features", []string{sys.DisableVariable + "=" + os.Getenv(sys.DisableVariable) + ", ," + strings.ToUpper(off.name) + ",nonsense"})
		got := h.line(t)
		want := have
		switch off.name {
		case "robustlist":
			want.RobustList = false
		case "futexwaitv":
			want.FutexWaitv = false
		case "membarrier":
			want.Membarrier = false
		case "tmpfile":
			want.TmpFile = false
		}
		if got != fmt.Sprintf("%+v", want) {
			t.Errorf("without %s there is %s, want %+v", off.name, got, want)
		}
	}
}

// helpFeatures says what the child has, and whether what is missing says so.
func helpFeatures([]string) error {
	have := sys.Probe()
	var errs []error
	check := func(name string, has bool, err error) {
		if errors.Is(err, errors.ErrUnsupported) == has {
			errs = append(errs, fmt.Errorf("%s is here: %v, but it fails with %w", name, has, err))
		}
	}
	var word uint32
	_, err := sys.FutexWaitv([]sys.FutexWaiter{{Word: &word}}, 0)
	check("futex_waitv", have.FutexWaitv, err)
	check("membarrier", have.Membarrier, sys.RegisterMembarrier())
	_, err = sys.NewRobustList()
	check("robust list", have.RobustList, err)
	say("%+v", have)
	return errors.Join(errs...)
}

func TestMembarrier(t *testing.T) {
	if !sys.Probe().Membarrier {
		t.Skip("no membarrier here")
	}
	for range 3 {
		if err := sys.RegisterMembarrier(); err != nil {
			t.Fatal(err)
		}
		if err := sys.Membarrier(); err != nil {
			t.Fatal(err)
		}
	}
}
