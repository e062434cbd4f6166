//go:build linux

package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/process"
)

// roleVariable makes this test binary run one of the roles below, for what
// cannot be seen from inside a child: a process that goes about Main wrongly.
const roleVariable = "PROCESS_TEST_ROLE"

// roles run before Main; what they print is for the test that starts them.
var roles = map[string]func(){
	"no-main":      roleNoMain,
	"twice":        roleTwice,
	"lost":         func() { os.Exit(0) },
	"environment":  roleEnvironment,
	"descriptors":  roleDescriptors,
	"closed-stdio": roleClosedStdio,
	"deleted":      roleDeleted,
	"root":         roleRoot,
	"poor":         rolePoor,
	"stray":        func() { process.Main(); fmt.Println("Main returned"); os.Exit(0) },
}

func TestMain(m *testing.M) {
	if role := roles[os.Getenv(roleVariable)]; role != nil {
		role()
		os.Exit(0)
	}
	process.Main()
	// Race builds sleep a second at the end of each process, children included.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// runRole runs a role in a fresh process that is no child of package process.
func runRole(t *testing.T, role string, env ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(deadline(t), os.Args[0])
	cmd.Env = append(append(os.Environ(), roleVariable+"="+role), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// deadline is the watchdog of a test: long, and only for what hangs.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// start starts cmd; a child that is left at the end of the test is killed.
func start(t *testing.T, cmd *process.Command) *process.Child {
	t.Helper()
	child, err := cmd.Start(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = child.Kill()
		<-child.Done()
	})
	return child
}

// startReady starts cmd and returns when the child has written its first line,
// which is checked to be "ready". The rest of its output can be read.
func startReady(t *testing.T, cmd *process.Command) (*process.Child, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	cmd.Stdout = w
	child := start(t, cmd)
	_ = w.Close()
	lines := bufio.NewReader(r)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		t.Fatalf("the child says %q, %v; want ready", line, err)
	}
	return child, lines
}

// output runs cmd to its good end and returns what it wrote.
func output(t *testing.T, cmd *process.Command) string {
	t.Helper()
	var b strings.Builder
	cmd.Stdout = &b
	if err := cmd.Run(deadline(t)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// quiet sends what a child says on standard error into a buffer.
func quiet(cmd *process.Command) (*process.Command, *strings.Builder) {
	b := new(strings.Builder)
	cmd.Stderr = b
	return cmd, b
}

// exitOf returns the *ExitError that err must be.
func exitOf(t *testing.T, err error) *process.ExitError {
	t.Helper()
	var e *process.ExitError
	if !errors.As(err, &e) {
		t.Fatalf("error is %T %v, want *ExitError", err, err)
	}
	return e
}

// remoteOf returns the *RemoteError that must be in err.
func remoteOf(t *testing.T, err error) *process.RemoteError {
	t.Helper()
	var e *process.RemoteError
	if !errors.As(err, &e) {
		t.Fatalf("error is %T %v, want a *RemoteError in it", err, err)
	}
	return e
}

// openFiles returns where the descriptors of this process lead, by number.
func openFiles(t *testing.T) map[string]string {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, d := range list {
		if to, err := os.Readlink("/proc/self/fd/" + d.Name()); err == nil { // not the directory's own
			m[d.Name()] = to
		}
	}
	return m
}

// noLeaks returns a check that no descriptor is open that is not open now.
func noLeaks(t *testing.T) (check func()) {
	t.Helper()
	if err := nothing.Run(deadline(t), struct{}{}); err != nil { // opens what the runtime needs for ever
		t.Fatal(err)
	}
	before := openFiles(t)
	return func() {
		t.Helper()
		// Closed segments go with the garbage, and audits open files for a moment.
		for end := time.Now().Add(30 * time.Second); ; runtime.GC() {
			var leaked []string
			for fd, to := range openFiles(t) {
				if before[fd] != to {
					leaked = append(leaked, fd+" "+to)
				}
			}
			if len(leaked) == 0 {
				return
			}
			if time.Now().After(end) {
				t.Errorf("left open: %v", leaked)
				return
			}
		}
	}
}
