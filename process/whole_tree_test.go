//go:build linux

package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// twig is what each process of a tree gets.
type twig struct {
	Out   *os.File // the end of it is the end of the last process of the tree
	Named *shm.Segment
	Count *value.Atomic[int64] // in a segment without a name
	Depth int
	Wide  int
}

// branch adds itself to the tree, and children of its own.
var branch *process.Function[twig]

// A package-level var cannot be initialized with what refers to it.
func init() { //nolint:gochecknoinits // as for grow
	branch = process.Func("branch", func(ctx context.Context, a twig) error {
		a.Count.Add(1)
		if _, err := value.OpenOrCreateAtomic[int64](ctx, a.Named, "n", 0); err != nil {
			return err
		}
		if err := a.grow(ctx); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(a.Out, "up"); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	})
}

// grow starts what hangs on a process of the tree.
func (a twig) grow(ctx context.Context) error {
	if a.Depth == 0 {
		return nil
	}
	a.Depth--
	for range a.Wide {
		cmd := branch.Command(a)
		cmd.Stderr = io.Discard
		cmd.Grace = 30 * time.Second // nobody is stubborn here
		if _, err := cmd.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// roleRoot is the root of a tree, which is no child. Its named segment is in the
// folder that the environment says.
func roleRoot() {
	if err := root(); err != nil {
		fmt.Fprintln(os.Stderr, "root:", err)
		os.Exit(1)
	}
}

func root() error {
	if err := os.Unsetenv(roleVariable); err != nil { // children are children
		return err
	}
	process.Main()
	ctx := context.Background()
	named, err := shm.Create(ctx, "tree", shm.Spec{}, nil)
	if err != nil {
		return err
	}
	anonymous, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		return err
	}
	n, err := value.CreateAtomic[int64](ctx, anonymous, "n", 0)
	if err != nil {
		return err
	}
	if err := (twig{Out: os.Stdout, Named: named, Count: n, Depth: 2, Wide: 2}).grow(ctx); err != nil {
		return err
	}
	fmt.Println("up")
	select {}
}

// treeSize is how many processes a tree has.
const treeSize = 1 + 2 + 4

// tree is a started tree.
type tree struct {
	t    *testing.T
	dir  string // of its segment
	root *exec.Cmd
	out  *os.File
}

// plant starts a tree, in a process group of its own.
func plant(t *testing.T) *tree {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	tr := &tree{t: t, dir: t.TempDir(), root: exec.CommandContext(deadline(t), os.Args[0]), out: out}
	tr.root.Env = append(os.Environ(), roleVariable+"=root", "SHOAL_DIR="+tr.dir)
	tr.root.Stdout, tr.root.Stderr = in, os.Stderr
	tr.root.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := tr.root.Start(); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	t.Cleanup(func() {
		_ = syscall.Kill(-tr.root.Process.Pid, syscall.SIGKILL)
		_ = tr.root.Wait()
		_ = out.Close()
	})
	return tr
}

// grown returns when every process of the tree is up.
func (tr *tree) grown() {
	tr.t.Helper()
	lines := bufio.NewReader(tr.out)
	for i := range treeSize {
		if line, err := lines.ReadString('\n'); line != "up\n" {
			tr.t.Fatalf("%d of %d are up: %q, %v", i, treeSize, line, err)
		}
	}
}

// gone returns when no process of the tree is left: the pipe, which all of them
// have, is at its end.
func (tr *tree) gone() {
	tr.t.Helper()
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, tr.out)
		ended <- err
	}()
	select {
	case err := <-ended:
		if err != nil {
			tr.t.Error(err)
		}
	case <-deadline(tr.t).Done():
		tr.t.Fatal("a process of the tree lives on")
	}
}

// left returns the files in the folder of the tree's segment.
func (tr *tree) left() []string {
	tr.t.Helper()
	files, err := filepath.Glob(filepath.Join(tr.dir, "*"))
	if err != nil {
		tr.t.Fatal(err)
	}
	return files
}

// prune removes what the tree has left behind. Of a process that ends the kernel
// closes the pipe a moment before what says that it has the segment open.
func (tr *tree) prune() {
	tr.t.Helper()
	for ctx := deadline(tr.t); ; {
		if _, err := shm.Prune(ctx, &shm.Options{Dir: tr.dir}); err != nil || ctx.Err() != nil {
			tr.t.Fatalf("%v; left behind: %v", err, tr.left())
		}
		if len(tr.left()) == 0 {
			return
		}
	}
}

// A tree may be killed at any moment of its growth, its root alone or all at
// once. Nobody is left; if nobody was left to remove the segment's name, Prune
// does.
func TestTreeKilledAtAnyMoment(t *testing.T) {
	for i := range max(moments()/4, 2) {
		tr := plant(t)
		pause(100 * time.Millisecond)
		victim := tr.root.Process.Pid
		if i%2 == 0 {
			victim = -victim // the whole group
		}
		if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		tr.gone()
		tr.prune()
	}
}

// gardener has a tree below it, and waits until its branch has been cut.
var gardener = process.Func("gardener", func(ctx context.Context, a twig) error {
	if err := a.grow(ctx); err != nil {
		return err
	}
	for _, c := range process.Children() {
		if err := c.Wait(ctx); err == nil {
			return errors.New("a branch that nobody stopped has ended well")
		}
	}
	fmt.Println("cut")
	return process.Wait(context.WithoutCancel(ctx), process.Children()...)
})

// A process in the middle of a tree may be killed: what hangs on it ends, and
// those above it learn of that and go on.
func TestMiddleOfATreeIsKilled(t *testing.T) {
	seg := anonymous(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	named, err := shm.Create(t.Context(), "tree", shm.Spec{}, &shm.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer named.Close()
	a := twig{Out: w, Named: named, Count: number(t, seg, "n"), Depth: 2, Wide: 1}
	cmd, _ := quiet(gardener.Command(a))
	child, out := startPiped(t, cmd)
	_ = w.Close()
	lines := bufio.NewReader(r)
	for range 2 {
		if line, err := lines.ReadString('\n'); line != "up\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	if err := syscall.Kill(onlyChild(t, child.PID()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if line, err := out.ReadString('\n'); line != "cut\n" {
		t.Fatalf("the parent of a killed branch says %q, %v", line, err)
	}
	if err := child.Wait(deadline(t)); err != nil {
		t.Error(err)
	}
	ended := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, lines); close(ended) }()
	select {
	case <-ended:
	case <-deadline(t).Done():
		t.Error("what hung on the killed branch lives on")
	}
}

// onlyChild returns the id of the one process whose parent is pid.
func onlyChild(t *testing.T, pid int) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		var id, parent int
		_, after, _ := strings.Cut(string(stat), ") ")
		if _, err := fmt.Sscanf(after, "%1s %d", new(string), &parent); err == nil && parent == pid {
			if _, err := fmt.Sscan(string(stat), &id); err == nil {
				found = append(found, id)
			}
		}
	}
	if len(found) != 1 {
		t.Fatalf("the children of %d are %v", pid, found)
	}
	return found[0]
}

// startPiped starts cmd and returns it with its output.
func startPiped(t *testing.T, cmd *process.Command) (*process.Child, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	cmd.Stdout = w
	child := start(t, cmd)
	_ = w.Close()
	return child, bufio.NewReader(r)
}
