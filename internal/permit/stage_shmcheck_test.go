//go:build shmcheck

package permit_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// TestMain runs all tests of this build without the sleepers' looking again by
// themselves, so that a lost wake-up is a hang.
func TestMain(m *testing.M) {
	wait.WithoutSlice()
	m.Run()
}

// mortal is a process that stops for ever at one of its steps, as one does that
// is killed: all its goroutines stop, and no deferred call of them runs.
type mortal struct {
	left    atomic.Int64  // steps until it dies
	half    int64         // of them
	middle  chan struct{} // closed when half of them are left
	dead    chan struct{}
	running sync.Map // goroutine: whether it has stopped
	ended   chan error
	started int
}

func newMortal(steps int) *mortal {
	m := &mortal{
		half: int64(steps) / 2, middle: make(chan struct{}), dead: make(chan struct{}), ended: make(chan error, 8),
	}
	m.left.Store(int64(steps))
	return m
}

func (m *mortal) step() {
	left := m.left.Add(-1)
	if left == m.half {
		close(m.middle)
	}
	if left == 0 {
		close(m.dead)
	}
	select {
	case <-m.dead:
		m.running.Store(goroutine(), true)
		select {}
	default:
	}
}

// mortals tells whose steps are whose.
type mortals struct{ byGoroutine sync.Map }

func (all *mortals) step() {
	if m, ok := all.byGoroutine.Load(goroutine()); ok {
		m.(interface{ step() }).step() //nolint:errcheck // nothing else is stored
	}
}

// pauser is a goroutine that stops at one of its steps until it is resumed, as
// the scheduler may stop any.
type pauser struct {
	left    int
	paused  chan struct{}
	resume  chan struct{}
	outcome chan error
}

func (p *pauser) step() {
	if p.left--; p.left == 0 {
		close(p.paused)
		<-p.resume
	}
}

// pause runs f until its given step.
func (all *mortals) pause(steps int, f func() error) *pauser {
	p := &pauser{left: steps, paused: make(chan struct{}), resume: make(chan struct{}), outcome: make(chan error, 1)}
	go func() {
		id := goroutine()
		all.byGoroutine.Store(id, p)
		err := f()
		all.byGoroutine.Delete(id)
		p.outcome <- err
	}()
	return p
}

// start runs f as a goroutine of m.
func (all *mortals) start(m *mortal, f func() error) {
	m.started++
	begun := make(chan struct{})
	go func() {
		id := goroutine()
		m.running.Store(id, false)
		all.byGoroutine.Store(id, m)
		close(begun)
		err := f()
		all.byGoroutine.Delete(id)
		m.running.Delete(id)
		m.ended <- err
	}()
	<-begun
}

// over reports whether m is dead, or has ended.
func (m *mortal) over() bool {
	select {
	case <-m.dead:
		return true
	default:
		return len(m.ended) == m.started
	}
}

// killed waits for the end of m and reports whether it died.
func (m *mortal) killed(t testing.TB) bool {
	t.Helper()
	until(t, "the victim ends", m.over)
	select {
	case <-m.dead:
		return true
	default:
		return false
	}
}

func goroutine() int64 {
	buf := make([]byte, 64)
	buf = buf[:runtime.Stack(buf, false)]
	id, _, _ := bytes.Cut(bytes.TrimPrefix(buf, []byte("goroutine ")), []byte(" "))
	n, err := strconv.ParseInt(string(id), 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// stage is the world of one scene: a and c survive, b is the victim, d another
// that may die.
type stage struct {
	*world
	mortals
	a, b, c, d *party
	victim     *mortal
	ctx        context.Context
	cancel     func()
	waiting    []<-chan error
	held       map[*party]int
}

func newStage(t testing.TB, kind, permits int) *stage {
	s := &stage{world: newWorld(t, kind, permits, 4)}
	s.a, s.b, s.c, s.d = s.join(1), s.join(2), s.join(3), s.join(4)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.held = map[*party]int{}
	satomic.SetHook(s.step)
	return s
}

// holds has p acquire n permits, until the end if it lives so long.
func (s *stage) holds(p *party, n int) {
	s.t.Helper()
	mustAcquire(s.t, p, n)
	s.held[p] += n
}

// returns has p release n of those.
func (s *stage) returns(p *party, n int) {
	s.t.Helper()
	s.held[p] -= n
	mustRelease(s.t, p, n)
}

// waits has p acquire n permits and return them, and returns when it sleeps.
func (s *stage) waits(p *party, n int) {
	done := make(chan error, 1)
	go func() {
		err := p.Acquire(context.Background(), n)
		if err == nil {
			err = p.Release(n)
		}
		done <- err
	}()
	until(s.t, "the waiter sleeps", func() bool { return p.asleep() || len(done) != 0 })
	s.waiting = append(s.waiting, done)
}

// victimSleeps returns when the victim sleeps, or is over.
func (s *stage) victimSleeps() {
	until(s.t, "the victim sleeps", func() bool { return s.victim.over() || s.b.asleep() })
}

// bury repairs the death of p; the first repairer dies at its own step steps, and
// bury reports whether it did.
func (s *stage) bury(p *party, steps int) bool {
	s.dead[p.use.Slot] = true
	repairer := newMortal(steps)
	s.start(repairer, func() error {
		s.core.Repair(object.Dead{Slot: p.use.Slot})
		s.core.Repair(object.Dead{Slot: p.use.Slot, Exited: true})
		return nil
	})
	died := repairer.killed(s.t)
	s.repair(p.use.Slot)
	return died
}

// stop waits until no goroutine of the dead m, whose side is p, does anything any
// more: those of a dead process leave the kernel at once, and execute nothing.
func (s *stage) stop(m *mortal, p *party) {
	until(s.t, "the dead stand still", func() bool {
		still := m.still()
		if !still && p.asleep() {
			s.core.WakeSleepers()
		}
		return still
	})
}

// still reports whether each goroutine of the dead m has stopped at a step, or waits
// for another one of its process, which will not come.
func (m *mortal) still() bool {
	var going []int64
	m.running.Range(func(id, stopped any) bool {
		if stopped == false {
			going = append(going, id.(int64)) //nolint:errcheck // nothing else is stored
		}
		return true
	})
	if len(going) == 0 {
		return true
	}
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	return !slices.ContainsFunc(going, func(id int64) bool {
		_, rest, there := bytes.Cut(buf, fmt.Appendf(nil, "goroutine %d [", id))
		return there && !bytes.HasPrefix(rest, []byte("select")) && !bytes.HasPrefix(rest, []byte("chan "))
	})
}

// settle lets everybody finish who lives.
func (s *stage) settle() {
	s.t.Helper()
	if !s.dead[2] {
		s.held[s.b] = s.b.Held()
	}
	for p, n := range s.held {
		if n > 0 && !s.dead[p.use.Slot] {
			mustRelease(s.t, p, n)
		}
	}
	for _, done := range s.waiting {
		if err := result(s.t, "a survivor's Acquire", done); err != nil {
			s.t.Error(err)
		}
	}
	s.cancel()
}

// asleep reports whether a goroutine of p sleeps.
func (p *party) asleep() bool {
	for i := range p.use.Board {
		if p.use.Board[i].Load() != 0 {
			return true
		}
	}
	return false
}
