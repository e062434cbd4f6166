//go:build shmcheck

package permit_test

import (
	"flag"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/internal/permit"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// TestDeathAtEveryStep kills the victim of every scene at each of its steps, and
// whoever repairs it at each of his. A lost
// wake-up is a hang here.
func TestDeathAtEveryStep(t *testing.T) {
	defer satomic.SetHook(nil)
	for kind, scenes := range map[int][]scene{permit.Bounded: boundedScenes, permit.Signal: signalScenes} {
		for _, sc := range scenes {
			sc.kind = kind
			t.Run(map[int]string{permit.Bounded: "bounded/", permit.Signal: "signal/"}[kind]+sc.name, func(t *testing.T) {
				steps, worlds := sweep(t, sc)
				t.Logf("%d steps, %d with those of repairers", steps, worlds)
				if steps < 3 {
					t.Errorf("%d steps only", steps)
				}
			})
		}
	}
}

// repairSteps is how many of the repairer's steps are left out between two at
// which it dies: they are others for the victim's next step, so that a sweep
// tries each several times.
var repairSteps = flag.Int("repairsteps", 16, "try each n-th step of the repairer")

// sweep returns how many steps the victim has, and how often the scene was played.
func sweep(t *testing.T, sc scene) (steps, plays int) {
	for {
		steps++
		stride := *repairSteps
		if testing.Short() {
			stride *= 8
		}
		for r := 1 + steps%stride; ; r += stride {
			plays++
			killed, repairerKilled := play(t, sc, steps, r)
			if t.Failed() {
				t.Fatalf("victim's step %d, repairer's step %d", steps, r)
			}
			if !killed {
				return steps, plays
			}
			if !repairerKilled {
				break
			}
		}
	}
}

func play(t *testing.T, sc scene, steps, repairerSteps int) (killed, repairerKilled bool) {
	s := newStage(t, sc.kind, sc.permits)
	defer s.cancel()
	if sc.setup != nil {
		sc.setup(s)
	}
	s.victim = newMortal(steps)
	s.start(s.victim, func() error { return sc.op(s) })
	if sc.meet != nil {
		sc.meet(s)
	}
	if killed = s.victim.killed(t); killed {
		s.stop(s.victim, s.b)
		repairerKilled = s.bury(s.b, repairerSteps)
	}
	for len(s.victim.ended) > 0 {
		if err := <-s.victim.ended; err != nil && !killed {
			t.Errorf("the victim ended with %v", err)
		}
	}
	s.settle()
	if sc.kind == permit.Bounded {
		s.check(sc.permits)
		return killed, repairerKilled
	}
	if n := s.free(); !slices.Contains(sc.ends, n) {
		t.Errorf("%d permits at the end, want one of %d", n, sc.ends)
	}
	s.check(s.free())
	return killed, repairerKilled
}

// TestTwoDeaths kills two participants, each at its steps, before either is
// repaired: one in an operation on the books, the other in another.
func TestTwoDeaths(t *testing.T) {
	defer satomic.SetHook(nil)
	ops := map[string]func(p *party) error{
		"take":   func(p *party) error { return p.TryAcquire(2) },
		"return": func(p *party) error { return p.Release(1) },
		"gather": func(p *party) error { return p.TryAcquire(260) },
	}
	for first, f := range ops {
		for second, g := range ops {
			t.Run(first+" then "+second, func(t *testing.T) {
				for n := 1; ; n += 2 {
					m := 1
					for ; twoDie(t, f, g, n, m); m += 3 {
						if t.Failed() {
							t.Fatalf("steps %d and %d", n, m)
						}
					}
					if m == 1 {
						break // the first has no such step
					}
				}
			})
		}
	}
}

// twoDie reports whether both died.
func twoDie(t *testing.T, f, g func(p *party) error, n, m int) bool {
	s := newStage(t, permit.Bounded, 600)
	defer s.cancel()
	mustAcquire(t, s.b, 2)
	mustAcquire(t, s.d, 3)
	s.holds(s.a, 1)
	b, d := newMortal(n), newMortal(m)
	s.start(b, func() error { return f(s.b) })
	died := b.killed(t)
	s.start(d, func() error { return g(s.d) })
	died = d.killed(t) && died
	s.waits(s.c, 598)
	s.dead[2], s.dead[4] = true, true
	s.bury(s.d, 1+(n+m)%31)
	s.bury(s.b, 1+(n+2*m)%31)
	s.settle()
	s.check(600)
	return died
}
