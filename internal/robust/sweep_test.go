//go:build shmcheck

package robust_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// victim is a goroutine that stops for ever at its n-th step, as a process does
// that is killed: no deferred call of it runs.
type victim struct {
	id    atomic.Int64 // of the goroutine; 0: not begun
	left  atomic.Int64 // steps until it stops
	dead  chan struct{}
	ended chan error
}

// newVictim returns a victim that will stop at its n-th step.
func newVictim(n int) *victim {
	v := &victim{dead: make(chan struct{}), ended: make(chan error, 1)}
	v.left.Store(int64(n))
	return v
}

// start runs f as the victim.
func (v *victim) start(f func() error) {
	satomic.SetHook(v.step)
	go func() {
		v.id.Store(goroutine())
		err := f()
		v.id.Store(0)
		v.ended <- err
	}()
}

func (v *victim) step() {
	if v.id.Load() != goroutine() {
		return
	}
	if v.left.Add(-1) == 0 {
		close(v.dead)
		select {}
	}
}

// over reports whether the victim is dead or has ended.
func (v *victim) over() bool {
	select {
	case <-v.dead:
		return true
	default:
		return len(v.ended) != 0
	}
}

// killed waits for the victim's end, and reports whether it was its death.
func (v *victim) killed(t *testing.T) bool {
	t.Helper()
	until(t, "the victim ends", v.over)
	select {
	case <-v.dead:
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

// scene is one situation in which the victim, participant 2, dies.
type scene struct {
	name   string
	poison bool // has a meaning with robust.Poison only
	setup  func(s *stage)
	op     func(s *stage) error // what the victim does
	meet   func(s *stage)       // what others do meanwhile; may be nil
}

// stage is the world of one scene and its actors: a and the victim b act, c and d
// may wait.
type stage struct {
	*world
	t       *testing.T
	a, b    *party
	c, d, e *party
	v       *victim
	ctx     context.Context
	cancel  func()
	waiters []waiter
	repairs atomic.Int32
}

type waiter struct {
	p    *party
	done <-chan error
}

func (s *stage) fn() error { s.repairs.Add(1); return nil }

// alone is a repair by b: it does not begin after Close, which lets others in.
func (s *stage) alone() error {
	if s.b.use.Closed() {
		s.t.Error("repairs although the segment is closed")
	}
	return s.fn()
}

// waits starts a waiter, and returns when it sleeps. The victim may call it.
func (s *stage) waits(p *party, op func(context.Context) error) {
	if s.v != nil {
		id := s.v.id.Swap(0) // these steps are not its own
		defer s.v.id.Store(id)
	}
	done := async(func() error { return op(s.t.Context()) })
	s.waiters = append(s.waiters, waiter{p, done})
	until(s.t, "the waiter sleeps", func() bool { return p.asleep() || len(done) != 0 })
}

// victimWaits returns when the victim sleeps or is over.
func (s *stage) victimWaits() {
	until(s.t, "the victim sleeps", func() bool { return s.v.over() || s.b.asleep() })
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// settle lets everybody finish, and checks that the mutex works.
func (s *stage) settle() {
	s.t.Helper()
	if s.words.Word()&4095 == 1 {
		s.must(s.a.Unlock())
	}
	left := s.waiters
	for len(left) > 0 { // in whatever order they come
		i := -1
		until(s.t, fmt.Sprintf("one of %d waiters ends, word %#x", len(left), s.words.Word()), func() bool {
			for i = range left {
				if len(left[i].done) != 0 {
					return true
				}
			}
			return false
		})
		w := left[i]
		left = append(left[:i:i], left[i+1:]...)
		switch err := <-w.done; {
		case err == nil:
			if s.words.Word()&4095 == w.p.use.Slot { // Recover does not hold it
				s.must(w.p.Unlock())
			}
		case !errors.Is(err, robust.ErrPoisoned) || s.words.Word()&robust.Poisoned == 0:
			s.t.Fatalf("waiter %d: %v, word %#x", w.p.use.Slot, err, s.words.Word())
		}
	}
	if s.policy == robust.Poison {
		s.must(s.a.Recover(s.t.Context(), s.fn))
	}
	for _, p := range []*party{s.a, s.c} {
		s.must(p.Lock(s.t.Context()))
		s.must(p.Unlock())
	}
	if x := s.words.Word() &^ (robust.Sleepers | robust.Starving); x != 0 {
		s.t.Fatalf("word %#x at the end", x)
	}
	s.check()
}

// TestDeathAtEveryStep kills the victim of every scene at each of its steps.
// Sleepers do not look again by themselves here: a lost wake-up is a hang.
func TestDeathAtEveryStep(t *testing.T) {
	defer wait.WithoutSlice()()
	defer satomic.SetHook(nil)
	policies(t, func(t *testing.T, p robust.Policy) {
		for _, sc := range scenes {
			if sc.poison && p != robust.Poison {
				continue
			}
			t.Run(sc.name, func(t *testing.T) {
				steps := sweep(t, p, sc)
				if steps < 2 {
					t.Errorf("%d steps only", steps)
				}
				t.Logf("%d steps", steps)
			})
		}
	})
}

func sweep(t *testing.T, p robust.Policy, sc scene) int {
	for n := 1; ; n++ {
		s := newStage(t, p)
		sc.setup(s)
		s.v = newVictim(n)
		s.v.start(func() error { return sc.op(s) })
		if sc.meet != nil {
			sc.meet(s)
		}
		killed := s.v.killed(t)
		satomic.SetHook(nil)
		x, before := s.words.Word(), s.repairs.Load()
		switch {
		case killed:
			s.bury(2)
		case x&(4095|robust.Poisoned) == 2:
			s.must(s.b.Unlock())
		default:
			s.peers.exit(2) // it has left, if it was to
		}
		s.settle()
		s.cancel()
		if !killed {
			return n
		}
		inside := p == robust.Poison && (x&4095 == 2 || x&(4095|robust.Poisoned) == robust.Poisoned)
		repaired := s.repairs.Load() > before
		if other := x&robust.Poisoned != 0 && x&4095 > 2; !other && inside != repaired {
			t.Fatalf("step %d: word %#x at death, repaired: %v", n, x, repaired)
		}
	}
}

// TestOthersAtEveryStep has something happen between any two steps of an
// operation of b: a death, a whole critical section. (Closes are tried by
// TestProofSchedulesOfCloses, because they may have to wait for b.)
func TestOthersAtEveryStep(t *testing.T) {
	defer wait.WithoutSlice()()
	defer satomic.SetHook(nil)
	ops := map[string]func(s *stage) error{
		"lock and unlock": func(s *stage) error {
			if err := s.b.Lock(s.ctx); err != nil {
				return err
			}
			return s.b.Unlock()
		},
		"try":     func(s *stage) error { return s.b.TryLock() },
		"recover": func(s *stage) error { return s.b.Recover(s.ctx, s.alone) },
		"lock and repair": func(s *stage) error {
			if err := s.b.LockRepaired(s.ctx, s.alone); err != nil {
				return err
			}
			return s.b.Unlock()
		},
	}
	events := map[string]func(s *stage){
		"section": func(s *stage) {
			if s.a.TryLock() == nil {
				s.must(s.a.Unlock())
			}
		},
		"death": func(s *stage) {
			if s.a.TryLock() == nil {
				s.bury(1)
			}
		},
		"repair": func(s *stage) { ignore(s.a.TryLockRepaired(s.fn)); ignore(s.a.Unlock()) },
		"marks":  func(s *stage) { s.words.Mark() },
	}
	states := map[string]func(s *stage){
		"free":     func(*stage) {},
		"poisoned": func(s *stage) { s.must(s.d.Lock(s.ctx)); s.bury(4) },
	}
	policies(t, func(t *testing.T, p robust.Policy) {
		for state, setup := range states {
			for opName, op := range ops {
				for eventName, event := range events {
					between(t, p, state+", "+opName+", "+eventName, setup, op, event)
				}
			}
		}
	})
}

func between(t *testing.T, p robust.Policy, what string, setup func(*stage), op func(*stage) error, event func(*stage)) {
	t.Helper()
	for n := 1; ; n++ {
		s := newStage(t, p)
		setup(s)
		steps, happened := 0, false
		satomic.SetHook(func() {
			if steps++; steps == n {
				happened = true
				event(s)
			}
		})
		err := op(s)
		satomic.SetHook(nil)
		for _, ok := range []error{nil, fs.ErrClosed, robust.ErrPoisoned, robust.ErrNotOwner, robust.ErrLocked} {
			if errors.Is(err, ok) {
				err = nil
			}
		}
		if err != nil {
			t.Fatalf("%s: step %d: %v", what, n, err)
		}
		ignore(s.b.Unlock())
		if x := s.words.Word(); x&4095 != 0 {
			t.Fatalf("%s: step %d: word %#x at the end", what, n, x)
		}
		s.peers.exit(2)
		if p == robust.Poison {
			s.must(s.c.Recover(t.Context(), s.fn))
		}
		s.must(s.c.Lock(t.Context()))
		s.must(s.c.Unlock())
		s.check()
		s.cancel()
		if !happened {
			return
		}
	}
}

// TestRecoverPassesOn wakes one of two that wait for a repair: it must wake the
// other, since it takes nothing itself.
func TestRecoverPassesOn(t *testing.T) {
	defer wait.WithoutSlice()()
	w := newWorld(t, robust.Poison)
	w.words.Scribble(robust.Poisoned|1, 0, 1)
	var waiting []<-chan error
	for slot := range uint32(2) {
		p := w.join(slot + 2)
		waiting = append(waiting, async(func() error { return p.Recover(t.Context(), nothing) }))
		until(t, "sleeps", p.asleep)
	}
	w.words.SetWord(0)
	w.join(4).Nudge()
	for _, c := range waiting {
		want(t, "Recover", await(t, "Recover", c), nil)
	}
}

// TestLeaveRacesUnlock has a goroutine unlock, and another participant die with
// the mutex, between any two steps of the Leave of b: that one is the culprit,
// until it was repaired.
func TestLeaveRacesUnlock(t *testing.T) {
	defer satomic.SetHook(nil)
	for _, after := range []string{"poisoned", "repaired"} {
		for n, last := 1, false; !last; n++ {
			s := newStage(t, robust.Poison)
			s.must(s.b.Lock(s.ctx))
			steps, word, culprit := 0, uint32(robust.Poisoned), uint32(2)
			satomic.SetHook(func() {
				if steps++; steps != n || s.b.Unlock() != nil {
					return
				}
				s.must(s.d.Lock(s.ctx))
				s.bury(4)
				culprit = 4
				if after == "repaired" {
					s.must(s.c.Recover(s.ctx, s.fn))
					word, culprit = 0, 0
				}
			})
			robust.Leave(s.words, s.policy, 2, s.peers.Generation(2))
			satomic.SetHook(nil)
			wantWord(t, s.world, word)
			if slot, _ := s.words.Culprit(); slot != culprit {
				t.Fatalf("%s: step %d: culprit %d, want %d", after, n, slot, culprit)
			}
			s.cancel()
			last = n > steps
		}
	}
}
