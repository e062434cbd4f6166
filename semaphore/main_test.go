package semaphore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
)

// childEnv tells a process of this test binary which child it is.
const childEnv = "SHOAL_SEMAPHORE_TEST_CHILD"

// watchdog bounds waits that end at once unless something is broken.
const watchdog = 30 * time.Second

var children = map[string]func(c *parent) error{}

// registerChild makes f what a child of that name does.
func registerChild(name string, f func(c *parent) error) string {
	children[name] = f
	return name
}

func TestMain(m *testing.M) {
	name := os.Getenv(childEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	if err := children[name](&parent{bufio.NewReader(os.Stdin), os.Args[1:]}); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// parent is what a child has of its parent.
type parent struct {
	in   *bufio.Reader
	args []string
}

func (p *parent) say(args ...any) { fmt.Println(args...) }

// hear returns the next line of the parent; it ends the process when there is none.
func (p *parent) hear() string {
	s, err := p.in.ReadString('\n')
	if err != nil {
		os.Exit(0)
	}
	return strings.TrimSpace(s)
}

// open opens the semaphore that the first argument names.
func (p *parent) open() (*semaphore.Semaphore, error) {
	s := new(semaphore.Semaphore)
	return s, s.UnmarshalText([]byte(p.args[0]))
}

// child is a started child.
type child struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start starts a child on the semaphore s.
func start(t testing.TB, name string, s *semaphore.Semaphore) *child {
	t.Helper()
	if children[name] == nil {
		t.Fatalf("no child %q", name)
	}
	text, err := s.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(os.Args[0], string(text))}
	c.cmd.Env = append(os.Environ(), childEnv+"="+name)
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.cmd.Process.Kill(); _ = c.cmd.Wait() })
	return c
}

func (c *child) tell(args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, args...); err != nil {
		c.t.Fatal(err)
	}
}

// line waits for the next line of the child.
func (c *child) line() string {
	c.t.Helper()
	s, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("the child said %q and then: %v", s, err)
	}
	return strings.TrimSpace(s)
}

func (c *child) want(line string) {
	c.t.Helper()
	if got := c.line(); got != line {
		c.t.Fatalf("the child said %q, want %q", got, line)
	}
}

// kill kills the child and waits until it is gone.
func (c *child) kill() {
	c.t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	_ = c.cmd.Wait()
}

// repaired waits until every child that is gone is repaired here.
func (c *child) repaired() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), watchdog)
	defer cancel()
	if err := object.Inside().AwaitRepair(ctx, c.cmd.Process.Pid); err != nil {
		c.t.Fatal(err)
	}
}

func must[T any](x T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
}

// named returns a fresh segment with a name; it is checked and closed at the end.
func named(t testing.TB) *shm.Segment {
	t.Helper()
	seg := must(shm.Create(context.Background(), "test", shm.Spec{}, &shm.Options{Dir: t.TempDir()}))(t)
	t.Cleanup(func() {
		if err := errors.Join(seg.Check(), seg.Close()); err != nil {
			t.Error(err)
		}
	})
	return seg
}

// heap returns a fresh segment on the Go heap.
func heap(t testing.TB) *shm.Segment {
	t.Helper()
	seg, ok := must(object.Inside().Heap(shm.Spec{}))(t).(*shm.Segment)
	if !ok {
		t.Fatal("no segment")
	}
	t.Cleanup(func() {
		if err := errors.Join(seg.Check(), seg.Close()); err != nil {
			t.Error(err)
		}
	})
	return seg
}

// peer returns one more participant of a segment on the heap.
func peer(t testing.TB, seg *shm.Segment) *shm.Segment {
	t.Helper()
	p, ok := must(object.Inside().HeapPeer(seg))(t).(*shm.Segment)
	if !ok {
		t.Fatal("no segment")
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func acquire(t testing.TB, s *semaphore.Semaphore, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), watchdog)
	defer cancel()
	if err := s.Acquire(ctx, n); err != nil {
		t.Fatalf("Acquire(%d): %v", n, err)
	}
}

func release(t testing.TB, s *semaphore.Semaphore, n int) {
	t.Helper()
	if err := s.Release(n); err != nil {
		t.Fatalf("Release(%d): %v", n, err)
	}
}

func wantErr(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func wantFree(t testing.TB, s *semaphore.Semaphore, n int) {
	t.Helper()
	if got := s.Available(); got != n {
		t.Errorf("%d permits are available, want %d", got, n)
	}
}

// eventually polls ok: what it waits for has no event of its own.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(watchdog); !ok(); {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
		time.Sleep(100 * time.Microsecond)
	}
}
