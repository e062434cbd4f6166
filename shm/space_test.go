package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// blockRequest is for an object of n bytes.
func blockRequest(name string, n int64) object.Request {
	req := mutexRequest(name)
	kind := *req.Kind
	kind.Size = func(object.Shape) (int64, error) { return n, nil }
	req.Kind = &kind
	return req
}

func TestGrowth(t *testing.T) {
	forEachBackend(t, shm.Spec{Size: 1 << 20, MaxSize: 16 << 20}, func(t *testing.T, seg *shm.Segment) {
		t.Helper()
		ctx := context.Background()
		var addr []object.Object
		for i := range 3 {
			_, obj, err := object.Inside().Create(ctx, seg, blockRequest(fmt.Sprint(i), 4<<20))
			if err != nil {
				t.Fatal(err)
			}
			b, err := obj.Region.Bytes(0, 4<<20)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)-1] = byte(i) // the last page is there
			addr = append(addr, object.Object{Region: obj.Region})
		}
		for i := range addr {
			if b, _ := addr[i].Region.Bytes(0, 4<<20); b[len(b)-1] != byte(i) {
				t.Errorf("object %d moved or was overwritten", i)
			}
		}
		_, _, err := object.Inside().Create(ctx, seg, blockRequest("big", 8<<20))
		var space *shm.SpaceError
		if !errors.As(err, &space) || space.Object != "big" || space.Limit != "MaxSize" || space.Need < 8<<20 {
			t.Errorf("beyond MaxSize: %v", err)
		}
		st, err := seg.Stat()
		if err != nil || st.Size > 16<<20 || st.Used < 12<<20 {
			t.Errorf("stat %+v, %v", st, err)
		}
	})
}

func TestRemovedSpaceIsUsedAgain(t *testing.T) {
	forEachBackend(t, shm.Spec{Size: 1 << 20, MaxSize: 8 << 20}, func(t *testing.T, seg *shm.Segment) {
		t.Helper()
		ctx := context.Background()
		for i := range 20 {
			if _, _, err := object.Inside().Create(ctx, seg, blockRequest("x", 5<<20)); err != nil {
				t.Fatalf("round %d: %v", i, err)
			}
			if err := seg.Remove(ctx, "x"); err != nil {
				t.Fatal(err)
			}
		}
		if err := seg.Remove(ctx, "x"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("second remove: %v", err)
		}
		// What a handle refers to is not used again.
		_, obj, err := object.Inside().Create(ctx, seg, blockRequest("y", 5<<20))
		if err != nil {
			t.Fatal(err)
		}
		if err := seg.Remove(ctx, "y"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := object.Inside().Create(ctx, seg, blockRequest("z", 5<<20)); !errors.Is(err, shm.ErrNoSpace) {
			t.Errorf("memory of a removed object that is still open was used again: %v", err)
		}
		runtime.KeepAlive(obj)
	})
}

// TestRoomWithoutCleanups: the memory of a removed object comes back by the collection
// itself, also while nobody gets to run what is to run after it.
func TestRoomWithoutCleanups(t *testing.T) {
	release, busy := make(chan struct{}), make(chan struct{}, 1)
	defer close(release)
	for range runtime.GOMAXPROCS(0) {
		runtime.AddCleanup(new([100]byte), func(release <-chan struct{}) {
			select {
			case busy <- struct{}{}:
			default:
			}
			<-release
		}, release)
	}
	for waits := true; waits; {
		runtime.GC()
		select {
		case <-busy:
			waits = false
		case <-time.After(time.Millisecond):
		}
	}
	seg := backends["heap"](t, shm.Spec{Size: 1 << 20, MaxSize: 8 << 20})
	defer seg.Close()
	for i := range 10 {
		if _, _, err := object.Inside().Create(t.Context(), seg, blockRequest("x", 5<<20)); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if err := seg.Remove(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNewMemoryIsZero(t *testing.T) {
	forEachBackend(t, shm.Spec{Size: 1 << 20, MaxSize: 8 << 20}, func(t *testing.T, seg *shm.Segment) {
		t.Helper()
		ctx := context.Background()
		for range 5 {
			_, obj, err := object.Inside().Create(ctx, seg, blockRequest("x", 5<<20))
			if err != nil {
				t.Fatal(err)
			}
			b, _ := obj.Region.Bytes(0, 5<<20)
			for i := range b {
				if b[i] != 0 {
					t.Fatalf("byte %d is %d", i, b[i])
				}
				b[i] = 0xaa
			}
			clear(b[:64]) // the mutex, for Check
			if err := seg.Remove(ctx, "x"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestDirectoryFull(t *testing.T) {
	ctx := context.Background()
	seg := anonymous()
	defer seg.Close()
	for i := range 1024 {
		createMutex(t, seg, fmt.Sprint("m", i))
	}
	_, _, err := object.Inside().Create(ctx, seg, mutexRequest("one-more"))
	var space *shm.SpaceError
	if !errors.As(err, &space) || space.Limit != "directory entries" {
		t.Errorf("full directory: %v", err)
	}
	check(t, seg)
}

// Conformance: RCL-04.
func TestParticipantsFull(t *testing.T) {
	opts := &shm.Options{Dir: t.TempDir()}
	seg, err := shm.Create(context.Background(), "s", shm.Spec{Participants: 2}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	one := start(t, childOpens, opts.Dir, "s")
	if s := one.line(); s != "<nil>" {
		t.Fatal(s)
	}
	two := start(t, childOpens, opts.Dir, "s")
	if s := two.line(); s != `shm: no space for another participant in segment "s": every slot is taken` {
		t.Error(s)
	}
	one.kill()
	three := start(t, childOpens, opts.Dir, "s")
	if s := three.line(); s != "<nil>" {
		t.Errorf("the slot of a dead participant was not given back: %s", s)
	}
}

var childFillsUp = registerChild("fills up", func(args []string) {
	// A limit on file sizes stands in for a full file system: both fail in fallocate.
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 2 << 20, Max: 2 << 20}); err != nil {
		say("skip", err)
		return
	}
	ctx := context.Background()
	opts := &shm.Options{Dir: args[0]}
	_, err := shm.Create(ctx, "big", shm.Spec{Size: 4 << 20}, opts)
	say(errors.Is(err, shm.ErrNoSpace), err)
	seg, err := shm.Create(ctx, "small", shm.Spec{}, opts)
	if err != nil {
		say(err)
		return
	}
	_, _, err = object.Inside().Create(ctx, seg, blockRequest("x", 4<<20))
	say(errors.Is(err, shm.ErrNoSpace), err)
	_, _, err = object.Inside().Create(ctx, seg, blockRequest("x", 1<<10))
	say(err, seg.Check(), seg.Close())
})

func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	c := start(t, childFillsUp, dir)
	first := c.line()
	if len(first) > 4 && first[:4] == "skip" {
		t.Skip(first)
	}
	t.Log(first)
	if first[:4] != "true" {
		t.Errorf("create: %s", first)
	}
	if s := c.line(); s[:4] != "true" {
		t.Errorf("grow: %s", s)
	}
	if s := c.line(); s != "<nil> <nil> <nil>" {
		t.Errorf("afterwards: %s", s)
	}
	c.wait()
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestConcurrentOpens(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				seg, err := shm.OpenOrCreate(ctx, "s", shm.Spec{}, opts)
				if err != nil {
					t.Error(err)
					return
				}
				if _, _, err := object.Inside().OpenOrCreate(ctx, seg, mutexRequest("m")); err != nil {
					t.Error(err)
				}
				if err := seg.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	emptied(t, opts.Dir)
}

// TestStoppedIsAlive: a stopped process is not dead, and nobody waits for it.
func TestStoppedIsAlive(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	seg := create(ctx, "s", opts)
	defer seg.Close()
	createMutex(t, seg, "m")
	c := start(t, childHolds, opts.Dir, "s")
	if s := c.line(); s != "locked" {
		t.Fatal(s)
	}
	if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ps, err := seg.Participants()
	if err != nil || len(ps) != 2 || !ps[1].Alive {
		t.Errorf("participants: %v, %v", ps, err)
	}
	if hs, err := seg.Holds(); err != nil || len(hs) != 1 {
		t.Errorf("holds: %v, %v", hs, err)
	}
	createMutex(t, seg, "other")
	check(t, seg)
	if err := c.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

var childClosesAndStays = registerChild("closes and stays", func(args []string) {
	seg, err := shm.Open(context.Background(), "s", &shm.Options{Dir: args[0]})
	if err == nil {
		err = seg.Close()
	}
	say(err)
	hear()
})

// TestClosedSlotsComeBack: processes that have closed a segment, and go on
// without making garbage, do not keep others out.
func TestClosedSlotsComeBack(t *testing.T) {
	opts := &shm.Options{Dir: t.TempDir()}
	seg, err := shm.Create(context.Background(), "s", shm.Spec{Participants: 2}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	memory := memoryOf(t, opts.Dir, "s")
	for range 5 {
		if s := start(t, childClosesAndStays, opts.Dir).line(); s != "<nil>" {
			t.Fatal(s)
		}
		soon(t, "the child's slot", func() {
			for memory.word32(offSlot+sizeSlot).Load() != 0 {
				runtime.Gosched()
			}
		})
	}
	check(t, seg)
}

// TestHoldsOfWhoLeft: what goroutines of a process still sleep on when it has
// closed the segment is shown no more, as the process is not.
func TestHoldsOfWhoLeft(t *testing.T) {
	opts, memory := kept(t, shm.Spec{Participants: 8})
	seg, err := shm.Open(context.Background(), "s", opts)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	c := start(t, childClosesAndStays, opts.Dir)
	if s := c.line(); s != "<nil>" {
		t.Fatal(s)
	}
	left := 0
	for slot := int64(offSlot); slot < offSlot+8*sizeSlot; slot += sizeSlot {
		if memory.word32(slot).Load() == 0 {
			continue // also that of the segment that was kept, once it is collected
		}
		if memory.word32(slot+inSlotPID).Load() == uint32(c.cmd.Process.Pid) {
			left++
		}
		memory.word32(slot + inSlotBoard).Store(1)
	}
	if left != 1 {
		t.Fatalf("the child has %d slots, want the one that it has left", left)
	}
	hs, err := seg.Holds()
	if err != nil || len(hs) != 1 || hs[0].Participant.PID != os.Getpid() {
		t.Errorf("holds: %v, %v; want what this process waits for", hs, err)
	}
}

// TestKilledLetsGoOfNothing: what a participant on the heap that was killed still
// does as this process does not touch what the next one in its slot has open.
func TestKilledLetsGoOfNothing(t *testing.T) {
	ctx := context.Background()
	seg := backends["heap"](t, shm.Spec{Size: 1 << 20, MaxSize: 8 << 20, Participants: 4})
	defer seg.Close()
	s, err := object.Inside().HeapPeer(seg)
	killed, _ := must(t, s, err).(*shm.Segment)
	createMutex(t, seg, "y")
	object.Inside().HeapKill(killed)
	s, err = object.Inside().HeapPeer(seg)
	next, _ := must(t, s, err).(*shm.Segment)
	defer next.Close()
	_, open, err := object.Inside().Create(ctx, next, blockRequest("x", 5<<20))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(next.Remove(ctx, "x"), killed.Remove(ctx, "y")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := object.Inside().Create(ctx, seg, blockRequest("z", 5<<20)); !errors.Is(err, shm.ErrNoSpace) {
		t.Errorf("beside a removed object that is open: %v, want no room", err)
	}
	runtime.KeepAlive(open)
}
