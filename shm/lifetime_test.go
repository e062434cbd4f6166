package shm_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// backends makes a segment of each kind of memory.
var backends = map[string]func(tb testing.TB, spec shm.Spec) *shm.Segment{
	"heap": func(tb testing.TB, spec shm.Spec) *shm.Segment {
		tb.Helper()
		seg, err := object.Inside().Heap(spec)
		s, _ := must(tb, seg, err).(*shm.Segment)
		return s
	},
	"anonymous": func(tb testing.TB, spec shm.Spec) *shm.Segment {
		tb.Helper()
		seg, err := shm.Anonymous(spec)
		return must(tb, seg, err)
	},
	"named": func(tb testing.TB, spec shm.Spec) *shm.Segment {
		tb.Helper()
		name := "test-" + rand.Text()
		tb.Cleanup(func() { _ = shm.Remove(name, nil) }) // should the test fail before it closes it
		seg, err := shm.Create(context.Background(), name, spec, nil)
		return must(tb, seg, err)
	},
	"file": func(tb testing.TB, spec shm.Spec) *shm.Segment {
		tb.Helper()
		seg, err := shm.Create(context.Background(), "seg", spec, &shm.Options{Dir: tb.TempDir()})
		return must(tb, seg, err)
	},
}

func forEachBackend(t *testing.T, spec shm.Spec, f func(t *testing.T, seg *shm.Segment)) {
	t.Helper()
	for name, create := range backends {
		t.Run(name, func(t *testing.T) {
			seg := create(t, spec)
			f(t, seg)
			check(t, seg)
			if err := seg.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func must[T any](tb testing.TB, x T, err error) T {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	return x
}

var childOpens = registerChild("opens", func(args []string) {
	seg, err := shm.Open(context.Background(), args[1], &shm.Options{Dir: args[0]})
	say(err)
	switch hear() {
	case "close":
		say(seg.Close())
	case "exit":
	}
})

func TestLifetimes(t *testing.T) {
	for _, tt := range []struct {
		lifetime              shm.Lifetime
		afterOwner, afterLast bool // whether the name is still there
	}{
		{shm.LastUser, true, false},
		{shm.Owner, false, false},
		{shm.Persistent, true, true},
	} {
		for _, end := range []string{"close", "kill"} {
			t.Run(tt.lifetime.String()+"/"+end, func(t *testing.T) {
				ctx := context.Background()
				opts := &shm.Options{Dir: t.TempDir()}
				seg, err := shm.Create(ctx, "s", shm.Spec{Lifetime: tt.lifetime}, opts)
				if err != nil {
					t.Fatal(err)
				}
				c := start(t, childOpens, opts.Dir, "s")
				if s := c.line(); s != "<nil>" {
					t.Fatal(s)
				}
				exists := func() bool {
					_, err := os.Stat(filepath.Join(opts.Dir, "s.shoal"))
					return err == nil
				}
				if err := seg.Close(); err != nil {
					t.Fatal(err)
				}
				if !tt.afterOwner {
					emptied(t, opts.Dir)
				} else if !exists() {
					t.Error("its creator closed it, and the name is gone")
				}
				if end == "close" {
					c.tell("close")
					c.line()
					c.wait()
				} else {
					c.kill()
					removed, err := shm.Prune(ctx, opts)
					if err != nil {
						t.Error(err)
					}
					if want := tt.afterOwner && !tt.afterLast; (len(removed) == 1) != want {
						t.Errorf("pruned %v", removed)
					}
				}
				if exists() != tt.afterLast {
					t.Errorf("after the last one left, the name exists: %v", exists())
				}
			})
		}
	}
}

func TestPruneLeavesWhatIsUsed(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	s, err := shm.Create(ctx, "used", shm.Spec{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	removed, err := shm.Prune(ctx, opts)
	if err != nil || len(removed) != 0 {
		t.Errorf("pruned %v, %v", removed, err)
	}
}

// Conformance: RNM-03.
func TestInit(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	failed := errors.New("no")
	opts := &shm.Options{Dir: dir, Init: func(*shm.Segment) error { return failed }}
	if _, err := shm.Create(ctx, "s", shm.Spec{}, opts); !errors.Is(err, failed) {
		t.Errorf("a failing Init: %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		opts.Init = func(*shm.Segment) error { panic("oh") }
		_, _ = shm.Create(ctx, "s", shm.Spec{}, opts)
		t.Error("a panic in Init was swallowed")
	}()
	runs := 0
	opts.Init = func(seg *shm.Segment) error {
		runs++
		if _, err := os.Stat(filepath.Join(dir, "s.shoal")); err == nil {
			t.Error("the name is there before Init is done")
		}
		createMutex(t, seg, "m")
		return nil
	}
	for range 3 {
		seg, err := shm.OpenOrCreate(ctx, "s", shm.Spec{}, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer seg.Close()
		if os, _ := seg.Objects(); len(os) != 1 {
			t.Errorf("objects: %v", os)
		}
	}
	if runs != 1 {
		t.Errorf("Init ran %d times", runs)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 {
		t.Errorf("files: %v", files)
	}
}

var childDiesInInit = registerChild("dies in init", func(args []string) {
	opts := &shm.Options{Dir: args[0], Init: func(seg *shm.Segment) error {
		_, _, err := object.Inside().Create(context.Background(), seg, mutexRequest("m"))
		say("in init", err)
		hear()
		return nil
	}}
	_, err := shm.Create(context.Background(), "s", shm.Spec{}, opts)
	say(err)
})

func TestCreatorKilledHalfWay(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	c := start(t, childDiesInInit, opts.Dir)
	if s := c.line(); s != "in init <nil>" {
		t.Fatal(s)
	}
	if _, err := shm.Open(ctx, "s", opts); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of a half-made segment: %v", err)
	}
	c.kill()
	seg, err := shm.OpenOrCreate(ctx, "s", shm.Spec{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	check(t, seg)
	seg.Close()
	if _, err := shm.Prune(ctx, opts); err != nil {
		t.Error(err)
	}
	if files, _ := os.ReadDir(opts.Dir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestHalfMadeFileIsReplaced(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	path := filepath.Join(opts.Dir, "s.shoal")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := shm.Open(ctx, "s", opts); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v", err)
	}
	seg, err := shm.OpenOrCreate(ctx, "s", shm.Spec{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	seg.Close()
}

func TestRemove(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	if err := shm.Remove("s", opts); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("remove of nothing: %v", err)
	}
	old, err := shm.Create(ctx, "s", shm.Spec{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	createMutex(t, old, "old")
	if err := shm.Remove("s", opts); err != nil {
		t.Fatal(err)
	}
	next, err := shm.Create(ctx, "s", shm.Spec{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	createMutex(t, old, "old2")
	if os, _ := next.Objects(); len(os) != 0 {
		t.Errorf("the new segment has %v", os)
	}
	f, err := old.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	again, err := shm.FromFile(ctx, f, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if os, _ := again.Objects(); len(os) != 2 {
		t.Errorf("the removed segment, by its descriptor, has %v", os)
	}
}

func TestManyOpensAndCloses(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	keep, err := shm.Create(ctx, "s", shm.Spec{Participants: 4}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer keep.Close()
	createMutex(t, keep, "m")
	c := start(t, childReopens, opts.Dir)
	if s := c.line(); s != "<nil>" {
		t.Error(s)
	}
	c.wait()
	ps, err := keep.Participants()
	if err != nil || len(ps) != 1 {
		t.Errorf("participants: %v, %v", ps, err)
	}
}

var childReopens = registerChild("reopens", func(args []string) {
	opts := &shm.Options{Dir: args[0]}
	for range 100 {
		seg, err := shm.Open(context.Background(), "s", opts)
		if err == nil {
			_, _, err = object.Inside().Open(context.Background(), seg, mutexRequest("m"))
		}
		if err == nil {
			err = seg.Close()
		}
		if err != nil {
			say(err)
			return
		}
	}
	runtime.GC()
	fds, _ := os.ReadDir("/proc/self/fd")
	if len(fds) > 60 {
		say("descriptors:", len(fds))
		return
	}
	say(nil)
})
