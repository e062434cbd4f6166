package sys_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/sys"
)

func needGuards(t *testing.T) {
	t.Helper()
	if !sys.Probe().Guards {
		t.Skip("no guards here")
	}
}

// guarded maps a file of size bytes, and length in all, with a guard.
func guarded(t *testing.T, size, length int64) (*os.File, []byte, *sys.Guard) {
	t.Helper()
	f := fileOf(t, size)
	b := mustMap(t, f, length)
	g := sys.NewGuard(b)
	if g == nil {
		t.Fatal("no guard")
	}
	t.Cleanup(g.End)
	return f, b, g
}

func truncate(t *testing.T, f *os.File, size int64) {
	t.Helper()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
}

// TestGuardedLoss: however lost memory is touched, it is zeros from the page of
// the touch on, and what lies before is still the file's.
func TestGuardedLoss(t *testing.T) {
	needGuards(t)
	const page = 4096
	loaded := byte(0)
	for name, touch := range map[string]func(b []byte){
		"load":   func(b []byte) { loaded += b[0] },
		"store":  func(b []byte) { b[0] = 1 },
		"atomic": func(b []byte) { atomic.AddUint64((*uint64)(unsafe.Pointer(&b[0])), 1) },
		"copy":   func(b []byte) { copy(make([]byte, len(b)), b) },
		"clear":  func(b []byte) { clear(b) },
		"equal":  func(b []byte) { _ = bytes.Equal(b, make([]byte, len(b))) },
		"index":  func(b []byte) { _ = bytes.IndexByte(b, 77) },
	} {
		t.Run(name, func(t *testing.T) {
			f, b, g := guarded(t, 8*page, 16*page)
			for i := range 8 * page {
				b[i] = 42
			}
			told := make(chan struct{})
			g.OnHit(func() { close(told) })
			truncate(t, f, 3*page)
			hits := sys.GuardHits()
			touch(b[5*page : 6*page])
			if sys.GuardHits() <= hits || !g.Hit() {
				t.Fatal("the touch was not noticed")
			}
			<-told
			if b[3*page-1] != 42 {
				t.Error("what is left of the file is not mapped any more")
			}
			if !bytes.Equal(b[6*page:], make([]byte, 10*page)) {
				t.Error("behind the touched page are not zeros only")
			}
			b[6*page] = 7
			if b[3*page] != 0 || b[6*page] != 7 {
				t.Error("the memory before the touched page is no zeros, or that behind was replaced again")
			}
			if loaded != 0 {
				t.Error("what was lost was not read as zero")
			}
		})
	}
}

// TestGuardManyThreads: many goroutines run into the loss at once.
func TestGuardManyThreads(t *testing.T) {
	needGuards(t)
	f, b, g := guarded(t, 1<<20, 1<<20)
	var told atomic.Int32
	g.OnHit(func() { told.Add(1) })
	var stop atomic.Bool
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for at := i * 4096; !stop.Load(); at = (at + 64) % len(b) {
				atomic.AddUint32((*uint32)(unsafe.Pointer(&b[at])), 1)
				if at%4096 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	truncate(t, f, 0)
	for told.Load() == 0 {
		runtime.Gosched()
	}
	stop.Store(true)
	all.Wait()
	g.OnHit(func() { told.Add(1) })
	for told.Load() != 2 { // at once, for it was hit already
		runtime.Gosched()
	}
}

// TestGuardLeavesOthersAlone: a fault elsewhere is what it was without guards.
func TestGuardLeavesOthersAlone(t *testing.T) {
	needGuards(t)
	_, _, g := guarded(t, 4096, 4096)
	other := fileOf(t, 4096)
	b := mustMap(t, other, 4096)
	truncate(t, other, 0)
	if !faults(func() { b[0] = 1 }) || g.Hit() {
		t.Error("a fault elsewhere was not passed on")
	}
	mine := sys.NewGuard(b)
	if faults(func() { b[0] = 1 }) || !mine.Hit() {
		t.Error("the guard did not help")
	}
	mine.End()
}

// TestGuardEnds: what is not guarded any more is a fault again, and its place is
// the next one's, clean.
func TestGuardEnds(t *testing.T) {
	needGuards(t)
	for range 3 {
		f := fileOf(t, 4096)
		b := mustMap(t, f, 4096)
		g := sys.NewGuard(b)
		if g.Hit() {
			t.Fatal("a new guard was hit before")
		}
		truncate(t, f, 0)
		g.End()
		if !faults(func() { b[0] = 1 }) {
			t.Fatal("the guard did not end")
		}
		again := sys.NewGuard(b)
		b[0] = 1
		if !again.Hit() {
			t.Fatal("the second guard was not hit")
		}
		again.End()
	}
}

// faults reports whether f ends in a fault at an address.
func faults(f func()) (fault bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		var at interface{ Addr() uintptr }
		if err, ok := recover().(error); ok && errors.As(err, &at) {
			fault = true
		}
	}()
	f()
	return false
}

// helpFault dies of a fault in a mapping that has no guard, beside one that has.
func helpFault(args []string) error {
	f, err := os.OpenFile(args[0], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b, err := sys.MapFile(f, 8192)
	if err != nil {
		return err
	}
	sys.NewGuard(b[:4096])
	if err := f.Truncate(0); err != nil {
		return err
	}
	b[0] = 1
	say("guarded")
	b[4096] = 1
	say("still here")
	return nil
}

// TestFaultStillEndsTheProcess: with the message that Go gives.
func TestFaultStillEndsTheProcess(t *testing.T) {
	needGuards(t)
	f := fileOf(t, 8192)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, f.Name())
	cmd.Env = append(os.Environ(), helperVariable+"=fault")
	cmd.WaitDelay = time.Minute
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Success() {
		t.Errorf("it ended with %v", err)
	}
	if !bytes.HasPrefix(out, []byte("guarded\n")) || bytes.Contains(out, []byte("still here")) ||
		!bytes.Contains(out, []byte("signal SIGBUS")) {
		t.Errorf("it said %q", out)
	}
}
