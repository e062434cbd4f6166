//go:build shmcheck

package explore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// does is a body without errors.
func does(f func()) func() error { return func() error { f(); return nil } }

func TestAllKillsEverywhere(t *testing.T) {
	var results [3]int // how far the dead one came
	repaired := 0
	r := explore.All(t, explore.Limits{Kills: 1}, func() explore.Play {
		var w satomic.Uint32
		return explore.Play{
			Bodies: []explore.Body{{Name: "a", Slot: 1, Run: does(func() { w.Store(1); w.Store(2) })}},
			Repair: func(dead []uint32) {
				repaired++
				if len(dead) != 1 || dead[0] != 1 {
					t.Errorf("%d died", dead)
				}
			},
			Finish: func(dead []uint32) error {
				if len(dead) > 0 {
					results[w.Load()]++
				}
				return nil
			},
		}
	})
	if r.Fault != nil {
		t.Fatal(r.Fault, r.Trace)
	}
	if want := [3]int{1, 1, 0}; results != want || repaired != 2 || r.Schedules != 3 {
		t.Errorf("died %d, %d repairs in %d schedules", results, repaired, r.Schedules)
	}
}

// TestRepairersDie has each repairer followed by another one that does all of it.
func TestRepairersDie(t *testing.T) {
	most := 0
	r := explore.All(t, explore.Limits{Kills: 3}, func() explore.Play {
		var w, done satomic.Uint32
		begun := 0
		return explore.Play{
			Bodies: []explore.Body{{Name: "a", Slot: 1, Run: does(func() { w.Store(1) })}},
			Repair: func([]uint32) { begun++; w.Store(0); done.Store(1) },
			Finish: func(dead []uint32) error {
				most = max(most, begun)
				if len(dead) > 0 && done.Load() == 0 {
					return errors.New("not repaired")
				}
				return nil
			},
		}
	})
	if r.Fault != nil || most != 3 {
		t.Errorf("%v: %d repairers: %s", r.Fault, most, r.Trace)
	}
}

// TestAllSwitchesEverywhere counts the orders of two bodies of two steps each.
func TestAllSwitchesEverywhere(t *testing.T) {
	for switches, want := range []int{2, 4, 6, 6} {
		seen := map[string]bool{}
		r := explore.All(t, explore.Limits{Switches: switches}, func() explore.Play {
			var w satomic.Uint32
			order := ""
			body := func(name string) explore.Body {
				return explore.Body{Name: name, Run: does(func() {
					w.Add(1)
					order += name
					w.Add(1)
					order += name
				})}
			}
			return explore.Play{
				Bodies: []explore.Body{body("a"), body("b")},
				Finish: func([]uint32) error { seen[order] = true; return nil },
			}
		})
		if r.Fault != nil || len(seen) != want {
			t.Errorf("%d switches: %v, orders %v", switches, r.Fault, seen)
		}
	}
}

// sleeper is the side of one participant of a word to sleep on.
type sleeper struct {
	point *wait.Point
	party *wait.Party
}

func newSleeper(w *satomic.Uint32) sleeper {
	return sleeper{wait.NewPoint(w, 0), wait.NewParty()}
}

func (s sleeper) sleep(ctx context.Context, want uint32) error {
	if err := s.point.Enter(ctx, s.party); err != nil {
		return err
	}
	defer s.point.Leave()
	return s.point.Sleep(ctx, s.party, want, wait.Slice)
}

// TestSleepersOfOneProcess has two bodies sleep on one point, of which one waits
// at the gate in Go.
func TestSleepersOfOneProcess(t *testing.T) {
	r := explore.All(t, explore.Limits{Switches: 2}, func() explore.Play {
		var w satomic.Uint32
		s := newSleeper(&w)
		sleep := func() error {
			for w.Load() == 0 {
				if err := s.sleep(context.Background(), 0); err != nil {
					return err
				}
			}
			return nil
		}
		return explore.Play{Bodies: []explore.Body{
			{Name: "first", Run: sleep},
			{Name: "second", Run: sleep},
			{Name: "waker", Run: does(func() { w.Store(1); s.point.Wake(1) })},
		}, Close: s.party.Close}
	})
	if r.Fault != nil || r.Schedules < 20 {
		t.Errorf("schedule %d: %v: %s", r.Schedules, r.Fault, r.Trace)
	}
}

// TestSleepsEnd ends a sleep in every way.
func TestSleepsEnd(t *testing.T) {
	for _, how := range []string{"cancel", "close", "time"} {
		t.Run(how, func(t *testing.T) {
			r := explore.All(t, explore.Limits{Switches: 2}, func() explore.Play {
				var w satomic.Uint32
				s := newSleeper(&w)
				ctx, cancel := context.WithCancel(context.Background())
				limit := time.Hour
				end := map[string]func(){"cancel": cancel, "close": s.party.Close, "time": func() {}}[how]
				if how == "time" {
					limit = time.Millisecond
				}
				return explore.Play{Bodies: []explore.Body{
					{Name: "sleeper", Run: func() error {
						err := s.point.Sleep(ctx, s.party, 0, limit)
						cancel()
						if (err == nil) != (how == "time") {
							return fmt.Errorf("ended with %w", err)
						}
						return nil
					}},
					{Name: "ender", Run: does(func() { w.Load(); end() })},
				}}
			})
			if r.Fault != nil {
				t.Errorf("schedule %d: %v: %s", r.Schedules, r.Fault, r.Trace)
			}
		})
	}
}

func TestKillAt(t *testing.T) {
	var w satomic.Uint32
	deferred := 0
	f := func() {
		defer func() { deferred++ }()
		w.Store(1)
		w.Store(2)
	}
	for n, want := range []uint32{1: 0, 2: 1, 3: 1, 4: 2} {
		w.Store(0)
		if n > 0 && (!explore.KillAt(n, f) || w.Load() != want) {
			t.Errorf("killed at step %d: %d, want %d", n, w.Load(), want)
		}
	}
	if deferred != 0 {
		t.Error("a dead goroutine ran its deferred calls")
	}
	if explore.KillAt(5, f) || deferred != 1 {
		t.Error("killed after its end")
	}
}

// TestPlaysThatStray has a body choose between two channels that are ready, as
// select does: a path that turns out differently is taken once more.
func TestPlaysThatStray(t *testing.T) {
	r := explore.All(t, explore.Limits{Switches: 1}, func() explore.Play {
		var w satomic.Uint32
		a, b := make(chan bool), make(chan bool)
		close(a)
		close(b)
		return explore.Play{Bodies: []explore.Body{
			{Name: "chooser", Run: does(func() {
				select {
				case <-a:
				case <-b:
					w.Add(1)
					w.Add(1)
				}
				w.Add(1)
			})},
			{Name: "other", Run: does(func() { w.Add(1) })},
		}}
	})
	if r.Fault != nil || r.Schedules < 4 {
		t.Errorf("schedule %d: %v: %s", r.Schedules, r.Fault, r.Trace)
	}
}
