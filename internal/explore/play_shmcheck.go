//go:build shmcheck

package explore

import (
	"errors"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
)

// Play is what All tries in every order. A play is made anew for each schedule,
// and does the same each time.
//
// The bodies run one at a time, in goroutines of a synctest bubble: their clock
// stands still until nobody can go on, or one calls Pass. They may block, on
// shared words (the kernel's futexes are played, too), in Until, and on channels
// of their own.
type Play struct {
	Bodies []Body
	// Repair, if not nil, runs as one more body when a participant has died, with
	// the slots of all that have. It may die too; then it begins again as another
	// body. Only one repairs at a time.
	Repair func(dead []uint32)
	// Finish, if not nil, runs when all have ended or died, alone, and returns
	// what is wrong. It may block; if it does for ever, that is a fault.
	Finish func(dead []uint32) error
	// Close, if not nil, ends at last what bodies may be blocked in that is no shared
	// word: a play in which they can be has to have it.
	Close func()
}

// Body is what one goroutine of a participant does. An error that it returns is a
// fault.
type Body struct {
	Name string
	Slot uint32 // that dies with it, and all its bodies; 0: it does not die
	Run  func() error
}

// Limits bound what All tries.
type Limits struct {
	Switches int // how often a body that could go on is stopped so that another one runs
	Kills    int // how many participants, repairers included, die
}

// Result is what All has found.
type Result struct {
	Schedules int
	Fault     error // the first one
	Trace     string
}

// All makes and plays plays until every schedule within the limits was tried, or
// one has shown a fault: those with the fewest switches come first. Only one All
// or KillAt may run at a time.
func All(t *testing.T, limits Limits, newPlay func() Play) Result {
	t.Helper()
	var result Result
	for switches := range limits.Switches + 1 {
		result = search(t, Limits{Switches: switches, Kills: limits.Kills}, newPlay)
		if result.Fault != nil || t.Failed() {
			break
		}
	}
	return result
}

// search tries every schedule within the limits, depth first.
func search(t *testing.T, limits Limits, newPlay func() Play) (result Result) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // plays are small, and gone at once
	// Only one goroutine runs at a time: with more processors, each that another one
	// hands over to would wake a thread.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, func(*testing.T) {
		var players company
		defer players.dismiss()
		result = players.search(t, limits, newPlay)
	})
	return result
}

func (c *company) search(t *testing.T, limits Limits, newPlay func() Play) Result {
	t.Helper()
	var path []decision
	for n, strayed := 1, 0; ; {
		r := newRun(newPlay(), c, limits, path)
		r.play()
		if r.strayed && strayed < mostStrayed {
			strayed++
			continue // and take the same path once more
		}
		strayed = 0
		if r.fault == nil && t.Failed() {
			r.fault = errors.New("it failed: see above")
		}
		if r.fault != nil {
			return Result{Schedules: n, Fault: r.fault, Trace: r.trace()}
		}
		if path = next(r.path); path == nil {
			return Result{Schedules: n}
		}
		n++
	}
}

// mostStrayed is how often a path is tried that turns out differently. Go's select
// takes any of several channels that are ready, so it may.
const mostStrayed = 200

// decision is a place in a schedule at which there was a choice.
type decision struct {
	chosen choice
	rest   uint32 // what is still to be tried: a bit for each choice
	all    uint32 // what there was, to see that a play is the same each time
}

// choice is a body that is to run, or, from kill on, to die.
type choice int8

const (
	none   choice = -1
	kill   choice = 16
	bodies        = int(kill) // at most
)

// next returns the path of the schedule after the one with this path, nil if it
// was the last.
func next(path []decision) []decision {
	for i := len(path) - 1; i >= 0; i-- {
		d := &path[i]
		if d.rest == 0 {
			continue
		}
		for c := range choice(2 * bodies) {
			if d.rest&(1<<c) != 0 {
				d.chosen, d.rest = c, d.rest&^(1<<c)
				return path[:i+1]
			}
		}
	}
	return nil
}
