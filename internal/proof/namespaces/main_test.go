//go:build linux

package namespaces

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/process"
)

// watchdog bounds waits for what must happen.
const watchdog = time.Minute

func TestMain(m *testing.M) {
	process.Main()
	os.Exit(m.Run())
}

// ownNumbers makes a child the first process of a pid namespace of its own. Who
// is not root needs a user namespace for that; where neither is allowed, the
// test is skipped.
func ownNumbers(t *testing.T) *syscall.SysProcAttr {
	t.Helper()
	same := func(id int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: id, HostID: id, Size: 1}}
	}
	var failed error
	for _, attr := range []*syscall.SysProcAttr{
		{Cloneflags: syscall.CLONE_NEWPID},
		{
			Cloneflags:  syscall.CLONE_NEWPID | syscall.CLONE_NEWUSER,
			UidMappings: same(os.Geteuid()), GidMappings: same(os.Getegid()),
		},
	} {
		try := exec.Command("/proc/self/exe", "-test.run=^$")
		try.SysProcAttr = attr
		err := try.Run()
		if err == nil {
			return attr
		}
		failed = errors.Join(failed, err)
	}
	t.Skipf("no pid namespace can be made here: %v", failed)
	return nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func made[T any](t *testing.T) func(x T, err error) T {
	return func(x T, err error) T {
		t.Helper()
		must(t, err)
		return x
	}
}

// await waits until ok; nothing tells when that is.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); <-time.After(time.Millisecond) {
		if time.Since(start) > watchdog {
			t.Fatalf("never: %s", what)
		}
	}
}
