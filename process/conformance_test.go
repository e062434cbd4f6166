//go:build linux

package process_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// TestConformanceProcess has a subtest for each thing that users of processes
// rely on and that no other test here shows. Those that bear an id in their
// comment show the rest.
func TestConformanceProcess(t *testing.T) {
	for name, f := range map[string]func(t *testing.T){
		"PRC-01": lifeOfAChild, "PRC-02": whoIsWho, "PRC-06": doneChannel, "PRC-13": deferred, "PRC-14": sharesInside,
	} {
		t.Run(name, f)
	}
}

type introduction struct {
	Number int
	Names  map[string]string
}

var introduce = process.Func("introduce", func(ctx context.Context, a introduction) error {
	fmt.Println("ready")
	fmt.Println(process.Name(), os.Getpid(), os.Getppid(), a.Number, a.Names["key"], len(process.Children()))
	<-ctx.Done()
	return nil
})

func lifeOfAChild(t *testing.T) {
	cmd := introduce.Command(introduction{Number: 7, Names: map[string]string{"key": "word"}})
	cmd.Name = "first one"
	if len(process.Children()) != 0 {
		t.Fatal("there are children before Start")
	}
	child, lines := startReady(t, cmd)
	if list := process.Children(); !slices.Equal(list, []*process.Child{child}) {
		t.Errorf("Children while it runs: %v", list)
	}
	want := fmt.Sprintln("first one", child.PID(), os.Getpid(), 7, "word", 0)
	if line, err := lines.ReadString('\n'); line != want {
		t.Errorf("the child says %q, %v; want %q", line, err, want)
	}
	if err := child.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(deadline(t)); err != nil {
		t.Error(err)
	}
	if list := process.Children(); len(list) != 0 {
		t.Errorf("Children after its end: %v", list)
	}
}

func whoIsWho(t *testing.T) {
	if name := process.Name(); name != "" {
		t.Errorf("a process that nobody started has the name %q", name)
	}
	child, lines := startReady(t, introduce.Command(introduction{}))
	line, err := lines.ReadString('\n')
	var name string
	var pid, parent int
	if _, scan := fmt.Sscan(line, &name, &pid, &parent); err != nil || scan != nil {
		t.Fatalf("%q, %v, %v", line, err, scan)
	}
	if name != child.Name() || pid != child.PID() || parent != os.Getpid() {
		t.Errorf("the child is %s %d of %d; want %s %d of %d", name, pid, parent, child.Name(), child.PID(), os.Getpid())
	}
}

func doneChannel(t *testing.T) {
	child, _ := startReady(t, waiting.Command("nil"))
	select {
	case <-child.Done():
		t.Error("done while it runs")
	default:
	}
	if err := child.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-child.Done():
	case <-deadline(t).Done():
		t.Fatal("a killed child is not done")
	}
	<-child.Done() // and stays so
}

// tidies has something to do at its end, however it comes.
var tidies = process.Func("tidies", func(ctx context.Context, how string) error {
	defer fmt.Println("tidied")
	fmt.Println("ready")
	switch how {
	case "panic":
		panic("oh")
	case "error":
		return errSpecial
	case "nil":
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
})

func deferred(t *testing.T) {
	ends := map[string]func(c *process.Child) error{
		"nil": nil, "error": nil, "panic": nil,
		"stop":    (*process.Child).Stop,
		"SIGTERM": func(c *process.Child) error { return c.Signal(syscall.SIGTERM) },
	}
	for how, end := range ends {
		cmd, _ := quiet(tidies.Command(how))
		child, lines := startReady(t, cmd)
		if end != nil {
			if err := end(child); err != nil {
				t.Fatal(err)
			}
		}
		if line, err := lines.ReadString('\n'); line != "tidied\n" {
			t.Errorf("%s: the child says %q, %v", how, line, err)
		}
		<-child.Done()
	}
}

// family makes shared memory of its own in a child, and children that use it.
var family = process.Func("family", func(ctx context.Context, n int) error {
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		return err
	}
	defer func() { _ = seg.Close() }()
	q, err := queue.Create[string](ctx, seg, "q", queue.Spec{})
	if err != nil {
		return err
	}
	var children []*process.Child
	for i := range n {
		cmd := putName.Command(q)
		cmd.Name = fmt.Sprint("grandchild ", i)
		child, err := cmd.Start(ctx)
		if err != nil {
			return err
		}
		children = append(children, child)
	}
	var names []string
	for range n {
		name, err := q.Get(ctx)
		if err != nil {
			return err
		}
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Print(strings.Join(names, ", "))
	return process.Wait(ctx, children...)
})

var putName = process.Func("putName", func(ctx context.Context, q *queue.Queue[string]) error {
	return q.Put(ctx, process.Name())
})

func sharesInside(t *testing.T) {
	if out := output(t, family.Command(3)); out != "grandchild 0, grandchild 1, grandchild 2" {
		t.Errorf("a child of three says %q", out)
	}
}
