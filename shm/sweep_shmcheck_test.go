//go:build shmcheck

package shm_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/shm"
)

// A sweep runs an operation of the segment in a child that is killed at its n-th
// step, a shared atomic, for n = 1, 2, … until the operation ends first.

// operations are what children do; each returns what to do with the hook set.
var operations = map[string]func(opts *shm.Options) (func() error, error){
	"create segment": func(opts *shm.Options) (func() error, error) {
		return func() error {
			seg, err := shm.Create(context.Background(), "new", shm.Spec{Participants: 8}, opts)
			_ = seg
			return err
		}, nil
	},
	"open": func(opts *shm.Options) (func() error, error) {
		return func() error {
			_, err := shm.Open(context.Background(), "s", opts)
			return err
		}, nil
	},
	"close": func(opts *shm.Options) (func() error, error) {
		seg, err := shm.Open(context.Background(), "s", opts)
		if err != nil {
			return nil, err
		}
		if err := lockIn(seg, "m"); err != nil {
			return nil, err
		}
		return seg.Close, nil
	},
	"create object": func(opts *shm.Options) (func() error, error) {
		seg, err := shm.Open(context.Background(), "s", opts)
		return func() error {
			_, _, err := object.Inside().Create(context.Background(), seg, mutexRequest("new"))
			return err
		}, err
	},
	"grow": func(opts *shm.Options) (func() error, error) {
		seg, err := shm.Open(context.Background(), "s", opts)
		return func() error {
			_, _, err := object.Inside().Create(context.Background(), seg, wideRequest("new"))
			return err
		}, err
	},
	"open object": func(opts *shm.Options) (func() error, error) {
		seg, err := shm.Open(context.Background(), "s", opts)
		return func() error {
			_, _, err := object.Inside().Open(context.Background(), seg, mutexRequest("m"))
			return err
		}, err
	},
	"remove object": func(opts *shm.Options) (func() error, error) {
		seg, err := shm.Open(context.Background(), "s", opts)
		return func() error { return seg.Remove(context.Background(), "old") }, err
	},
}

// wideRequest is for an object that does not fit into the segment as created.
func wideRequest(name string) object.Request {
	req := mutexRequest(name)
	kind := *req.Kind
	kind.Size = func(object.Shape) (int64, error) { return 3 << 20, nil }
	req.Kind = &kind
	return req
}

// lockIn locks the mutex of that name and keeps it.
func lockIn(seg *shm.Segment, name string) error {
	use, obj, err := object.Inside().Open(context.Background(), seg, mutexRequest(name))
	if err != nil {
		return err
	}
	core, err := robust.Attach(obj.Region, obj.Shape)
	if err != nil {
		return err
	}
	return robust.New(core.Words, robust.Poison, use, obj).Lock(context.Background())
}

var childDies = registerChild("dies at step", func(args []string) {
	opts := &shm.Options{Dir: args[0]}
	n, _ := strconv.Atoi(args[2])
	run, err := operations[args[1]](opts)
	if err != nil {
		say(err)
		return
	}
	left := int64(n)
	satomic.SetHook(func() {
		// Other goroutines' steps count too: the guardian's are part of it.
		if left--; left == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	err = run()
	satomic.SetHook(nil)
	say("done", err)
})

func TestKillSweep(t *testing.T) {
	for name := range operations {
		t.Run(name, func(t *testing.T) { sweep(t, name) })
	}
}

func sweep(t *testing.T, operation string) {
	t.Helper()
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	seg, err := shm.Create(ctx, "s", shm.Spec{Participants: 8, Size: 1 << 20, MaxSize: 64 << 20}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	createMutex(t, seg, "m")
	for n := 1; ; n++ {
		if _, ok := find(t, seg, "old"); !ok {
			createMutex(t, seg, "old")
		}
		c := start(t, childDies, opts.Dir, operation, strconv.Itoa(n))
		said, _ := c.out.ReadString('\n')
		_ = c.cmd.Wait()
		if err := object.Inside().AwaitRepair(ctx, c.cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		books(t, seg, opts, fmt.Sprintf("%s killed at step %d", operation, n))
		if t.Failed() {
			return
		}
		if said != "" {
			if said != "done <nil>\n" {
				t.Errorf("at step %d the child said %q", n, said)
			}
			t.Logf("%s: killed at each of %d steps", operation, n-1)
			return
		}
	}
}

func find(tb testing.TB, seg *shm.Segment, name string) (shm.Object, bool) {
	tb.Helper()
	objects, err := seg.Objects()
	if err != nil {
		tb.Fatal(err)
	}
	for _, o := range objects {
		if o.Name == name {
			return o, true
		}
	}
	return shm.Object{}, false
}

// books checks that the dead left nothing and that everything still works.
func books(t *testing.T, seg *shm.Segment, opts *shm.Options, what string) {
	t.Helper()
	ctx := context.Background()
	if err := seg.Check(); err != nil {
		t.Errorf("%s: check: %v", what, err)
	}
	ps, err := seg.Participants()
	if err != nil || len(ps) != 1 {
		t.Errorf("%s: participants %v, %v", what, ps, err)
	}
	if o, ok := find(t, seg, "new"); ok {
		if o.State != "unlocked" && o.State != "free" {
			t.Logf("state %q", o.State)
		}
		if err := seg.Remove(ctx, "new"); err != nil {
			t.Errorf("%s: remove: %v", what, err)
		}
	}
	names, err := shm.List(opts)
	if err != nil {
		t.Error(err)
	}
	for _, name := range names {
		if name == "s" {
			continue
		}
		other, err := shm.OpenOrCreate(ctx, name, shm.Spec{Participants: 8}, opts)
		if err != nil {
			t.Errorf("%s: open %s: %v", what, name, err)
			continue
		}
		check(t, other)
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	}
	// A full round of everything, on what is left.
	if _, _, err := object.Inside().Create(ctx, seg, mutexRequest("probe")); err != nil {
		t.Errorf("%s: create: %v", what, err)
	}
	if err := seg.Remove(ctx, "probe"); err != nil {
		t.Errorf("%s: remove: %v", what, err)
	}
	recoverMutex(t, seg, "m")
	runtime.GC() // lets go of the removed objects, so that the directory stays short
}

// recoverMutex makes the mutex as new, if its owner died.
func recoverMutex(t *testing.T, seg *shm.Segment, name string) {
	t.Helper()
	ctx := context.Background()
	use, obj, err := object.Inside().Open(ctx, seg, mutexRequest(name))
	if err != nil {
		t.Fatal(err)
	}
	core, err := robust.Attach(obj.Region, obj.Shape)
	if err != nil {
		t.Fatal(err)
	}
	m := robust.New(core.Words, robust.Poison, use, obj)
	if err := m.Recover(ctx, func() error { return nil }); err != nil {
		t.Errorf("recover: %v", err)
	}
	if err := m.TryLock(); err != nil {
		t.Errorf("lock after recover: %v", err)
	}
	if err := m.Unlock(); err != nil {
		t.Errorf("unlock: %v", err)
	}
}

// TestRepairerKilled kills the process that repairs, at each of its steps.
func TestRepairerKilled(t *testing.T) {
	ctx := context.Background()
	for n := 1; ; n++ {
		opts := &shm.Options{Dir: t.TempDir()}
		seg, err := shm.Create(ctx, "s", shm.Spec{Participants: 8, Lifetime: shm.Persistent}, opts)
		if err != nil {
			t.Fatal(err)
		}
		createMutex(t, seg, "m")
		victim := start(t, childLocks, opts.Dir)
		if s := victim.line(); s != "<nil>" {
			t.Fatal(s)
		}
		if err := seg.Close(); err != nil { // so that nobody is there to notice
			t.Fatal(err)
		}
		victim.kill()
		c := start(t, childDies, opts.Dir, "open", strconv.Itoa(n))
		said, _ := c.out.ReadString('\n')
		_ = c.cmd.Wait()
		if seg, err = shm.Open(ctx, "s", opts); err != nil {
			t.Fatal(err)
		}
		if err := object.Inside().AwaitRepair(ctx, victim.cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		if err := object.Inside().AwaitRepair(ctx, c.cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		books(t, seg, opts, fmt.Sprintf("repairer killed at step %d", n))
		st, err := seg.Stat()
		if err != nil || st.Deaths < 1 || st.Deaths > 2 {
			t.Errorf("step %d: %d deaths, %v; want the victim's, and perhaps the repairer's", n, st.Deaths, err)
		}
		if err := seg.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() || said != "" {
			t.Logf("killed at each of %d steps", n-1)
			return
		}
	}
}

var childLocks = registerChild("locks", func(args []string) {
	seg, err := shm.Open(context.Background(), "s", &shm.Options{Dir: args[0]})
	if err == nil {
		err = lockIn(seg, "m")
	}
	say(err)
	hear()
})
