package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// app is an application process that does what it is told, line by line.
type app struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
	ended bool
}

// start starts an application that opens, or creates, the segment "orders" in dir.
func start(t *testing.T, dir, lifetime string) *app {
	t.Helper()
	return startAs(t, dir, lifetime, nil)
}

// startAs starts an application in the namespaces that attr says.
func startAs(t *testing.T, dir, lifetime string, attr *syscall.SysProcAttr) *app {
	t.Helper()
	a := &app{t: t, cmd: exec.Command(os.Args[0])}
	a.cmd.SysProcAttr = attr
	a.cmd.Env = environ("app", dir)
	a.cmd.Stderr = os.Stderr
	var err error
	if a.stdin, err = a.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.lines = bufio.NewScanner(out)
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.kill)
	a.do("segment orders " + lifetime)
	return a
}

// do tells the application to do something and waits until it has.
func (a *app) do(line string) {
	a.t.Helper()
	a.tell(line)
	a.answer(line)
}

// answer waits for the answer to what the application was told.
func (a *app) answer(line string) {
	a.t.Helper()
	timer := time.AfterFunc(watchdog, func() { _ = a.cmd.Process.Kill() })
	defer timer.Stop()
	if !a.lines.Scan() || a.lines.Text() != "ok" {
		a.t.Fatalf("%s: %q %v", line, a.lines.Text(), a.lines.Err())
	}
}

// tell tells the application to do something, and does not wait.
func (a *app) tell(line string) {
	a.t.Helper()
	if _, err := io.WriteString(a.stdin, line+"\n"); err != nil {
		a.t.Fatal(err)
	}
}

func (a *app) pid() string { return strconv.Itoa(a.cmd.Process.Pid) }

// stop stops the application, so that it neither runs nor dies.
func (a *app) stop() {
	a.t.Helper()
	if err := a.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		a.t.Fatal(err)
	}
	a.awaitStop()
}

// awaitStop waits until the application is stopped.
func (a *app) awaitStop() {
	a.t.Helper()
	var status syscall.WaitStatus
	for {
		pid, err := syscall.Wait4(a.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid != a.cmd.Process.Pid || !status.Stopped() {
			a.t.Fatalf("wait: %v, status %x", err, status)
		}
		return
	}
}

// kill kills the application and waits until it is gone.
func (a *app) kill() {
	if !a.ended {
		a.ended = true
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
	}
}

// quit lets the application end in good order.
func (a *app) quit() {
	a.t.Helper()
	a.do("close")
	a.ended = true
	_ = a.stdin.Close()
	if err := a.cmd.Wait(); err != nil {
		a.t.Fatal(err)
	}
}

// served is the state of an application process.
type served struct {
	seg       *shm.Segment
	mutex     *lock.Mutex
	semaphore *semaphore.Semaphore
	queue     *queue.Queue[int64]
	kept      []any
}

func serveApp() {
	s := new(served)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := s.run(context.Background(), strings.Fields(lines.Text())); err != nil {
			fmt.Println("error:", err)
			continue
		}
		fmt.Println("ok")
	}
	os.Exit(0)
}

func (s *served) run(ctx context.Context, words []string) (err error) {
	switch words[0] {
	case "segment":
		spec := shm.Spec{Participants: 8, MaxSize: 16 << 20}
		if len(words) > 2 && words[2] == "persistent" {
			spec.Lifetime = shm.Persistent
		}
		s.seg, err = shm.OpenOrCreate(ctx, words[1], spec, nil)
	case "objects":
		return s.open(ctx)
	case "lock":
		err = s.mutex.Lock(ctx)
	case "wait":
		go func() { _ = s.mutex.Lock(ctx) }()
	case "acquire":
		err = s.semaphore.Acquire(ctx, 2)
	case "put":
		err = s.queue.Put(ctx, 4711)
	case "receive":
		d, e := s.queue.Receive(ctx)
		s.kept, err = append(s.kept, d), e
	case "freeze":
		return s.freeze(ctx)
	case "close":
		err = s.seg.Close()
	default:
		err = fmt.Errorf("what is %q?", words)
	}
	return err
}

func (s *served) open(ctx context.Context) error {
	var errs [4]error
	s.mutex, errs[0] = lock.OpenOrCreateMutex(ctx, s.seg, "gate", lock.Spec{})
	s.semaphore, errs[1] = semaphore.OpenOrCreate(ctx, s.seg, "slots", semaphore.Spec{Permits: 4})
	s.queue, errs[2] = queue.OpenOrCreate[int64](ctx, s.seg, "jobs", queue.Spec{Cap: 8})
	_, errs[3] = value.OpenOrCreateAtomic(ctx, s.seg, "hits", int64(7))
	return errors.Join(errs[:]...)
}

// freeze stops this process in the middle of a structural change.
func (s *served) freeze(ctx context.Context) error {
	_, _, err := object.Inside().Create(ctx, s.seg, object.Request{
		Name: "frozen", Kind: robust.Kind(), Spec: object.Spec{1},
		Init: func(mem.Region, object.Shape) error {
			// Another thread may be the one that is told to stop first.
			continued := make(chan os.Signal, 1)
			signal.Notify(continued, syscall.SIGCONT)
			defer signal.Stop(continued)
			err := syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			<-continued
			return err
		},
	})
	return err
}
