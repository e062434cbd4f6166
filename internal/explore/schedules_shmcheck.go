//go:build shmcheck

package explore

import (
	"slices"
	"sync/atomic"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Play is what All tries in every order. Each of Actors runs in a goroutine of
// its own, one of them at a time; none may wait for another.
type Play struct {
	Actors []func()
	// Heir, if not nil, is the last actor, and runs only after a death.
	Heir func()
	// Verify is called when every actor has ended or died, with those that died.
	Verify func(dead []int)
}

// Limits bound what All tries.
type Limits struct {
	Switches int // how often an actor is stopped so that another one runs
	Kills    int // how often an actor, not the heir, dies
}

// All makes and runs plays until every schedule within the limits was tried, and
// returns how many there were.
func All(limits Limits, newPlay func() Play) int {
	var choices []int
	for n := 1; ; n++ {
		p := newPlay()
		r := newRun(p, limits, choices)
		dead := r.play()
		p.Verify(dead)
		choices = r.next()
		if choices == nil {
			return n
		}
	}
}

// run is one schedule: it follows the choices made before, and then lets the
// actor that runs go on as long as it can.
type run struct {
	actors  []*actor
	heir    int // index, or -1
	left    Limits
	choices []int
	others  [][]int // what else could have been chosen, for each of choices

	current atomic.Pointer[actor] // the one that runs, while one does
}

type actor struct {
	f             func()
	turn          chan bool // false: die
	pause         chan bool // true: it has ended
	begun         bool
	ended, killed bool
}

func newRun(p Play, limits Limits, choices []int) *run {
	r := &run{heir: -1, left: limits, choices: choices}
	for _, f := range p.Actors {
		r.actors = append(r.actors, &actor{f: f, turn: make(chan bool), pause: make(chan bool)})
	}
	if p.Heir != nil {
		r.heir = len(r.actors)
		r.actors = append(r.actors, &actor{f: p.Heir, turn: make(chan bool), pause: make(chan bool)})
	}
	return r
}

// step is the hook: an actor waits for its next turn.
func (r *run) step() {
	a := r.current.Load()
	a.pause <- false
	if !<-a.turn {
		select {}
	}
}

func (r *run) play() (dead []int) {
	satomic.SetHook(r.step)
	defer satomic.SetHook(nil)
	running := -1
	for i := 0; ; i++ {
		able := r.able()
		if len(able) == 0 {
			break
		}
		if !slices.Contains(able, running) {
			running = able[0]
		}
		if i == len(r.choices) {
			r.choices = append(r.choices, running)
		}
		r.others = append(r.others, r.alternatives(able, running))
		choice := r.choices[i]
		if choice < 0 { // it kills actor ^choice
			r.left.Kills--
			r.actors[^choice].killed = true
			r.actors[^choice].turn <- false
			continue
		}
		if choice != running {
			r.left.Switches--
		}
		running = choice
		r.advance(r.actors[running])
	}
	for i, a := range r.actors {
		if a.killed {
			dead = append(dead, i)
		}
	}
	return dead
}

// able returns who can take a step.
func (r *run) able() []int {
	var able []int
	died := slices.ContainsFunc(r.actors, func(a *actor) bool { return a.killed })
	for i, a := range r.actors {
		if !a.ended && !a.killed && (i != r.heir || died) {
			able = append(able, i)
		}
	}
	return able
}

// alternatives returns what could be chosen in place of running, in an order that
// is always the same.
func (r *run) alternatives(able []int, running int) []int {
	var others []int
	for _, i := range able {
		if i != running && r.left.Switches > 0 {
			others = append(others, i)
		}
	}
	for _, i := range able {
		if i != r.heir && r.actors[i].begun && r.left.Kills > 0 {
			others = append(others, ^i)
		}
	}
	return others
}

func (r *run) advance(a *actor) {
	r.current.Store(a)
	if a.begun {
		a.turn <- true
	} else {
		a.begun = true
		go func() {
			a.f()
			a.pause <- true
		}()
	}
	a.ended = <-a.pause
}

// next returns the choices of the schedule after this one, nil if it was the last.
// A place in the schedule tries its alternatives in order after its first choice.
func (r *run) next() []int {
	for i, choice := range slices.Backward(r.choices) {
		at := slices.Index(r.others[i], choice) // -1: the first choice, to go on
		if at+1 < len(r.others[i]) {
			return append(slices.Clone(r.choices[:i]), r.others[i][at+1])
		}
	}
	return nil
}
