//go:build linux

package guardian_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/guardian"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// deaths are the ways in which a process ends by itself. None returns, if all is
// well, but "return".
func deaths() map[string]func() {
	return map[string]func(){
		"panic":              func() { panic("as told") },
		"panic in goroutine": func() { go panic("as told"); stay() },
		"exit":               func() { os.Exit(3) },
		"return":             func() {},
		"nil pointer":        func() { fmt.Println(*flag.Lookup("no such flag")) },
		"crash":              func() { debug.SetTraceback("crash"); panic("as told") },
		"stack overflow":     func() { debug.SetMaxStack(1 << 20); fmt.Println(overflow(0)) },
		"throw":              throw,
		"abort":              func() { _ = syscall.Kill(os.Getpid(), syscall.SIGABRT); stay() },
		"exec":               func() { execSleep() },
		"exec on a thread":   func() { go func() { runtime.LockOSThread(); execSleep() }(); stay() },
		"many threads":       manyThreads,
	}
}

// stay does nothing until the process ends. It is no deadlock: should the runtime
// find one while it also handles a fatal signal, it can hang for ever.
func stay() { <-time.After(time.Hour) }

func overflow(n int) int {
	if n < 0 {
		return 0
	}
	return overflow(n+1) + 1
}

// throw makes the runtime end the process, so that no deferred function runs.
func throw() {
	var mu sync.Mutex
	mu.Unlock()
}

// execSleep becomes another program, which stays alive with this process's id.
func execSleep() {
	path, err := exec.LookPath("sleep")
	if err == nil {
		err = syscall.Exec(path, []string{"sleep", "1000"}, nil)
	}
	fmt.Fprintln(os.Stderr, "exec:", err)
}

// manyThreads is killed while threads sleep, spin and come and go.
func manyThreads() {
	for range 30 {
		go func() { runtime.LockOSThread(); select {} }()
	}
	var busy atomic.Bool
	busy.Store(true)
	for range 2 {
		go func() {
			for busy.Load() {
			}
		}()
	}
	go func() {
		for {
			done := make(chan struct{})
			go func() { runtime.LockOSThread(); close(done) }() // its thread ends
			<-done
		}
	}()
	runtime.Gosched()
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	stay()
}

func helpDie(args []string) error {
	_, _, err := joinByName(args)
	if err != nil {
		return err
	}
	say("joined")
	awaitParent()
	if f := deaths()[args[2]]; f != nil {
		f()
	}
	return nil
}

// TestDeath ends children in every way, and looks at what is left of them.
func TestDeath(t *testing.T) {
	tab := newTable(t, t.TempDir())
	modes := []string{"SIGKILL", "SIGTERM", "SIGSEGV", "SIGQUIT"}
	for name := range deaths() {
		modes = append(modes, name)
	}
	slices.Sort(modes)
	for i, mode := range modes {
		t.Run(strings.ReplaceAll(mode, " ", "_"), func(t *testing.T) { testDeath(t, tab, i+1, mode) })
	}
}

func testDeath(t *testing.T, tab *table, slot int, mode string) {
	t.Helper()
	h := startHelper(t, nil, "die", tab.file.Name(), strconv.Itoa(slot), mode)
	if got := h.line(t); got != "joined" {
		t.Fatal(got)
	}
	alive := tab.word(slot).Load()
	if alive&guardian.Waiters == 0 || guardian.Marked(alive) || alive == guardian.Waiters {
		t.Errorf("the word of a living process is %#x", alive)
	}
	if !tab.held(t, slot) {
		t.Error("the byte of a living process is free")
	}
	begin := time.Now()
	signals := map[string]syscall.Signal{"SIGKILL": syscall.SIGKILL, "SIGTERM": syscall.SIGTERM, "SIGSEGV": syscall.SIGSEGV, "SIGQUIT": syscall.SIGQUIT}
	if sig, ok := signals[mode]; ok {
		if err := h.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	} else if _, err := h.in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if sys.Probe().RobustList {
		if got := tab.awaitChange(t, slot, alive); got != dead {
			t.Errorf("the word became %#x, want %#x", got, uint32(dead))
		}
		t.Logf("marked after %v", time.Since(begin))
	}
	tab.awaitFree(t, slot)
	t.Logf("free after %v", time.Since(begin))
	if !sys.Probe().RobustList {
		if got := tab.word(slot).Load(); got != alive {
			t.Errorf("without help of the kernel the word became %#x", got)
		}
		if ok, err := guardian.MarkIfGone(tab.file, tab.word(slot), byteOff(slot)); !ok || err != nil || tab.word(slot).Load() != dead {
			t.Errorf("a dead process cannot be marked: %#x", tab.word(slot).Load())
		}
	}
	if guardian.Mark(tab.word(slot), alive) {
		t.Error("marked twice")
	}
	if strings.HasPrefix(mode, "exec") {
		if err := h.Process.Signal(syscall.Signal(0)); err != nil {
			t.Error("the process is gone after exec:", err)
		}
	}
}

// TestStopped stops a process: it is alive, and nobody may think otherwise.
func TestStopped(t *testing.T) {
	tab := newTable(t, t.TempDir())
	h := startHelper(t, nil, "die", tab.file.Name(), "1", "none")
	h.line(t)
	alive := tab.word(1).Load()
	if err := h.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(h.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("not stopped: %v %v", status, err)
	}
	if got := tab.word(1).Load(); got != alive || !tab.held(t, 1) {
		t.Errorf("stopped, the word is %#x, the byte held: %v; want %#x, true", got, tab.held(t, 1), alive)
	}
	h.kill(t)
	tab.awaitFree(t, 1)
	if got := tab.word(1).Load(); sys.Probe().RobustList && got != dead {
		t.Errorf("killed while stopped, the word is %#x", got)
	}
}

// TestNamespace joins in another pid namespace, where thread numbers are small
// and clash with those of others.
func TestNamespace(t *testing.T) {
	tab := newTable(t, t.TempDir())
	h := startHelper(t, func(c *exec.Cmd) {
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	}, "die", tab.file.Name(), "1", "none")
	h.line(t)
	alive := tab.word(1).Load()
	if tid := alive &^ guardian.Waiters; tid > 1000 {
		t.Errorf("the thread's number is %d: not one of a namespace of its own", tid)
	}
	h.kill(t)
	tab.awaitFree(t, 1)
	if got := tab.word(1).Load(); sys.Probe().RobustList && got != dead {
		t.Errorf("the word is %#x, want %#x", got, uint32(dead))
	}
}

// TestSpawn has a member start other programs: it lives on, in the eyes of all.
func TestSpawn(t *testing.T) {
	tab := newTable(t, t.TempDir())
	h := startHelper(t, nil, "spawn", tab.file.Name(), "1")
	h.line(t)
	alive := tab.word(1).Load()
	for h.line(t) != "done" {
		if got := tab.word(1).Load(); got != alive || !tab.held(t, 1) {
			t.Fatalf("after a child the word is %#x, the byte held: %v; want %#x, true", got, tab.held(t, 1), alive)
		}
	}
	// The member has left a program running. Its death must show all the same.
	orphan, err := strconv.Atoi(h.line(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(orphan, syscall.SIGKILL) }()
	h.kill(t)
	tab.awaitFree(t, 1)
	if got := tab.word(1).Load(); sys.Probe().RobustList && got != dead {
		t.Errorf("the word is %#x, want %#x", got, uint32(dead))
	}
	if err := syscall.Kill(orphan, 0); err != nil {
		t.Error("the program that was left running is gone:", err)
	}
}

func helpSpawn(args []string) error {
	_, _, err := joinByName(args)
	if err != nil {
		return err
	}
	say("joined")
	signal.Ignore(syscall.SIGPIPE)
	for i := range 20 {
		cmd := exec.Command("true")
		if i%4 == 1 {
			cmd.Path = "/nonexistent"
		}
		if i%4 == 2 {
			// Another way to fork, which copies the memory.
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
		}
		if err := cmd.Run(); (i%4 == 1) == (err == nil) && i%4 != 2 {
			return fmt.Errorf("child %d: %w", i, err)
		}
		say("child")
	}
	sleeper := exec.Command("sleep", "1000")
	if err := sleeper.Start(); err != nil {
		return err
	}
	say("done")
	say("%d", sleeper.Process.Pid)
	awaitParent()
	return errors.New("not killed")
}

// TestNotOnMainThread looks at which thread keeps the list.
func TestNotOnMainThread(t *testing.T) {
	if !sys.Probe().RobustList {
		t.Skip("no robust lists here")
	}
	tab := newTable(t, t.TempDir())
	for slot := 1; slot <= 10; slot++ {
		h := startHelper(t, nil, "die", tab.file.Name(), strconv.Itoa(slot), "none")
		h.line(t)
		if tid := tab.word(slot).Load() &^ guardian.Waiters; tid == uint32(h.Process.Pid) {
			t.Error("the list is kept by the first thread")
		} else if _, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", h.Process.Pid, tid)); err != nil {
			t.Errorf("the word names no thread of the child: %v", err)
		}
		h.kill(t)
	}
}
