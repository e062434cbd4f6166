package scribble_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A child is this test binary, started again to be one of the roles.
const roleVariable = "SHOAL_SCRIBBLE_ROLE"

func roles() map[string]func(args []string) {
	return map[string]func(args []string){
		"worker":    work,
		"looker":    lookOn,
		"scribbler": scribble,
		"sleeper":   sleepOn,
	}
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		roles()[role](os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is a started child. What it says is kept.
type child struct {
	role  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	ended chan struct{} // closed when it was reaped
	err   error         // of its end

	mu     sync.Mutex
	out    []string
	heard  *sync.Cond
	errors strings.Builder
}

func start(tb testing.TB, role string, args ...string) *child {
	tb.Helper()
	exe, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	c := &child{role: role, cmd: exec.Command(exe, args...), ended: make(chan struct{})}
	c.heard = sync.NewCond(&c.mu)
	c.cmd.Env = append(os.Environ(), roleVariable+"="+role, "GOTRACEBACK=all")
	c.cmd.Stderr = &c.errors
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go c.listen(out)
	tb.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-c.ended
	})
	return c
}

func (c *child) listen(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		c.mu.Lock()
		c.out = append(c.out, lines.Text())
		c.heard.Broadcast()
		c.mu.Unlock()
	}
	c.err = c.cmd.Wait()
	close(c.ended)
	c.mu.Lock()
	c.heard.Broadcast()
	c.mu.Unlock()
}

// said waits for a line of the child that begins with prefix, and returns the
// last one; false if the child ends without.
func (c *child) said(prefix string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for _, line := range slices.Backward(c.out) {
			if strings.HasPrefix(line, prefix) {
				return line, true
			}
		}
		select {
		case <-c.ended:
			return "", false
		default:
			c.heard.Wait()
		}
	}
}

// stop tells the child to end, and waits for it.
func (c *child) stop() {
	_ = c.in.Close()
	<-c.ended
}

// kill kills the child and waits until it is reaped.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.ended
}

// fault says how the child ended, if that was not in order.
func (c *child) fault() string {
	if c.err == nil {
		return ""
	}
	if exit, ok := errors.AsType[*exec.ExitError](c.err); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGKILL {
			return "" // by kill
		}
	}
	text := c.errors.String()
	if len(text) > 12000 {
		text = text[:12000] + "\n..."
	}
	return fmt.Sprintf("%s %d: %v\n%s\n%s", c.role, c.cmd.Process.Pid, c.err, strings.Join(c.out, "\n"), text)
}

// untilStopped returns a channel that is closed when the parent closes this
// child's input, or dies.
func untilStopped() <-chan struct{} {
	stopped := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stopped)
	}()
	return stopped
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// watchdog bounds what takes far too long on any machine.
const watchdog = 40 * time.Second
