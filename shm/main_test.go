package shm_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// A child is this test binary, started again to run one of the functions that
// tests have registered.
const childEnv = "SHOAL_TEST_CHILD"

var children = map[string]func(args []string){}

// registerChild makes f what a child of that name does. f ends by returning, or
// by being killed.
func registerChild(name string, f func(args []string)) string {
	children[name] = f
	return name
}

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		children[name](os.Args[1:])
		os.Exit(0)
	}
	// Race builds sleep a second at the end of each process, children included.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// child is a started child; it talks by lines.
type child struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(tb testing.TB, name string, args ...string) *child {
	tb.Helper()
	return startAs(tb, os.Geteuid(), name, args...)
}

// startAs starts a child of another user, which only root can.
func startAs(tb testing.TB, user int, name string, args ...string) *child {
	tb.Helper()
	c := prepare(tb, name, args...)
	if user != os.Geteuid() {
		public := filepath.Join(publicDir(tb), "test")
		data, err := os.ReadFile(c.cmd.Path)
		if err == nil {
			err = os.WriteFile(public, data, 0o755)
		}
		if err != nil {
			tb.Fatal(err)
		}
		c.cmd.Path = public
		c.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(user), Gid: uint32(user)}}
	}
	if err := c.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	return c
}

// prepare makes a child that is not yet started.
func prepare(tb testing.TB, name string, args ...string) *child {
	tb.Helper()
	if children[name] == nil {
		tb.Fatalf("no child %q", name)
	}
	var err error
	c := &child{t: tb, cmd: exec.Command(os.Args[0], args...)}
	c.cmd.Env = append(os.Environ(), childEnv+"="+name)
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	tb.Cleanup(func() {
		if c.cmd.Process != nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
	})
	return c
}

// line returns the next line that the child says.
func (c *child) line() string {
	c.t.Helper()
	s, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("child said %q and then: %v", s, err)
	}
	return s[:len(s)-1]
}

// tell sends the child a line.
func (c *child) tell(s string) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, s); err != nil {
		c.t.Fatal(err)
	}
}

// kill kills the child and waits until it is reaped.
func (c *child) kill() {
	c.t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	_ = c.cmd.Wait()
}

// wait waits for the child to end well.
func (c *child) wait() {
	c.t.Helper()
	_ = c.in.Close()
	if err := c.cmd.Wait(); err != nil {
		c.t.Fatal(err)
	}
}

// say is how a child talks; hear how it listens.
func say(args ...any) { fmt.Println(args...) }

func hear() string {
	var s string
	_, _ = fmt.Scanln(&s)
	return s
}
