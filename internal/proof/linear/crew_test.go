//go:build linux

package linear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

const (
	childrenAtOnce = 3
	stepsOfLane    = 8
)

// crew is the children of a segment, and the test that leads them.
type crew struct {
	t       *testing.T
	kind    kind
	dir     string
	seg     *shm.Segment
	starter *value.Atomic[uint64]
	deaths  chan int // process ids, after the repair
	buried  map[int]bool
	members []*member
	leader  *lane
	born    int
	round   int
	count   tally
}

// tally is what was done.
type tally struct{ operations, histories, kills int }

// member is a child.
type member struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	tells  chan byte
	stderr bytes.Buffer
	lanes  []*journal
	read   []int // how far each journal was read
	kill   bool  // in this round
}

func newCrew(t *testing.T, k kind) *crew {
	t.Helper()
	c := &crew{t: t, kind: k, dir: t.TempDir(), deaths: make(chan int, 16), buried: map[int]bool{}, born: 1}
	var err error
	c.seg, err = shm.Create(t.Context(), "linear", shm.Spec{Size: 4 << 20}, &shm.Options{Dir: c.dir})
	c.must(err)
	t.Cleanup(func() { c.seg.Close() })
	c.starter, err = value.CreateAtomic[uint64](t.Context(), c.seg, "go", 0)
	c.must(err)
	next := c.seg.Deaths(t.Context()) // tells of those from here on
	go func() {
		for d, err := range next {
			if err != nil {
				return
			}
			c.deaths <- d.Participant.PID
		}
	}()
	j, err := openJournal(c.dir, 0)
	c.must(err)
	c.leader = &lane{journal: j, rand: rand.New(rand.NewPCG(1, 2)), ctx: t.Context()}
	for range childrenAtOnce {
		c.members = append(c.members, c.start())
	}
	return c
}

func (c *crew) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *crew) start() *member {
	c.t.Helper()
	m := &member{tells: make(chan byte, 4), cmd: exec.Command(os.Args[0])}
	m.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%s|%d", childVariable, c.dir, c.kind.name, c.born))
	m.cmd.Stderr = &m.stderr
	var err error
	m.stdin, err = m.cmd.StdinPipe()
	c.must(err)
	stdout, err := m.cmd.StdoutPipe()
	c.must(err)
	for i := range lanesOfChild {
		j, err := openJournal(c.dir, c.born*lanesOfChild+i)
		c.must(err)
		m.lanes, m.read = append(m.lanes, j), append(m.read, 0)
	}
	c.born++
	c.must(m.cmd.Start())
	c.t.Cleanup(func() { _ = m.cmd.Process.Kill() })
	go func() {
		defer close(m.tells)
		for b := make([]byte, 1); ; {
			if _, err := io.ReadFull(stdout, b); err != nil {
				return
			}
			m.tells <- b[0]
		}
	}()
	return m
}

// hear returns what m says next; false: it has ended.
func (c *crew) hear(m *member) (byte, bool) {
	c.t.Helper()
	select {
	case b, ok := <-m.tells:
		return b, ok
	case <-time.After(watchdog):
		_ = m.cmd.Process.Signal(syscall.SIGQUIT)
		_ = m.cmd.Wait()
		c.t.Fatalf("a child hangs in round %d\n%s", c.round, m.stderr.String())
		return 0, false
	}
}

// bury waits until a member that was killed has ended, and what it held is given
// back, and returns its death. Its life ended after everything in its journals.
func (c *crew) bury(m *member, proc int) death {
	c.t.Helper()
	err := m.cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL { //nolint:errcheck // on linux it is
		c.t.Fatalf("a child ended by itself in round %d: %v\n%s", c.round, err, m.stderr.String())
	}
	for !c.buried[m.cmd.Process.Pid] {
		select {
		case pid := <-c.deaths:
			c.buried[pid] = true
		case <-time.After(watchdog):
			c.t.Fatal("nobody tells of the death of a child")
		}
	}
	delete(c.buried, m.cmd.Process.Pid) // the number may be used again
	return death{proc: proc, to: now()}
}

// play has all children work on a new object, kills some of them, and returns
// what happened.
func (c *crew) play(kills int) *history {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), watchdog)
	defer cancel()
	c.round++
	c.leader.round = uint32(c.round)
	h := &history{variant: c.round % c.kind.variants}
	c.must(c.kind.create(ctx, c.seg, objectName(c.round), h.variant))
	for i, k := range rand.Perm(len(c.members)) {
		m := c.members[k]
		m.kill = i < kills
		dieAt := 0
		if m.kill && exactDeaths && rand.IntN(2) == 0 {
			dieAt = 1 + rand.IntN(400)
		}
		_, err := fmt.Fprintln(m.stdin, c.round, h.variant, stepsOfLane, dieAt)
		c.must(err)
	}
	for _, m := range c.members {
		if _, ok := c.hear(m); !ok {
			c.t.Fatalf("a child did not come to round %d: %v\n%s", c.round, m.cmd.Wait(), m.stderr.String())
		}
	}
	c.starter.Store(uint64(c.round))
	for _, m := range c.members {
		if m.kill {
			c.shoot(m)
		}
	}
	for i, m := range c.members {
		_, ok := c.hear(m)
		var end *death
		if m.kill && ok { // it was quicker
			_, _ = c.hear(m)
		}
		if m.kill || !ok {
			d := c.bury(m, i)
			end = &d
			c.count.kills++
		}
		c.collect(h, i, m, end)
		if end != nil {
			c.members[i] = c.start()
		}
	}
	c.audit(ctx, h)
	c.remove(ctx)
	c.count.operations += len(h.calls)
	c.count.histories++
	return h
}

// shoot kills m when it is about to do a random operation of the round.
func (c *crew) shoot(m *member) {
	i := rand.IntN(len(m.lanes))
	e := &m.lanes[i].entries[m.read[i]+rand.IntN(stepsOfLane)]
	for end := time.Now().Add(20 * time.Millisecond); e.state.Load() == none && time.Now().Before(end); {
	}
	for end := now() + int64(rand.IntN(3000)); now() < end; {
	}
	_ = m.cmd.Process.Kill()
}

// collect adds what m did in this round.
func (c *crew) collect(h *history, proc int, m *member, end *death) {
	for i, j := range m.lanes {
		var list []call
		list, m.read[i] = j.read(m.read[i], uint32(c.round))
		for _, x := range list {
			x.lane, x.proc = h.lanes, proc
			if end != nil {
				end.from = max(end.from, x.begin, x.end)
			}
			h.calls = append(h.calls, x)
		}
		h.lanes++
	}
	if end == nil {
		return
	}
	for i := range h.calls {
		if x := &h.calls[i]; x.proc == proc && x.pending {
			x.end = end.to
		}
	}
	h.deaths = append(h.deaths, *end)
}

// audit looks at what is left of the object.
func (c *crew) audit(ctx context.Context, h *history) {
	c.t.Helper()
	subjects, err := c.kind.open(ctx, c.seg, objectName(c.round), h.variant)
	c.must(err)
	at := c.leader.next
	c.must(subjects(c.leader).audit())
	c.must(c.seg.Check())
	list, _ := c.leader.read(at, uint32(c.round))
	for _, x := range list {
		x.lane, x.proc = h.lanes, len(c.members)
		h.calls = append(h.calls, x)
	}
	h.lanes++
}

// remove makes room for the objects of the next round.
func (c *crew) remove(ctx context.Context) {
	c.t.Helper()
	list, err := c.seg.Objects()
	c.must(err)
	for _, o := range list {
		if strings.HasPrefix(o.Name, objectName(c.round)) {
			c.must(c.seg.Remove(ctx, o.Name))
		}
	}
}

// end dismisses the children.
func (c *crew) end() {
	c.t.Helper()
	for _, m := range c.members {
		c.must(m.stdin.Close())
		if err := m.cmd.Wait(); err != nil {
			c.t.Errorf("a child: %v\n%s", err, m.stderr.String())
		}
	}
}
