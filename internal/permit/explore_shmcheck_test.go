//go:build shmcheck

package permit_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/permit"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// An actor of a schedule runs one step at a time, when it is told to.
type actor struct {
	slot  uint32 // that dies with it; 0: it is not killed
	f     func()
	turn  chan bool // false: to die
	done  chan struct{}
	ended bool
	dead  bool
	begun bool
	calls int
}

// schedule is one run of actors: it follows choices, and then lets the running
// actor go on as long as it can.
type schedule struct {
	actors  []*actor
	current atomic.Pointer[actor]
	choices []int
	options [][]int // at each decision: what else could be chosen
	bounds
}

type bounds struct{ switches, kills int }

// step is the hook: the running actor waits for its next turn. What comes after
// one atomic and before the next is one step.
func (s *schedule) step() {
	a := s.current.Load()
	if a == nil {
		return
	}
	if a.calls++; a.calls%2 == 0 {
		return
	}
	a.done <- struct{}{}
	if !<-a.turn {
		select {}
	}
}

// run plays one schedule. Choices are numbers of actors; those below zero kill
// the actor ^choice. After a death the last actor may start: it repairs.
func (s *schedule) run() {
	satomic.SetHook(s.step)
	defer satomic.SetHook(nil)
	left, running := s.bounds, -1
	for i := 0; ; i++ {
		able := s.able()
		if len(able) == 0 {
			return
		}
		if !slices.Contains(able, running) {
			running = able[0]
		}
		choice := running
		if i < len(s.choices) {
			choice = s.choices[i]
		} else {
			s.choices = append(s.choices, choice)
			s.options = append(s.options, s.others(able, running, left))
		}
		if choice < 0 {
			left.kills--
			s.kill(s.actors[^choice])
			continue
		}
		if choice != running {
			left.switches--
		}
		running = choice
		s.advance(s.actors[running])
	}
}

// able returns who can go on.
func (s *schedule) able() []int {
	var able []int
	deaths := slices.ContainsFunc(s.actors, func(a *actor) bool { return a.dead })
	for i, a := range s.actors {
		repairer := i == len(s.actors)-1
		if !a.ended && !a.dead && (!repairer || deaths) {
			able = append(able, i)
		}
	}
	return able
}

// others returns what could be done in place of letting running go on.
func (s *schedule) others(able []int, running int, left bounds) []int {
	var others []int
	for _, i := range able {
		if i != running && left.switches > 0 {
			others = append(others, i)
		}
		if s.actors[i].slot != 0 && s.actors[i].begun && left.kills > 0 {
			others = append(others, ^i)
		}
	}
	return others
}

func (s *schedule) advance(a *actor) {
	s.current.Store(a)
	defer s.current.Store(nil)
	if !a.begun {
		a.begun = true
		go func() {
			<-a.turn
			a.f()
			a.ended = true
			a.done <- struct{}{}
		}()
	}
	a.turn <- true
	<-a.done
}

func (s *schedule) kill(a *actor) {
	a.dead = true
	a.turn <- false
}

// explore plays every schedule within the bounds, and returns how many there are.
func explore(t *testing.T, within bounds, setup func() ([]*actor, func())) int {
	t.Helper()
	var prefix []int
	var options [][]int
	for n := 1; ; n++ {
		actors, verify := setup()
		for _, a := range actors {
			a.turn, a.done = make(chan bool), make(chan struct{})
		}
		s := &schedule{actors: actors, choices: slices.Clone(prefix), options: slices.Clone(options), bounds: within}
		s.run()
		verify()
		if t.Failed() {
			t.Fatalf("schedule %d: %v", n, s.choices)
		}
		// The next one: the last decision that has another choice takes it.
		i := len(s.options) - 1
		for i >= 0 && len(s.options[i]) == 0 {
			i--
		}
		if i < 0 {
			return n
		}
		prefix = append(slices.Clone(s.choices[:i]), s.options[i][0])
		options = slices.Clone(s.options[:i+1])
		options[i] = options[i][1:]
	}
}

// TestSiblings tries all interleavings of two goroutines of one participant and
// one of another, all of which do only what they may: nothing must fail.
func TestSiblings(t *testing.T) {
	tests := []struct {
		name    string
		permits int
		a, b, c func(p *party) error
	}{
		{
			"return, take, and another", 4,
			func(p *party) error { return p.Release(1) },
			func(p *party) error { return p.TryAcquire(2) },
			func(p *party) error { return p.Release(1) },
		},
		{
			"return, return, and another", 3,
			func(p *party) error { return p.Release(1) },
			func(p *party) error { return errors.Join(p.TryAcquire(1), p.Release(1)) },
			func(p *party) error { return errors.Join(p.Release(1), p.TryAcquire(1)) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := explore(t, bounds{switches: 3}, func() ([]*actor, func()) {
				w := newWorld(t, permit.Bounded, tt.permits, 3)
				a, b := w.join(1), w.join(2)
				mustAcquire(t, b, 1)
				mustAcquire(t, a, 1)
				fail := func(p *party, f func(p *party) error) *actor {
					return &actor{f: func() {
						if err := f(p); err != nil {
							t.Error(err)
						}
					}}
				}
				actors := []*actor{fail(a, tt.a), fail(a, tt.b), fail(b, tt.c), {f: func() {}}}
				return actors, func() {
					for _, p := range []*party{a, b} {
						if n := p.Held(); n > 0 {
							mustRelease(t, p, n)
						}
					}
					w.check(tt.permits)
				}
			})
			t.Logf("%d schedules", n)
		})
	}
}

// TestEverySchedule tries all interleavings, up to a number of switches, of two
// participants on the books of one semaphore, with one or both killed at any
// step and repaired at any time, and looks at the books after each.
func TestEverySchedule(t *testing.T) {
	take := func(p *party, n int) func() { return func() { _ = p.TryAcquire(n) } }
	give := func(p *party, n int) func() { return func() { _ = p.Release(n) } }
	pair := func(p *party) func() { return func() { _ = p.TryAcquire(1); _ = p.Release(1) } }
	tests := []struct {
		name   string
		within bounds
		a, b   func(p *party) func()
		hold   int // by each at the start
	}{
		{"take and take", bounds{3, 1}, func(p *party) func() { return take(p, 2) }, func(p *party) func() { return take(p, 2) }, 0},
		{"take and return", bounds{3, 1}, func(p *party) func() { return take(p, 1) }, func(p *party) func() { return give(p, 1) }, 1},
		{"return and return", bounds{2, 2}, func(p *party) func() { return give(p, 1) }, func(p *party) func() { return give(p, 1) }, 1},
		{"pair and pair", bounds{2, 1}, pair, pair, 0},
		{"pair and pair, two die", bounds{1, 2}, pair, pair, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := explore(t, tt.within, func() ([]*actor, func()) {
				w := newWorld(t, permit.Bounded, 3, 3)
				a, b, c := w.join(1), w.join(2), w.join(3)
				if tt.hold > 0 {
					mustAcquire(t, a, tt.hold)
					mustAcquire(t, b, tt.hold)
				}
				actors := []*actor{{slot: 1, f: tt.a(a)}, {slot: 2, f: tt.b(b)}, nil}
				actors[2] = &actor{f: func() { repairDead(w, actors) }}
				return actors, func() { verifyBooks(w, actors, []*party{a, b, c}) }
			})
			t.Logf("%d schedules", n)
			if n < 100 {
				t.Errorf("%d schedules only", n)
			}
		})
	}
}

func repairDead(w *world, actors []*actor) {
	for _, a := range actors[:2] {
		if a.dead {
			w.core.Repair(object.Dead{Slot: a.slot})
		}
	}
}

// verifyBooks repairs who died meanwhile, and has the living return what they hold.
func verifyBooks(w *world, actors []*actor, parties []*party) {
	w.t.Helper()
	for i, a := range actors[:2] {
		if a.dead {
			w.repair(a.slot)
		} else if n := parties[i].Held(); n > 0 {
			mustRelease(w.t, parties[i], n)
		}
	}
	w.check(3)
	if err := parties[2].TryAcquire(3); err != nil {
		w.t.Error(fmt.Errorf("taking all: %w", err))
	}
}

// TestExploreFindsFaults plants a lost update, and one that only a death shows.
func TestExploreFindsFaults(t *testing.T) {
	lost, stuck := 0, 0
	n := explore(t, bounds{switches: 1, kills: 1}, func() ([]*actor, func()) {
		var count, locked satomic.Uint32
		add := func() {
			locked.Store(1)
			count.Store(count.Load() + 1) // no atomic addition
			locked.Store(0)
		}
		actors := []*actor{{f: add}, {slot: 2, f: add}, {f: func() {}}}
		return actors, func() {
			dead := actors[1].dead
			if !dead && count.Load() != 2 {
				lost++
			}
			if dead && locked.Load() != 0 {
				stuck++
			}
		}
	})
	if lost == 0 || stuck == 0 {
		t.Errorf("%d lost updates and %d held locks in %d schedules, want some", lost, stuck, n)
	}
}
