//go:build shmcheck

package explore

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// run is one schedule: it follows the path of decisions made before, and then
// lets the body that runs go on as long as it can.
type run struct {
	Play
	players *company
	actors  []*actor
	left    Limits
	path    []decision
	at      int // in path

	current *actor // the one that runs, or would if nobody chose another one
	pending choice // what current has decided at its step
	careful bool   // somebody is blocked in Go, and may go on while current runs
	alone   bool   // Finish runs
	looking bool   // what somebody waits for in Until is looked at
	steps   int
	fault   error
	strayed bool  // from the path: the play was not the same as before
	ending  bool  // nobody is to go on
	told    []leg // the trace

	mu       sync.Mutex
	sleepers []*actor // in the order in which they fell asleep
}

// mostSteps is what no schedule needs.
const mostSteps = 100_000

func newRun(p Play, by *company, limits Limits, path []decision) *run {
	r := &run{Play: p, players: by, left: limits, path: path, pending: none}
	for _, b := range p.Bodies {
		r.actors = append(r.actors, newActor(b))
	}
	return r
}

// play runs the schedule to its end.
func (r *run) play() {
	playing.Store(r)
	satomic.SetHookBefore(r.step)
	wait.SetKernel(r)
	again := wait.WithoutSlice()
	defer func() {
		again()
		wait.SetKernel(nil)
		satomic.SetHook(nil)
		playing.Store(nil)
	}()
	r.loop()
	if r.fault == nil {
		r.checkEnds()
	}
	if r.fault == nil && r.Finish != nil {
		r.finish()
	}
	r.unwind()
	// What timers there are of clocks that tick run out: they would keep the play.
	elapse(time.Second)
}

func (r *run) loop() {
	for r.fault == nil {
		c := r.pending
		if r.pending = none; c == none {
			c = r.choose(r.current)
		}
		switch {
		case c == none:
			if !r.passUntilAble() {
				return
			}
		case c >= kill:
			r.kill(r.actors[c-kill])
		default:
			r.resume(r.actors[c])
		}
	}
}

// choose returns what to do next: by the path, or, beyond it, let current go on,
// or the first one that is able to if it cannot.
func (r *run) choose(current *actor) choice {
	first, rest := none, uint32(0)
	for i, a := range r.actors {
		switch {
		case a == current:
			first = choice(i)
		case !r.able(a):
		case current == nil && first == none:
			first = choice(i)
		case current == nil || r.left.Switches > 0:
			rest |= 1 << i
		}
		if r.left.Kills > 0 && a.mortal() && (a == current || a.woken) && !r.alone {
			rest |= 1 << (kill + choice(i))
		}
	}
	if rest == 0 {
		return first
	}
	all := rest | 1<<first
	if r.at == len(r.path) {
		r.path = append(r.path, decision{chosen: first, rest: rest, all: all})
	}
	d := r.path[r.at]
	if r.at++; d.all != all {
		r.strayed = true
		r.fault = fmt.Errorf("not the same play as before: choices %b, were %b", all, d.all)
		return first
	}
	return d.chosen
}

// resume lets a go on to its next step, or to where it blocks.
func (r *run) resume(a *actor) {
	if r.current != nil && r.current != a {
		r.left.Switches--
	}
	r.current = a
	before := r.steps
	a.proceed(r)
	r.settle()
	how := ""
	if r.current == nil {
		how = a.status.String()
	}
	r.told = append(r.told, leg{a.Name, r.steps - before, how})
}

// settle waits until everybody rests.
func (r *run) settle() {
	synctest.Wait()
	r.careful = false
	for _, a := range r.actors {
		if a.status == active || a.status == blocked {
			a.status = blocked
			r.careful = true
			if r.Close == nil && r.fault == nil {
				r.fault = fmt.Errorf("%s is blocked in Go, and there is no Close", a.Name)
			}
		}
	}
	if a := r.current; a != nil && a.status == passing {
		elapse(a.pass)
		a.status = ready
		r.expire()
	}
	if a := r.current; a != nil && (a.status != ready || a.dead) {
		r.current = nil
	}
	if r.steps > mostSteps {
		r.fault = errors.New("it runs on for ever")
	}
}

// kill ends a, and all bodies of its participant.
func (r *run) kill(a *actor) {
	r.left.Kills--
	for _, b := range r.actors {
		if b == a || b.Slot == a.Slot && a.Slot != 0 {
			r.told = append(r.told, leg{b.Name, 0, "dies"})
			r.end(b)
		}
	}
	r.beginRepair()
}

// end has a go no further. It leaves by a panic, on which nothing of what it has
// deferred touches shared memory.
func (r *run) end(a *actor) {
	a.dead = true
	r.forget(a)
	if a.status == over || a.status == blocked {
		return
	}
	current := r.current
	r.current = a
	a.proceed(r)
	synctest.Wait()
	if r.current = current; current == a {
		r.current = nil
	}
}

// beginRepair adds a repairer if there is work for one and none at it.
func (r *run) beginRepair() {
	left := r.deadSlots()
	if r.Repair == nil {
		return
	}
	for _, a := range r.actors {
		switch {
		case !a.repairs || a.dead:
		case a.status != over:
			return // it is followed by another one if need be
		default:
			left = slices.DeleteFunc(left, func(slot uint32) bool { return slices.Contains(a.slots, slot) })
		}
	}
	if len(left) == 0 || len(r.actors) == bodies {
		return
	}
	a := newActor(Body{Name: "repair", Run: func() error { r.Repair(left); return nil }})
	a.repairs, a.slots = true, left
	r.actors = append(r.actors, a)
}

func (r *run) deadSlots() []uint32 {
	var dead []uint32
	for _, a := range r.actors {
		if a.dead && a.Slot != 0 && !slices.Contains(dead, a.Slot) {
			dead = append(dead, a.Slot)
		}
	}
	return dead
}

// checkEnds finds who hangs.
func (r *run) checkEnds() {
	for _, a := range r.actors {
		if a.status != over && !a.dead {
			r.fault = fmt.Errorf("%s hangs: it is %s, and nobody will wake it", a.Name, a.status)
		}
	}
}

// finish runs Finish as the only body.
func (r *run) finish() {
	r.alone, r.current = true, nil
	dead := r.deadSlots()
	a := newActor(Body{Name: "finish", Run: func() error { return r.Finish(dead) }})
	r.actors = append(r.actors, a)
	for a.status != over {
		r.resume(a)
		if a.status != over && !r.able(a) && !r.passUntilAble() {
			break
		}
	}
	if r.fault == nil {
		r.checkEnds()
	}
}

// unwind ends everybody who has not ended.
func (r *run) unwind() {
	r.ending = true
	for range r.actors {
		for _, a := range r.actors {
			r.end(a)
		}
	}
	if r.Close != nil {
		r.Close()
		synctest.Wait()
	}
}
