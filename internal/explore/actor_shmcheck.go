//go:build shmcheck

package explore

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// playing is the schedule that is played.
var playing atomic.Pointer[run] //nolint:gochecknoglobals // there is one satomic hook, so one run

type status uint8

const (
	fresh status = iota
	ready
	active
	asleep
	passing
	waiting
	blocked
	over
)

func (s status) String() string {
	return [...]string{
		"not begun", "at a step", "running", "asleep", "letting time pass", "waiting for a condition", "blocked in Go", "over",
	}[s]
}

// actor is a body and how far it has come.
type actor struct {
	Body
	repairs bool
	slots   []uint32 // whose deaths it repairs
	player  *player  // once it has begun
	status  status
	dead    bool
	woken   bool // from sleep, and has not run since

	until    func() bool   // waiting: for this
	pass     time.Duration // passing
	point    *wait.Point   // asleep: here
	word     *satomic.Uint32
	deadline time.Time // zero: none
}

func newActor(b Body) *actor { return &actor{Body: b, status: fresh} }

// able reports whether a can take a step.
func (r *run) able(a *actor) bool {
	switch a.status {
	case fresh, ready:
		return !a.dead
	case waiting:
		r.looking = true
		defer func() { r.looking = false }()
		return !a.dead && a.until()
	}
	return false
}

// mortal reports whether a can die.
func (a *actor) mortal() bool {
	return (a.Slot != 0 || a.repairs) && !a.dead && a.status != over && a.status != fresh
}

// death is what a dead body panics with.
type death struct{}

// proceed lets a go on in its own goroutine.
func (a *actor) proceed(r *run) {
	begun := a.status != fresh
	a.status, a.woken = active, false
	switch {
	case begun:
		a.player.turn <- struct{}{}
	case a.dead:
		a.status = over
	default:
		r.players.play(r, a)
	}
}

// live is the body from its beginning to its end.
func (a *actor) live(r *run) {
	ended := false
	defer func() {
		switch p := recover(); {
		case p != nil && p != any(death{}):
			r.fault = fmt.Errorf("%s panics: %v\n%s", a.Name, p, debug.Stack())
		case !ended && !a.dead && r.fault == nil:
			r.fault = fmt.Errorf("%s: see above", a.Name)
		}
		a.status = over
		if a.repairs && !a.dead {
			r.beginRepair() // for those that died meanwhile
		}
	}()
	if err := a.Run(); err != nil && !a.dead {
		r.fault = fmt.Errorf("%s: %w", a.Name, err)
	}
	ended = true
}

// park rests until a is to go on.
func (a *actor) park(s status) {
	a.status = s
	<-a.player.turn
	if a.dead {
		panic(death{})
	}
}

// self returns the body that calls, nil if none does.
func (r *run) self() *actor {
	if !r.careful {
		return r.current
	}
	id := goroutine()
	for _, a := range r.actors {
		if a.player != nil && a.player.id == id && a.status != over {
			return a
		}
	}
	return r.current
}

// step is the hook: it runs before each step.
func (r *run) step() {
	if r.looking {
		return
	}
	a := r.stepper()
	if a == nil {
		return
	}
	if r.steps++; r.careful || r.steps > mostSteps {
		a.park(ready) // who else may go on is settled first
		return
	}
	if r.alone {
		return
	}
	c := r.choose(a)
	if c >= 0 && c < kill && r.actors[c] == a {
		return
	}
	r.pending = c
	a.park(ready)
}

// stepper is self, but it does not return if that one is dead.
func (r *run) stepper() *actor {
	a := r.self()
	if r.ending || a != nil && a.dead {
		panic(death{})
	}
	return a
}

// Until blocks the calling body until ok returns true, which must depend only on
// what bodies do. Outside of a play it returns when ok does.
func Until(ok func() bool) {
	r := playing.Load()
	if r == nil {
		for !ok() {
			runtime.Gosched()
		}
		return
	}
	a := r.stepper()
	a.until = ok
	for a.status = waiting; !r.able(a); a.status = waiting {
		a.park(waiting)
	}
	a.status = active
}

// Pass is a step of the calling body, in which time passes.
func Pass(d time.Duration) {
	a := playing.Load().stepper()
	a.pass = d
	a.park(passing)
}
