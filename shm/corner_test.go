package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// TestLookersWhileGrowing: who opens a segment only to look, while it grows, sees
// one that makes sense.
func TestLookersWhileGrowing(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	for range 5 {
		seg, err := shm.Create(ctx, "s", shm.Spec{Size: 1 << 20, MaxSize: 64 << 20}, opts)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					ro, err := shm.Open(ctx, "s", &shm.Options{Dir: opts.Dir, ReadOnly: true})
					if err != nil {
						t.Error(err)
						return
					}
					if err := ro.Check(); err != nil {
						t.Error(err)
					}
					ro.Close()
				}
			})
		}
		for i := range 60 {
			if _, _, err := object.Inside().Create(ctx, seg, blockRequest(fmt.Sprint(i), 1<<20)); err != nil {
				t.Error(err)
			}
		}
		close(done)
		wg.Wait()
		seg.Close()
	}
}

// TestLookerOutlives: a looker's memory stays when the segment has ended.
func TestLookerOutlives(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	seg := create(ctx, "s", opts)
	createMutex(t, seg, "m")
	ro, err := shm.Open(ctx, "s", &shm.Options{Dir: opts.Dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	seg.Close()
	if os, err := ro.Objects(); err != nil || len(os) != 1 {
		t.Errorf("objects: %v, %v", os, err)
	}
	if err := ro.Check(); err != nil {
		t.Error(err)
	}
	ro.Close()
}

// TestRemovedWhileMarked: a process that died between the two steps of Remove has
// removed the segment: nobody can open it, and the name goes.
func TestRemovedWhileMarked(t *testing.T) {
	ctx := context.Background()
	opts, memory := kept(t, shm.Spec{Participants: 8})
	memory.word32(offState).Store(1)
	if _, err := shm.Open(ctx, "s", &shm.Options{Dir: opts.Dir, ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open to look: %v, want fs.ErrNotExist", err)
	}
	if _, err := shm.Open(ctx, "s", opts); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v, want fs.ErrNotExist", err)
	}
	if files, _ := os.ReadDir(opts.Dir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

// TestLastUserBesideKilled: the last one to close takes the name away, also if
// the others were killed and nobody was told.
func TestLastUserBesideKilled(t *testing.T) {
	for range 10 {
		opts := &shm.Options{Dir: t.TempDir()}
		seg := create(context.Background(), "s", opts)
		c := start(t, childOpens, opts.Dir, "s")
		if s := c.line(); s != "<nil>" {
			t.Fatal(s)
		}
		c.kill()
		if err := seg.Close(); err != nil {
			t.Error(err)
		}
		emptied(t, opts.Dir)
	}
}

// TestCanceledReceive: a Receive that its context ended does not spoil the
// connection for later ones.
func TestCanceledReceive(t *testing.T) {
	seg := anonymous()
	defer seg.Close()
	a, b := socketPair(t)
	for i := range 300 {
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		if _, err := shm.Receive(ctx, b, nil); !errors.Is(err, context.Canceled) {
			t.Fatalf("round %d: %v", i, err)
		}
		if _, err := a.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Read(make([]byte, 1)); err != nil {
			t.Fatalf("round %d: a read after a canceled Receive: %v", i, err)
		}
	}
}

// TestReceivedNonsense: whatever comes, it is an error and no descriptor stays.
func TestReceivedNonsense(t *testing.T) {
	a, b := socketPair(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	before := used()
	for range 50 {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := a.WriteMsgUnix([]byte{1, 0, 0, 0, 'x'}, syscall.UnixRights(int(r.Fd()), int(w.Fd())), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := shm.Receive(ctx, b, nil); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("a pipe: %v, want fs.ErrInvalid", err)
		}
		r.Close()
		w.Close()
	}
	a.Close()
	if _, err := shm.Receive(ctx, b, nil); err == nil {
		t.Error("received from a closed connection")
	}
	if now, ok := settled(before); !ok {
		t.Errorf("before %v, after %v", before, now)
	}
}

// childPasses gives its segment away, by a descriptor, and dies.
var childPasses = registerChild("passes", func(args []string) {
	ctx := context.Background()
	seg, err := shm.Create(ctx, "s", shm.Spec{}, &shm.Options{Dir: args[0]})
	if err == nil {
		_, _, err = object.Inside().Create(ctx, seg, mutexRequest("m"))
	}
	say(err)
	hear()
})

// TestDescriptorOutlivesName: by a descriptor a segment opens also when its last
// user was killed, and it has its name no more.
func TestDescriptorOutlivesName(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	c := start(t, childPasses, opts.Dir)
	if s := c.line(); s != "<nil>" {
		t.Fatal(s)
	}
	path := filepath.Join(opts.Dir, "s.shoal")
	f, err := os.Open(path) // for reading only: FromFile opens it anew
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c.kill()
	seg, err := shm.FromFile(ctx, f, nil)
	if err != nil {
		t.Fatal(err)
	}
	if os, err := seg.Objects(); err != nil || len(os) != 1 {
		t.Errorf("objects: %v, %v", os, err)
	}
	if seg.Name() != "s" {
		t.Errorf("name %q", seg.Name())
	}
	createMutex(t, seg, "n")
	check(t, seg)
	if err := seg.Close(); err != nil {
		t.Error(err)
	}
	emptied(t, opts.Dir)
}

// TestReadOnlyFile: a file that may only be read can be looked at, not used.
func TestReadOnlyFile(t *testing.T) {
	if os.Geteuid() == 0 {
		// Nothing is forbidden to root.
		dir := publicDir(t)
		seg, err := shm.Create(context.Background(), "s", shm.Spec{Mode: 0o644}, &shm.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer seg.Close()
		c := startAs(t, 12345, childReads, dir)
		for _, want := range []string{"true", "true", "<nil>", "<nil>"} {
			if s := c.line(); s != want {
				t.Errorf("got %s, want %s", s, want)
			}
		}
		c.wait()
		return
	}
	t.Skip("needs a second user")
}

var childReads = registerChild("reads", func(args []string) {
	ctx := context.Background()
	opts := shm.Options{Dir: args[0], AnyOwner: true}
	_, err := shm.Open(ctx, "s", &opts)
	say(errors.Is(err, fs.ErrPermission))
	_, err = shm.OpenOrCreate(ctx, "s", shm.Spec{}, &opts)
	say(errors.Is(err, fs.ErrPermission))
	opts.ReadOnly = true
	seg, err := shm.Open(ctx, "s", &opts)
	say(err)
	f, err := seg.File()
	if err == nil {
		_, err = shm.FromFile(ctx, f, &opts)
	}
	say(err)
})

// TestImpossibleSize: nobody's memory is filled up to find out that there is not
// enough.
func TestImpossibleSize(t *testing.T) {
	var e *shm.SpaceError
	if _, err := shm.Anonymous(shm.Spec{Size: 1 << 45}); !errors.As(err, &e) || e.Need != 1<<45 || e.Free <= 0 || e.Limit != "memory" {
		t.Errorf("without a name: %v", err)
	}
	opts := &shm.Options{Dir: "/dev/shm"}
	if _, err := shm.Create(context.Background(), "shoal-test-impossible", shm.Spec{Size: 1 << 45}, opts); !errors.As(err, &e) ||
		e.Segment != "shoal-test-impossible" || e.Free <= 0 || e.Limit != "file system of /dev/shm" {
		t.Errorf("in /dev/shm: %v", err)
	}
}

// childWithoutProc has no /proc.
var childWithoutProc = registerChild("without proc", func(args []string) {
	ctx := context.Background()
	if err := syscall.Unmount("/proc", syscall.MNT_DETACH); err != nil {
		say("skip", err)
		return
	}
	for syscall.Unmount("/proc", syscall.MNT_DETACH) == nil { // one may lie over another
	}
	opts := &shm.Options{Dir: args[0]}
	_, err1 := shm.Open(ctx, "s", opts)
	_, err2 := shm.OpenOrCreate(ctx, "s", shm.Spec{}, opts)
	_, err3 := shm.Create(ctx, "t", shm.Spec{}, opts)
	_, err4 := shm.Anonymous(shm.Spec{})
	for i, err := range []error{err1, err2, err3, err4} {
		if !errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrNotExist) {
			say("call", i+1, "returned", err)
			return
		}
	}
	say("ok", err1)
})

// TestWithoutProc: what needs /proc says so, and not that a segment is missing.
func TestWithoutProc(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can unmount")
	}
	opts := &shm.Options{Dir: t.TempDir()}
	seg := create(context.Background(), "s", opts)
	defer seg.Close()
	c := prepare(t, childWithoutProc, opts.Dir)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := c.cmd.Start(); err != nil {
		t.Skip(err)
	}
	if s := c.line(); s[:2] != "ok" {
		if s[:4] == "skip" {
			t.Skip(s)
		}
		t.Error(s)
	}
	c.wait()
	if files, _ := os.ReadDir(opts.Dir); len(files) != 1 {
		t.Errorf("files: %v", files)
	}
}
