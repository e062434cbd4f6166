//go:build linux

package queue_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

var chaosTime = flag.Duration("chaos", 8*time.Second, "how long TestChaos kills, for all kinds of messages together")

// chaosKind is a type of messages, as TestChaos and its children need it.
type chaosKind struct {
	child  func(dir, role string, number int) error
	create func(ctx context.Context, seg *shm.Segment, name string, spec queue.Spec) (chaosQueue, error)
}

// chaosQueue is a queue of any type, as the parent sees it.
type chaosQueue interface {
	Join(ctx context.Context) error
	Len() int
	Spec() queue.Spec
}

func kindOf[T any](k kit[T], large func() T) chaosKind {
	return chaosKind{
		child: func(dir, role string, number int) error { return runChild(k, dir, role, number) },
		create: func(ctx context.Context, seg *shm.Segment, name string, spec queue.Spec) (chaosQueue, error) {
			q, err := queue.Create[T](ctx, seg, name, spec)
			return roomy[T]{q, large}, err
		},
	}
}

// roomy tells how much room a queue has.
type roomy[T any] struct {
	*queue.Queue[T]
	large func() T
}

// room puts and lends what fits and takes all back.
func (q roomy[T]) room() (text string, err error) {
	for _, x := range []T{*new(T), q.large()} {
		puts, loans := 0, 0
		for err = error(nil); err == nil; puts++ {
			err = q.TryPut(x)
		}
		if !errors.Is(err, queue.ErrFull) {
			return "", err
		}
		for range puts - 1 {
			if _, err := q.TryGet(); err != nil {
				return "", err
			}
		}
		var list []queue.Loan[T]
		for err = error(nil); err == nil; loans++ {
			var l queue.Loan[T]
			l, err = q.TryReserve()
			list = append(list, l)
		}
		if !errors.Is(err, queue.ErrFull) {
			return "", err
		}
		for _, l := range list {
			l.Abandon()
		}
		text += fmt.Sprintf("%d messages, %d loans; ", puts-1, loans-1)
	}
	return text, nil
}

// chaosKinds are the types of messages.
var chaosKinds = map[string]chaosKind{
	"small": kindOf(fixedKit(func(w *[5]uint32) []uint32 { return w[:] }), func() parcel[[5]uint32] { return parcel[[5]uint32]{} }),
	"large": kindOf(fixedKit(func(w *[5000]uint32) []uint32 { return w[:] }), func() parcel[[5000]uint32] { return parcel[[5000]uint32]{} }),
	"bytes": kindOf(bytesKit(20000), func() []byte { return make([]byte, 20000) }),
}

// TestChaos has processes put and get in every way there is, kills them at random
// (and stops some for a while), starts others, and compares what they wrote down.
func TestChaos(t *testing.T) {
	rows := []struct {
		kind, taker string
		spec        queue.Spec
	}{
		{"small", "consumer", queue.Spec{Cap: 1}},
		{"small", "receiver", queue.Spec{Cap: 3}},
		{"small", "consumer", queue.Spec{Cap: 64}},
		{"bytes", "receiver", queue.Spec{Cap: 2, SlotSize: 256, MaxSize: 20000, Heap: 30000}},
		{"bytes", "consumer", queue.Spec{Cap: 64, SlotSize: 256, MaxSize: 20000, Heap: 60000}},
		{"bytes", "receiver", queue.Spec{Cap: 1, SlotSize: 4096, MaxSize: 20000, Heap: 20000}},
		{"bytes", "consumer", queue.Spec{Cap: 3, SlotSize: 4096, MaxSize: 20000, Heap: 50000}},
		{"large", "receiver", queue.Spec{Cap: 2}},
	}
	for _, row := range rows {
		t.Run(fmt.Sprintf("%s/cap=%d/slotsize=%d/%ss", row.kind, row.spec.Cap, row.spec.SlotSize, row.taker), func(t *testing.T) {
			chaos(t, row.kind, row.taker, row.spec, *chaosTime/time.Duration(len(rows)))
		})
	}
}

// mob is the children of one run.
type mob struct {
	t     *testing.T
	dir   string
	kind  string
	next  map[string]int // number of the next child, by role
	alive []*mobster
	kills map[string]int // by role; also of those that killed themselves
}

type mobster struct {
	role  string
	cmd   *exec.Cmd
	stdin io.Closer
	out   bytes.Buffer
}

func (b *mob) start(role string) *mobster {
	b.t.Helper()
	m := &mobster{role: role, cmd: exec.Command(os.Args[0], "-test.run=^TestChaosChild$", "-test.count=1")}
	m.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%s|%s|%d", chaosEnv, b.dir, b.kind, role, b.next[role]))
	m.cmd.Stderr, m.cmd.Stdout = &m.out, &m.out
	stdin, err := m.cmd.StdinPipe()
	must(b.t, err)
	m.stdin = stdin
	must(b.t, m.cmd.Start())
	b.next[role]++
	return m
}

// end waits for a child that was killed or told to stop.
func (b *mob) end(m *mobster) {
	b.t.Helper()
	done := make(chan error, 1)
	go func() { done <- m.cmd.Wait() }()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL { //nolint:errcheck // on linux it is
			b.kills[m.role]++
		} else if err != nil {
			b.t.Fatalf("a %s: %v\n%s", m.role, err, m.out.String())
		}
	case <-time.After(time.Minute):
		_ = m.cmd.Process.Signal(syscall.SIGQUIT)
		b.t.Log(<-done)
		b.t.Fatalf("a %s hangs\n%s", m.role, m.out.String())
	}
}

// riot kills and replaces.
func (b *mob) riot(taker string, d time.Duration) {
	for _, role := range []string{"producer", taker, "producer", taker} {
		b.alive = append(b.alive, b.start(role))
	}
	for end := time.Now().Add(d); time.Now().Before(end) && !b.t.Failed(); {
		i := rand.IntN(len(b.alive))
		m := b.alive[i]
		time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond) // any moment is as good
		switch rand.IntN(8) {
		case 0:
			must(b.t, m.stdin.Close())
		case 1:
			must(b.t, m.cmd.Process.Signal(syscall.SIGSTOP))
			time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
			must(b.t, m.cmd.Process.Signal(syscall.SIGCONT))
			continue
		default:
			must(b.t, m.cmd.Process.Kill())
		}
		b.end(m)
		b.alive[i] = b.start(m.role)
	}
}

// stop ends the children of a role in good order.
func (b *mob) stop(role string) {
	for _, m := range b.alive {
		if m.role == role {
			must(b.t, m.stdin.Close())
		}
	}
	for _, m := range b.alive {
		if m.role == role {
			b.end(m)
		}
	}
}

func chaos(t *testing.T, kind, taker string, spec queue.Spec, d time.Duration) {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), d+4*time.Minute)
	defer cancel()
	seg, err := shm.Create(ctx, "chaos", shm.Spec{}, &shm.Options{Dir: dir})
	must(t, err)
	defer func() { must(t, seg.Close()) }()
	k := chaosKinds[kind]
	q, err := k.create(ctx, seg, "q", spec)
	must(t, err)
	b := &mob{t: t, dir: dir, kind: kind, next: map[string]int{}, kills: map[string]int{}}
	defer func() {
		for _, m := range b.alive {
			_ = m.cmd.Process.Kill()
		}
	}()
	b.riot(taker, d)
	b.stop("producer")
	// If a consumer kills itself now, another one must take over.
	joined, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	spare := b.start(taker)
	b.alive = append(b.alive, spare)
	if err := q.Join(joined); err != nil {
		objects, _ := seg.Objects()
		holds, _ := seg.Holds()
		t.Fatalf("joining: %v; %d messages are left: %v; held: %v", err, q.Len(), objects, holds)
	}
	b.stop(taker)
	onlyMe(t, seg)
	must(t, seg.Check())
	fresh, err := k.create(ctx, seg, "fresh", spec)
	must(t, err)
	want, err := fresh.(interface{ room() (string, error) }).room() //nolint:errcheck // it is a roomy
	must(t, err)
	have, err := q.(interface{ room() (string, error) }).room() //nolint:errcheck // as well
	must(t, err)
	if have != want {
		t.Errorf("afterwards there is room for %s, of a new queue for %s", have, want)
	}
	must(t, seg.Check())
	l := readLedger(t, dir)
	l.deaths = b.kills[taker]
	l.audit(t)
	t.Logf("%d producers and %d consumers killed; %s", b.kills["producer"], l.deaths, l.summary())
}

// onlyMe waits until every other participant is gone and repaired.
func onlyMe(t *testing.T, seg *shm.Segment) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		list, err := seg.Participants()
		must(t, err)
		if len(list) == 1 {
			break
		}
		if time.Since(start) > time.Minute {
			t.Fatalf("not repaired: %v", list)
		}
	}
	holds, err := seg.Holds()
	must(t, err)
	if len(holds) > 0 {
		t.Errorf("still held: %v", holds)
	}
}
