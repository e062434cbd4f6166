//go:build linux && shmcheck

package queue_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

var killEvery = flag.Int("every", 5, "TestKillSteps kills at one of so many steps")

// stepSpec has room for short messages in slots, for longer ones in cells, and
// for the longest in granules.
var stepSpec = queue.Spec{Cap: 2, SlotSize: 4096, MaxSize: 9000, Heap: 9000}

// sizes are of messages that lie in a slot, a cell, and granules.
var sizes = []int{50, 3000, 9000}

// body returns the message of that name.
func body(name string, size int) []byte {
	return append([]byte(name+":"), bytes.Repeat([]byte(name), size/len(name))[:size-len(name)-1]...)
}

// nameOf returns the name of a message, or says that it is torn.
func nameOf(b []byte) string {
	name, _, _ := strings.Cut(string(b), ":")
	for _, size := range sizes {
		if len(b) == size && len(name) > 0 && bytes.Equal(b, body(name, size)) {
			return name
		}
	}
	return fmt.Sprintf("(torn, %d bytes: %.20q)", len(b), b)
}

// deed is what a victim does, while a peer does what wait says and has to wait.
type deed struct {
	name    string
	initial []string // in the queue before
	do      func(ctx context.Context, q *queue.Queue[[]byte], size int) error
	puts    []string // messages that may be there afterwards, each only if those before it are
	takes   int      // of initial, how many may be gone
	ends    bool     // it shuts down
}

func deeds() []deed {
	type ctx = context.Context
	type queueOfBytes = *queue.Queue[[]byte]
	set := func(size int) func(*[]byte) error {
		return func(x *[]byte) error {
			if b := body("v", size); len(b) <= len(*x) {
				*x = (*x)[:copy(*x, b)]
			} else {
				*x = b
			}
			return nil
		}
	}
	nothing := func(*[]byte) error { return nil }
	full := []string{"a", "b"}
	return []deed{
		{name: "Put", puts: []string{"v"}, do: func(c ctx, q queueOfBytes, n int) error { return q.Put(c, body("v", n)) }},
		{name: "PutBatch", puts: []string{"v", "w"}, do: func(c ctx, q queueOfBytes, n int) error {
			_, err := q.PutBatch(c, [][]byte{body("v", n), body("w", 50)})
			return err
		}},
		{name: "PutFunc", puts: []string{"v"}, do: func(c ctx, q queueOfBytes, n int) error { return q.PutFunc(c, set(n)) }},
		{name: "Publish", puts: []string{"v"}, do: func(c ctx, q queueOfBytes, n int) error {
			l, err := q.Reserve(c)
			if err != nil {
				return err
			}
			_ = set(n)(l.Value())
			return l.Publish()
		}},
		{name: "Abandon", do: func(c ctx, q queueOfBytes, _ int) error {
			l, err := q.Reserve(c)
			l.Abandon()
			return err
		}},
		{name: "Get", initial: full, takes: 1, do: func(c ctx, q queueOfBytes, _ int) error {
			_, err := q.Get(c)
			return err
		}},
		{name: "GetBatch", initial: full, takes: 3, do: func(c ctx, q queueOfBytes, _ int) error {
			_, err := q.GetBatch(c, make([][]byte, 2))
			return err
		}},
		{name: "GetFunc", initial: full, takes: 1, do: func(c ctx, q queueOfBytes, _ int) error { return q.GetFunc(c, nothing) }},
		{name: "GetFunc fails", initial: full, do: func(c ctx, q queueOfBytes, _ int) error {
			_ = q.GetFunc(c, func(*[]byte) error { return errRegret })
			return nil
		}},
		{name: "Receive", initial: full, do: func(c ctx, q queueOfBytes, _ int) error {
			_, err1 := q.Receive(c)
			_, err2 := q.Receive(c)
			return errors.Join(err1, err2)
		}},
		{name: "Ack", initial: full, takes: 1, do: func(c ctx, q queueOfBytes, _ int) error {
			d, err := q.Receive(c)
			return errors.Join(err, d.Ack())
		}},
		{name: "Nack", initial: full, do: func(c ctx, q queueOfBytes, _ int) error {
			d, err := q.Receive(c)
			d.Nack()
			return err
		}},
		{name: "Close", initial: full, do: func(c ctx, q queueOfBytes, _ int) error {
			_, err := q.Receive(c)
			return errors.Join(err, q.Segment().Close())
		}},
		{name: "Close with a loan", do: func(c ctx, q queueOfBytes, _ int) error {
			_, err := q.Reserve(c)
			return errors.Join(err, q.Segment().Close())
		}},
		{name: "Shutdown", ends: true, do: func(_ ctx, q queueOfBytes, _ int) error { return q.Shutdown() }},
	}
}

const stepEnv = "SHOAL_KILL_STEP"

// TestKillStepChild is no test but what children of TestKillSteps run.
func TestKillStepChild(t *testing.T) {
	args := strings.Split(os.Getenv(stepEnv), "|")
	if len(args) < 2 {
		t.Skip("for children of TestKillSteps")
	}
	seg, err := shm.Open(t.Context(), "s", &shm.Options{Dir: args[1]})
	must(t, err)
	q, err := queue.Open[[]byte](t.Context(), seg, args[2])
	must(t, err)
	if args[0] == "peer" {
		keepOn(t.Context(), q)
		return
	}
	number, _ := strconv.Atoi(args[3])
	size, _ := strconv.Atoi(args[4])
	left, _ := strconv.Atoi(args[5])
	runtime.LockOSThread()
	me := syscall.Gettid()
	satomic.SetHook(func() {
		if syscall.Gettid() != me {
			return
		}
		if left--; left == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	err = deeds()[number].do(t.Context(), q, size)
	satomic.SetHook(nil)
	fmt.Println("done", err)
	os.Exit(0) // not in good order, and without closing
}

// keepOn is the peer: it does what it is told, and says what came of it.
func keepOn(ctx context.Context, q *queue.Queue[[]byte]) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch in.Text() {
		case "get":
			b, err := q.Get(ctx)
			if err != nil {
				fmt.Println(err)
			} else {
				fmt.Println(nameOf(b))
			}
		case "put":
			fmt.Println("put", q.Put(ctx, body("p", 3000)))
		case "reserve":
			l, err := q.Reserve(ctx)
			*l.Value() = body("p", 3000)
			fmt.Println("put", errors.Join(err, l.Publish()))
		}
	}
	os.Exit(0)
}

// stepper is one sweep.
type stepper struct {
	t    *testing.T
	dir  string
	seg  *shm.Segment
	q    *queue.Queue[[]byte]
	name string // of the queue
	peer *exec.Cmd
	tell io.WriteCloser
	hear *bufio.Reader
	want string // room of a new queue
}

// TestKillSteps kills processes at each step of each operation while another one
// waits, which has to go on, and nothing may be lost.
func TestKillSteps(t *testing.T) {
	for number, d := range deeds() {
		for _, size := range sizes {
			if size != sizes[0] && (d.ends || d.name == "Abandon" || d.name == "Close with a loan") {
				continue // the size does not matter
			}
			t.Run(fmt.Sprintf("%s/%d", d.name, size), func(t *testing.T) {
				s := newStepper(t)
				kills := 0
				for n := 1 + rand.IntN(*killEvery); ; n += *killEvery {
					s.fill(d, size)
					if s.once(d, number, size, n) || t.Failed() {
						t.Logf("%d kills", kills)
						return
					}
					kills++
				}
			})
		}
	}
}

func newStepper(t *testing.T) *stepper {
	t.Helper()
	s := &stepper{t: t, dir: t.TempDir()}
	var err error
	s.seg, err = shm.Create(t.Context(), "s", shm.Spec{Participants: 16}, &shm.Options{Dir: s.dir})
	must(t, err)
	t.Cleanup(func() { must(t, s.seg.Close()) })
	s.renew(0)
	t.Cleanup(func() { s.dismiss() })
	return s
}

// renew makes a queue and starts a peer.
func (s *stepper) renew(n int) {
	s.t.Helper()
	var err error
	s.name = fmt.Sprintf("q%d", n)
	s.q, err = queue.Create[[]byte](s.t.Context(), s.seg, s.name, stepSpec)
	must(s.t, err)
	s.want, err = s.room()
	must(s.t, err)
	s.peer = exec.Command(os.Args[0], "-test.run=^TestKillStepChild$")
	s.peer.Env = append(os.Environ(), fmt.Sprintf("%s=peer|%s|%s", stepEnv, s.dir, s.name))
	s.peer.Stderr = os.Stderr
	in, err := s.peer.StdinPipe()
	must(s.t, err)
	out, err := s.peer.StdoutPipe()
	must(s.t, err)
	s.tell, s.hear = in, bufio.NewReader(out)
	must(s.t, s.peer.Start())
}

// dismiss ends the peer.
func (s *stepper) dismiss() {
	s.t.Helper()
	must(s.t, s.tell.Close())
	must(s.t, s.peer.Wait())
}

func (s *stepper) room() (string, error) {
	return roomy[[]byte]{s.q, func() []byte { return body("x", 9000) }}.room()
}

// fill brings the queue into the state in which the victim finds it.
func (s *stepper) fill(d deed, size int) {
	s.t.Helper()
	for i, name := range d.initial {
		n := size
		if i > 0 {
			n = sizes[0] // there is room for only one of the longest
		}
		must(s.t, s.q.TryPut(body(name, n)))
	}
}

// once has a victim die at its n-th step, and verifies what is left. It reports
// whether the deed came to its end before.
func (s *stepper) once(d deed, number, size, n int) (ended bool) {
	s.t.Helper()
	errand := "get"
	if len(d.initial) > 0 {
		errand = []string{"put", "reserve"}[n%2]
	}
	_, _ = fmt.Fprintln(s.tell, errand)
	s.untilWaiting()
	victim := exec.Command(os.Args[0], "-test.run=^TestKillStepChild$")
	victim.Env = append(os.Environ(), fmt.Sprintf("%s=victim|%s|%s|%d|%d|%d", stepEnv, s.dir, s.name, number, size, n))
	out, err := victim.CombinedOutput()
	switch said := string(out); {
	case strings.Contains(said, "done <nil>"):
		ended = true
	case said != "" || err == nil:
		s.t.Fatalf("step %d: the victim said %q, %v", n, said, err)
	}
	must(s.t, object.Inside().AwaitRepair(within(s.t), victim.Process.Pid))
	if errand == "get" {
		s.afterPut(d, n, ended)
	} else {
		s.afterTake(d, n, ended)
	}
	s.books(n)
	return ended
}

func (s *stepper) untilWaiting() {
	s.t.Helper()
	for start := time.Now(); ; runtime.Gosched() {
		holds, err := s.seg.Holds()
		must(s.t, err)
		for _, h := range holds {
			if h.Waiting && h.Participant.PID == s.peer.Process.Pid {
				return
			}
		}
		if time.Since(start) > 30*time.Second {
			s.t.Fatal("the peer does not wait")
		}
	}
}

// answer returns what the peer says.
func (s *stepper) answer(n int) string {
	s.t.Helper()
	line := make(chan string, 1)
	go func() {
		text, _ := s.hear.ReadString('\n')
		line <- strings.TrimSpace(text)
	}()
	select {
	case text := <-line:
		return text
	case <-time.After(30 * time.Second):
		s.t.Fatalf("step %d: the peer hangs; %d messages", n, s.q.Len())
		return ""
	}
}

// afterPut verifies what the peer gets.
func (s *stepper) afterPut(d deed, n int, ended bool) {
	s.t.Helper()
	if d.ends {
		if l, err := s.q.TryReserve(); !errors.Is(err, queue.ErrShutdown) {
			l.Abandon()
			must(s.t, s.q.Shutdown())
		}
		if said := s.answer(n); said != queue.ErrShutdown.Error() {
			s.t.Fatalf("step %d: the peer got %q", n, said)
		}
		s.dismiss()
		s.renew(n)
		return
	}
	must(s.t, s.q.Put(within(s.t), body("end", 50)))
	var list []string
	for {
		said := s.answer(n)
		if said == "end" {
			break
		}
		list = append(list, said)
		_, _ = fmt.Fprintln(s.tell, "get")
	}
	if len(list) > len(d.puts) || ended && len(list) != len(d.puts) {
		s.t.Fatalf("step %d: the peer got %q", n, list)
	}
	for i, name := range list {
		if name != d.puts[i] {
			s.t.Fatalf("step %d: the peer got %q, want the first of %q", n, list, d.puts)
		}
	}
}

// afterTake verifies what is left, and that the peer puts.
func (s *stepper) afterTake(d deed, n int, ended bool) {
	s.t.Helper()
	var list []string
	for len(list) == 0 || list[len(list)-1] != "p" {
		r, err := s.q.Receive(within(s.t))
		must(s.t, err)
		name := nameOf(*r.Value())
		list = append(list, name)
		if a := r.Attempt(); a > 2 || name == "p" && a != 1 {
			s.t.Fatalf("step %d: attempt %d of %q", n, a, name)
		}
		must(s.t, r.Ack())
	}
	if said := s.answer(n); said != "put <nil>" {
		s.t.Fatalf("step %d: the peer said %q", n, said)
	}
	all := append(append([]string{}, d.initial...), "p")
	gone := len(all) - len(list)
	if gone < 0 || gone > d.takes || ended && d.takes == 1 && gone != 1 {
		s.t.Fatalf("step %d: left are %q", n, list)
	}
	for i, name := range list {
		if name != all[gone+i] {
			s.t.Fatalf("step %d: left are %q of %q", n, list, all)
		}
	}
}

// books verifies that the queue is as good as new.
func (s *stepper) books(n int) {
	s.t.Helper()
	must(s.t, s.seg.Check())
	if have, err := s.room(); err != nil || have != s.want {
		s.t.Fatalf("step %d: there is room for %s (%v), at first for %s", n, have, err, s.want)
	}
	must(s.t, s.q.Join(within(s.t)))
}
