package shm_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// resources counts what a process must give back.
type resources struct{ descriptors, mappings, goroutines int }

func used() resources {
	fds, _ := os.ReadDir("/proc/self/fd")
	maps, _ := os.ReadFile("/proc/self/maps")
	return resources{len(fds), strings.Count(string(maps), "\n"), runtime.NumGoroutine()}
}

// settled waits until no more is used than before, but for a few that the runtime
// itself may have come to need; if that does not happen, it says what is used.
func settled(before resources) (now resources, ok bool) {
	const slack = 12   // each of 60 rounds would leak at least one
	const threads = 36 // mappings of new threads, of which a loaded machine makes more
	for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(time.Millisecond) {
		runtime.GC()
		now = used()
		if now.descriptors <= before.descriptors+slack && now.mappings <= before.mappings+slack+threads && now.goroutines <= before.goroutines+slack {
			return now, true
		}
	}
	return now, false
}

// childFails does many things that fail, and some that do not.
var childFails = registerChild("fails", func(args []string) {
	ctx := context.Background()
	opts := &shm.Options{Dir: args[0]}
	readOnly := &shm.Options{Dir: args[0], ReadOnly: true}
	failing := &shm.Options{Dir: args[0], Init: func(*shm.Segment) error { return errors.New("no") }}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	seg := open(ctx, "full", opts)
	text := marshal(seg)
	file, err := seg.File()
	if err != nil {
		say(err)
		return
	}
	calls := []func() error{
		func() error { _, err := shm.Open(ctx, "none", opts); return err },
		func() error { _, err := shm.Open(ctx, "bad", opts); return err },
		func() error { _, err := shm.Open(ctx, "bad", readOnly); return err },
		func() error { _, err := shm.Open(canceled, "full", opts); return err },
		func() error { _, err := shm.Create(ctx, "full", shm.Spec{}, opts); return err },
		func() error { _, err := shm.Create(ctx, "new", shm.Spec{}, failing); return err },
		func() error { _, err := shm.Create(ctx, "new", shm.Spec{Group: "no-such-group"}, opts); return err },
		func() error { _, err := shm.OpenOrCreate(ctx, "full", shm.Spec{Participants: 99}, opts); return err },
		func() error { _, err := shm.FromFile(canceled, file, nil); return err },
		func() error { return new(shm.Segment).UnmarshalText(text[:len(text)-1]) },
		func() error { _, _, err := object.Inside().Create(ctx, seg, blockRequest("big", 1<<30)); return err },
		func() error { _, _, err := object.Inside().Open(ctx, seg, mutexRequest("none")); return err },
		func() error { return shm.Remove("none", opts) },
		func() error { return seg.Remove(ctx, "none") },
	}
	var before resources
	for i := range 70 {
		if i == 10 {
			runtime.GC()
			before = used()
		}
		for j, call := range calls {
			if call() == nil {
				say("call", j, "did not fail")
				return
			}
		}
		for _, o := range []*shm.Options{opts, readOnly} {
			s := open(ctx, "full", o)
			same, err := shm.FromFile(ctx, file, o)
			if err != nil {
				say(err)
				return
			}
			if err := errors.Join(s.Close(), same.Close()); err != nil {
				say(err)
				return
			}
		}
		one, err := shm.Anonymous(shm.Spec{})
		if err == nil {
			err = one.Close()
		}
		if err != nil {
			say(err)
			return
		}
	}
	if now, ok := settled(before); !ok {
		say("before", before, "after", now)
		return
	}
	say("clean")
})

// TestNothingLeaks: what fails, and what is closed, gives back its descriptors,
// mappings and goroutines.
// Conformance: TRK-05.
func TestNothingLeaks(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(opts.Dir, "bad.shoal"), []byte("bad"), 0o600); err != nil {
		t.Fatal(err)
	}
	seg, err := shm.Create(ctx, "full", shm.Spec{Participants: 8, Lifetime: shm.Persistent}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	c := start(t, childFails, opts.Dir)
	if s := c.line(); s != "clean" {
		t.Error(s)
	}
	c.wait()
	if files, _ := os.ReadDir(opts.Dir); len(files) != 2 {
		t.Errorf("files: %v", files)
	}
}

// childStarves does without descriptors for a while.
var childStarves = registerChild("starves", func(args []string) {
	ctx := context.Background()
	opts := &shm.Options{Dir: args[0]}
	seg := open(ctx, "s", opts)
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	limit.Cur = 64
	if err == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	if err != nil {
		say(err)
		return
	}
	var taken []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		taken = append(taken, f)
	}
	before := used()
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	for range 20 {
		_, err1 := shm.Open(short, "s", &shm.Options{Dir: args[0], AnyOwner: true})
		_, err2 := shm.Create(short, "new", shm.Spec{}, opts)
		_, err3 := shm.Anonymous(shm.Spec{})
		_, _, err4 := object.Inside().Create(short, seg, mutexRequest("n"))
		_, err5 := seg.File()
		for i, err := range []error{err1, err2, err3, err4, err5} {
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				say("without descriptors, call", i+1, "returned", err)
				return
			}
		}
	}
	say("starving", before)
	hear() // until somebody has died
	for _, f := range taken {
		f.Close()
	}
	say("fed")
	hear()
})

// TestWithoutDescriptors: a process that has run out of descriptors gets errors,
// and does what it could not do when there are some again.
func TestWithoutDescriptors(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	opts := &shm.Options{Dir: t.TempDir()}
	seg, err := shm.Create(ctx, "s", shm.Spec{Participants: 8, Lifetime: shm.Persistent}, opts)
	if err != nil {
		t.Fatal(err)
	}
	createMutex(t, seg, "m")
	c := start(t, childStarves, opts.Dir)
	if s := c.line(); !strings.HasPrefix(s, "starving") {
		t.Fatal(s)
	}
	victim := start(t, childHolds, opts.Dir, "s")
	if s := victim.line(); s != "locked" {
		t.Fatal(s)
	}
	// Nobody is left to repair but the one without descriptors.
	if err := seg.Close(); err != nil {
		t.Fatal(err)
	}
	victim.kill()
	c.tell("eat")
	if s := c.line(); s != "fed" {
		t.Fatal(s)
	}
	looker, err := shm.Open(ctx, "s", &shm.Options{Dir: opts.Dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer looker.Close()
	soon(t, "the repair", func() {
		for {
			st, err := looker.Stat()
			if err != nil {
				t.Error(err)
				return
			}
			if st.Deaths == 1 {
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
}
