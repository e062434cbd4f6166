//go:build linux

package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/process"
)

// orphan tells how its ctx ends, and stays if it is stubborn. That its end of
// the pipe is closed shows that it has ended.
type orphanArgs struct {
	Out      *os.File
	Stubborn bool
}

var orphan = process.Func("orphan", func(ctx context.Context, a orphanArgs) error {
	if _, err := fmt.Fprintln(a.Out, "ready"); err != nil {
		return err
	}
	<-ctx.Done()
	_, err := fmt.Fprintln(a.Out, context.Cause(ctx))
	if a.Stubborn {
		select {}
	}
	return errors.Join(err, ctx.Err())
})

// mother starts an orphan and waits to be killed.
var mother = process.Func("mother", func(ctx context.Context, a orphanArgs) error {
	cmd := orphan.Command(a)
	cmd.Stderr = io.Discard
	cmd.Grace = 10 * time.Millisecond
	if _, err := cmd.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	select {}
})

// A child whose parent is killed ends: by its ctx, or else after its grace.
func TestOrphansEnd(t *testing.T) {
	for _, stubborn := range []bool{false, true} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		child := start(t, mother.Command(orphanArgs{w, stubborn}))
		_ = w.Close()
		lines := bufio.NewReader(r)
		if line, err := lines.ReadString('\n'); line != "ready\n" {
			t.Fatalf("%q, %v", line, err)
		}
		if err := child.Kill(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan string, 1)
		go func() { rest, _ := io.ReadAll(lines); ended <- string(rest) }()
		select {
		case rest := <-ended:
			if rest != "process: the parent has died\n" {
				t.Errorf("stubborn %v: the orphan says %q", stubborn, rest)
			}
		case <-deadline(t).Done():
			t.Errorf("stubborn %v: the orphan lives on", stubborn)
		}
		_ = r.Close()
	}
}

type node struct{ Path string }

// grow prints its place in a tree and starts two more down to depth two.
var grow *process.Function[node]

// A package-level var cannot be initialized with what refers to it.
func init() { //nolint:gochecknoinits // the documented way to register what starts itself
	grow = process.Func("grow", func(ctx context.Context, n node) error {
		fmt.Println(n.Path)
		if strings.Count(n.Path, "/") == 2 {
			return nil
		}
		for _, name := range []string{"/0", "/1"} {
			if err := grow.Run(ctx, node{n.Path + name}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Conformance: PRC-05.
func TestChildrenOfChildren(t *testing.T) {
	want := "root\nroot/0\nroot/0/0\nroot/0/1\nroot/1\nroot/1/0\nroot/1/1\n"
	if out := output(t, grow.Command(node{"root"})); out != want {
		t.Errorf("the tree is %q, want %q", out, want)
	}
}

// Many at once: all end well, none stays as a zombie, nothing leaks.
func TestManyChildren(t *testing.T) {
	if err := nothing.Run(deadline(t), struct{}{}); err != nil { // what the first start keeps open is no leak
		t.Fatal(err)
	}
	leaks, goroutines := noLeaks(t), runtime.NumGoroutine()
	n := 50
	if testing.Short() {
		n = 10
	}
	var children []*process.Child
	for range n {
		child, err := nothing.Start(deadline(t), struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		children = append(children, child)
	}
	if err := process.Wait(deadline(t), children...); err != nil {
		t.Error(err)
	}
	if left := process.Children(); len(left) != 0 {
		t.Errorf("Children: %d", len(left))
	}
	for _, c := range children {
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.PID())); err == nil && strings.Contains(string(stat), ") Z ") {
			t.Errorf("%s is a zombie", c.Name())
		}
	}
	leaks()
	ctx := deadline(t)
	for runtime.NumGoroutine() > goroutines && ctx.Err() == nil {
		runtime.Gosched() // the last ones are just returning
	}
	if ctx.Err() != nil {
		t.Errorf("%d goroutines, before %d", runtime.NumGoroutine(), goroutines)
	}
}

func TestChildrenListsThoseThatRun(t *testing.T) {
	a, _ := startReady(t, waiting.Command("nil"))
	b, _ := startReady(t, waiting.Command("nil"))
	if list := process.Children(); len(list) != 2 || list[0] != a || list[1] != b {
		t.Errorf("Children: %v", list)
	}
	_ = a.Stop()
	<-a.Done()
	if list := process.Children(); len(list) != 1 || list[0] != b {
		t.Errorf("Children after the end of one: %v", list)
	}
}
