package sys_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const helperVariable = "SHOAL_SYS_TEST_HELPER"

// helpers are what a child of the test binary can do; each returns its exit code.
func helpers() map[string]func(args []string) error {
	return map[string]func(args []string) error{
		"features":  helpFeatures,
		"flock":     helpFlock,
		"temp":      helpTemp,
		"filelimit": helpFileLimit,
		"start":     helpStart,
		"fault":     helpFault,
	}
}

func TestMain(m *testing.M) {
	if name := os.Getenv(helperVariable); name != "" {
		if err := helpers()[name](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, name+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// say tells the parent something, and wait waits until it answers or goes away.
func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func waitForParent() { _, _ = io.Copy(io.Discard, os.Stdin) }

// helper is a running child.
type helper struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startHelper starts the test binary, or the program that env names as EXE=, as
// helper name.
func startHelper(t *testing.T, name string, env []string, args ...string) *helper {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range env {
		if path, ok := strings.CutPrefix(e, "EXE="); ok {
			exe = path
		}
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(append(os.Environ(), helperVariable+"="+name), env...)
	cmd.Stderr = os.Stderr
	h := &helper{Cmd: cmd}
	if h.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	h.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() {
		watchdog.Stop()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return h
}

// line returns the child's next line.
func (h *helper) line(t *testing.T) string {
	t.Helper()
	s, err := h.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the child said %q and ended: %v", s, err)
	}
	return strings.TrimSuffix(s, "\n")
}

// kill kills the child and waits until it is gone.
func (h *helper) kill(t *testing.T) {
	t.Helper()
	if err := h.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = h.Wait()
}

// fileOf makes a file of size bytes in a directory that goes away.
func fileOf(t *testing.T, size int64) *os.File {
	t.Helper()
	f, err := os.OpenFile(t.TempDir()+"/file", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f
}

// openDescriptors counts this process's descriptors.
func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
