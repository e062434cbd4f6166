package shm_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// nobody is a process id that the kernel gives to none: it is above the most that
// pid_max may be. The next ones are, too.
const nobody = 1 << 23

// soon fails the test if f does not return: a hang, not slowness.
func soon(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s hangs", what)
	}
}

// TestOpenBesideDying: who opens a segment does not wait for a process that
// takes for ever to end, but what that held is given back.
func TestOpenBesideDying(t *testing.T) {
	ctx := context.Background()
	opts, memory := kept(t, shm.Spec{Participants: 8})
	victim := memory.die(3, nobody)
	var seg *shm.Segment
	soon(t, "Open", func() { seg = open(ctx, "s", opts) })
	defer seg.Close()
	ps, err := seg.Participants()
	if err != nil || len(ps) != 2 || ps[1].PID != nobody || ps[1].Alive {
		t.Errorf("participants: %v, %v; want this process and the dying one", ps, err)
	}
	deaths := seg.Deaths(ctx)
	victim.end()
	for d, err := range deaths {
		if err != nil || d.Participant.PID != nobody {
			t.Errorf("death: %v, %v", d, err)
		}
		break
	}
}

func open(ctx context.Context, name string, opts *shm.Options) *shm.Segment {
	seg, err := shm.Open(ctx, name, opts)
	if err != nil {
		panic(err)
	}
	return seg
}

// TestDeathsOutOfOrder: a process that takes its time to end does not keep the
// deaths of others from being told.
func TestDeathsOutOfOrder(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	opts, memory := kept(t, shm.Spec{Participants: 8})
	slow := memory.die(3, nobody)
	seg, err := shm.Open(ctx, "s", opts)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	c := start(t, childOpens, opts.Dir, "s")
	if s := c.line(); s != "<nil>" {
		t.Fatal(s)
	}
	deaths := seg.Deaths(ctx)
	c.kill()
	want := []int{c.cmd.Process.Pid, nobody}
	for d, err := range deaths {
		if err != nil {
			t.Fatalf("want the death of %d: %v", want[0], err)
		}
		if d.Participant.PID != want[0] {
			t.Errorf("death of %d, want %d", d.Participant.PID, want[0])
		}
		if want = want[1:]; len(want) == 0 {
			break
		}
		slow.end()
	}
}

// TestManyDyingAtOnce: more processes than there are records of deaths die
// together, and the last one is gone first.
func TestManyDyingAtOnce(t *testing.T) {
	const n = 100
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	opts, memory := kept(t, shm.Spec{Participants: n + 10})
	var victims []dying
	for i := range int64(n) {
		victims = append(victims, memory.die(i+2, uint32(nobody+i)))
	}
	seg, err := shm.Open(ctx, "s", opts)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	for i := n - 1; i >= 0; i-- {
		victims[i].end()
	}
	for i := range n {
		if err := object.Inside().AwaitRepair(ctx, nobody+i); err != nil {
			t.Fatal(err)
		}
	}
	st, err := seg.Stat()
	for err == nil && st.Deaths < n && ctx.Err() == nil { // a death is counted just after its slot is free
		runtime.Gosched()
		st, err = seg.Stat()
	}
	if err != nil || st.Deaths != n {
		t.Errorf("%d deaths, %v; want %d", st.Deaths, err, n)
	}
	c := start(t, childOpens, opts.Dir, "s")
	if s := c.line(); s != "<nil>" {
		t.Fatal(s)
	}
	deaths := seg.Deaths(ctx)
	c.kill()
	for d, err := range deaths {
		if err != nil || d.Participant.PID != c.cmd.Process.Pid {
			t.Errorf("the next death: %v, %v", d, err)
		}
		break
	}
	check(t, seg)
}

// TestNonsenseDeaths: no number of deaths makes Deaths run for ever.
func TestNonsenseDeaths(t *testing.T) {
	for _, number := range []uint64{1<<64 - 1, 1<<64 - 2, 1 << 63, 1000} {
		opts, memory := kept(t, shm.Spec{Participants: 8})
		seg, err := shm.Open(context.Background(), "s", opts)
		if err != nil {
			t.Fatal(err)
		}
		defer seg.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		deaths := seg.Deaths(ctx)
		memory.word64(offDeaths).Store(number)
		soon(t, "Deaths", func() {
			for d, err := range deaths {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error(d, err)
				}
			}
		})
	}
}

// hold takes the structural lock of a segment, as a process that is stopped in
// the middle of a change has it, until the returned function is called.
func hold(t *testing.T, path string) (release func()) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { _ = f.Close() }
}

// TestLockHeldByStopped: everything that needs the structural lock ends with its
// context, Close does not wait, and what had to be left undone is done later.
func TestLockHeldByStopped(t *testing.T) {
	opts := &shm.Options{Dir: t.TempDir()}
	path := filepath.Join(opts.Dir, "s.shoal")
	seg := create(context.Background(), "s", opts)
	createMutex(t, seg, "m")
	release := hold(t, path)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	soon(t, "a call with a context", func() {
		_, _, err1 := object.Inside().Create(ctx, seg, mutexRequest("n"))
		_, _, err2 := object.Inside().Open(ctx, seg, mutexRequest("m"))
		_, err3 := shm.Create(ctx, "s", shm.Spec{}, opts)
		_, err4 := shm.Prune(ctx, opts)
		err5 := seg.Remove(ctx, "m")
		for i, err := range []error{err1, err2, err3, err4, err5} {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("call %d: %v", i+1, err)
			}
		}
		if err := shm.Remove("s", opts); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Remove: %v", err)
		}
		if err := seg.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	if _, err := os.Stat(path); err != nil {
		t.Errorf("while the lock is held: %v", err)
	}
	release()
	soon(t, "the removal of the name", func() {
		for {
			if _, err := os.Stat(path); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
}
