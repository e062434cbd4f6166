package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// blocked runs f, which waits for the structural lock, and returns when it does.
func blocked[T any](t *testing.T, path string, f func() T) (result func() T) {
	t.Helper()
	before := descriptors(t, path)
	done := make(chan T, 1)
	go func() { done <- f() }()
	for descriptors(t, path) == before { // it has the file open, and no lock
		runtime.Gosched()
	}
	return func() T { return <-done }
}

// descriptors counts the descriptors of this process that refer to path.
func descriptors(t *testing.T, path string) int {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && strings.HasPrefix(to, path) {
			n++
		}
	}
	return n
}

// emptied waits until a folder is empty. Close takes the name of a segment away; if
// somebody is in the middle of a change, that happens as soon as it can.
func emptied(tb testing.TB, dir string) {
	tb.Helper()
	for end := time.Now().Add(30 * time.Second); ; runtime.Gosched() {
		files, err := os.ReadDir(dir)
		if err == nil && len(files) == 0 {
			return
		}
		if time.Now().After(end) {
			tb.Fatalf("left behind: %v, %v", files, err)
		}
	}
}

// TestOpenOfReplaced: who waits for a segment whose name becomes another one's
// gets the other one.
func TestOpenOfReplaced(t *testing.T) {
	ctx := context.Background()
	opts, _ := kept(t, shm.Spec{Participants: 8})
	path := filepath.Join(opts.Dir, "s.shoal")
	release := hold(t, path)
	opened := blocked(t, path, func() *shm.Segment { return open(ctx, "s", opts) })
	if err := os.Remove(path); err != nil { // by hand
		t.Fatal(err)
	}
	now := create(ctx, "s", opts)
	defer now.Close()
	release()
	seg := opened()
	defer seg.Close()
	if string(marshal(seg)) != string(marshal(now)) {
		t.Error("the opened segment is not the one that has the name")
	}
}

// TestRemoveOfReplaced: Remove returns nil only if it removed the name.
func TestRemoveOfReplaced(t *testing.T) {
	ctx := context.Background()
	opts, _ := kept(t, shm.Spec{Participants: 8})
	path := filepath.Join(opts.Dir, "s.shoal")
	release := hold(t, path)
	removed := blocked(t, path, func() error { return shm.Remove("s", opts) })
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	now := create(ctx, "s", opts)
	defer now.Close()
	release()
	if err := removed(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the name is still there: %v", err)
	}
}

// TestRenamed: a segment is called as its file is.
func TestRenamed(t *testing.T) {
	opts, _ := kept(t, shm.Spec{})
	if err := os.Rename(filepath.Join(opts.Dir, "s.shoal"), filepath.Join(opts.Dir, "t.shoal")); err != nil {
		t.Fatal(err)
	}
	seg := open(context.Background(), "t", opts)
	defer seg.Close()
	if seg.Name() != "t" {
		t.Errorf("name %q", seg.Name())
	}
}

// childRemoves tries to remove segments as a user who may write to them, but not
// remove their names.
var childRemoves = registerChild("removes", func(args []string) {
	opts := &shm.Options{Dir: args[0], AnyOwner: true}
	err := shm.Remove("s", opts)
	say(errors.Is(err, fs.ErrPermission), err)
	_, err = shm.Create(context.Background(), "s", shm.Spec{}, &shm.Options{Dir: args[0]})
	say(errors.Is(err, fs.ErrExist), err)
	removed, err := shm.Prune(context.Background(), opts)
	say(len(removed) == 0 && err == nil, removed, err)
})

// publicDir returns a folder in which everybody may make files, but nobody remove
// those of others.
func publicDir(tb testing.TB) string {
	tb.Helper()
	// Not TempDir: nobody else may look into its parent.
	dir, err := os.MkdirTemp("/tmp", "shoal-test") //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777|fs.ModeSticky); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// TestRemoveFails: a segment whose name cannot be removed stays as it is.
func TestRemoveFails(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	ctx := context.Background()
	opts := &shm.Options{Dir: publicDir(t)}
	seg, err := shm.Create(ctx, "s", shm.Spec{Mode: 0o666}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	c := startAs(t, 12345, childRemoves, opts.Dir)
	for range 3 {
		if s := c.line(); !strings.HasPrefix(s, "true") {
			t.Error(s)
		}
	}
	c.wait()
	// One that has ended is not another user's to clear away either.
	other := startAs(t, 12345, childCreates, opts.Dir, "theirs")
	if s := other.line(); s != "<nil>" {
		t.Fatal(s)
	}
	other.kill()
	if _, err := shm.Create(ctx, "theirs", shm.Spec{}, opts); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over another user's: %v", err)
	}
	_, err1 := shm.Open(ctx, "theirs", opts)
	_, err2 := shm.OpenOrCreate(ctx, "theirs", shm.Spec{}, opts)
	for _, err := range []error{err1, err2} {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("open of another user's: %v", err)
		}
	}
	again, err := shm.Open(ctx, "s", opts)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	third := start(t, childOpens, opts.Dir, "s")
	if s := third.line(); s != "<nil>" {
		t.Errorf("open in another process: %s", s)
	}
}

var childCreates = registerChild("creates", func(args []string) {
	_, err := shm.Create(context.Background(), args[1], shm.Spec{}, &shm.Options{Dir: args[0]})
	say(err)
	hear()
})

// TestPruneFails: what could not be removed is not said to be.
func TestPruneFails(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir := publicDir(t)
	c := startAs(t, 12345, childCreates, dir, "s")
	if s := c.line(); s != "<nil>" {
		t.Fatal(s)
	}
	c.kill()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c = startAs(t, 12345, childPrunes, dir)
	if s := c.line(); s != "0 true" {
		t.Errorf("removed and whether it failed: %s", s)
	}
}

var childPrunes = registerChild("prunes", func(args []string) {
	removed, err := shm.Prune(context.Background(), &shm.Options{Dir: args[0]})
	say(len(removed), errors.Is(err, fs.ErrPermission))
})

// TestInitMisbehaves: whatever Init does, there is a complete segment or none.
func TestInitMisbehaves(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	for _, tt := range []struct {
		name string
		init func(seg *shm.Segment) error
	}{
		{"closes", func(seg *shm.Segment) error { return seg.Close() }},
		{"ends its goroutine", func(*shm.Segment) error { runtime.Goexit(); return nil }},
		{"panics", func(*shm.Segment) error { panic("no") }},
		{"fails", func(*shm.Segment) error { return errors.New("no") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := &shm.Options{Dir: opts.Dir, Init: tt.init}
			var wg sync.WaitGroup
			wg.Go(func() {
				defer func() { _ = recover() }()
				if _, err := shm.Create(ctx, "s", shm.Spec{}, opts); err == nil {
					t.Error("no error")
				}
			})
			wg.Wait()
			if files, _ := os.ReadDir(opts.Dir); len(files) != 0 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
	opts.Init = func(seg *shm.Segment) error {
		// The name is free for others meanwhile, and the segment works.
		if _, err := shm.Open(ctx, "s", opts); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("open inside Init: %w", err)
		}
		createMutex(t, seg, "m")
		if err := seg.Remove(ctx, "m"); err != nil {
			return err
		}
		var same shm.Segment
		if err := same.UnmarshalText(marshal(seg)); err != nil {
			return err
		}
		return same.Close()
	}
	seg, err := shm.Create(ctx, "s", shm.Spec{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	check(t, seg)
	seg.Close()
}

// TestLosingRace: of two that create one name, one does, also if the other does
// so inside its Init.
func TestLosingRace(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	var inner *shm.Segment
	slow := &shm.Options{Dir: opts.Dir, Init: func(*shm.Segment) error {
		if inner == nil {
			inner = create(ctx, "s", opts)
		}
		return nil
	}}
	if _, err := shm.Create(ctx, "s", shm.Spec{}, slow); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create: %v, want fs.ErrExist", err)
	}
	inner.Close()
	inner = nil
	seg, err := shm.OpenOrCreate(ctx, "s", shm.Spec{}, slow)
	if err != nil {
		t.Fatal(err)
	}
	if string(marshal(seg)) != string(marshal(inner)) {
		t.Error("two segments of one name")
	}
	inner.Close()
	seg.Close()
	if files, _ := os.ReadDir(opts.Dir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

// childStorms opens, uses and closes one name for ever. As long as it has the
// segment open, the name must be that segment's. There are slots enough for all that
// was closed and not yet collected, also where little gets a processor.
var childStorms = registerChild("storms", func(args []string) {
	ctx := context.Background()
	opts := &shm.Options{Dir: args[0]}
	path := filepath.Join(args[0], "s.shoal")
	rounds, _ := strconv.Atoi(args[1])
	for range rounds {
		seg, err := shm.OpenOrCreate(ctx, "s", shm.Spec{Participants: 128}, opts)
		if err != nil {
			say("open:", err)
			return
		}
		if _, _, err := object.Inside().OpenOrCreate(ctx, seg, mutexRequest("m")); err != nil {
			say("object:", err)
			return
		}
		if err := sameAsNamed(seg, path); err != nil {
			say(err)
			return
		}
		if err := seg.Close(); err != nil {
			say("close:", err)
			return
		}
	}
	say("done")
})

func sameAsNamed(seg *shm.Segment, path string) error {
	f, err := seg.File()
	if err != nil {
		return err
	}
	defer f.Close()
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("in use, but without a name: %w", err)
	}
	if !os.SameFile(mine, named) {
		return errors.New("the name is another segment's")
	}
	return nil
}

// TestStormOnOneName: processes open, create and close one name, and are killed.
// Conformance: RNM-06.
func TestStormOnOneName(t *testing.T) {
	opts := &shm.Options{Dir: t.TempDir()}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 4 {
				c := start(t, childStorms, opts.Dir, "1000000")
				out := make(chan string, 1)
				go func() {
					s, _ := c.out.ReadString('\n')
					out <- s
				}()
				// Killed after some work of a child that is not.
				other := start(t, childStorms, opts.Dir, "20")
				if s := other.line(); s != "done" {
					t.Error(s)
				}
				other.wait()
				_ = c.cmd.Process.Signal(syscall.SIGKILL)
				_ = c.cmd.Wait()
				if s := <-out; s != "" {
					t.Errorf("before it was killed: %s", s)
				}
			}
		})
	}
	wg.Wait()
	if _, err := shm.Prune(context.Background(), opts); err != nil {
		t.Error(err)
	}
	if files, _ := os.ReadDir(opts.Dir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}
