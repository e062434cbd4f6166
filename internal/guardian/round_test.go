//go:build linux

package guardian_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/guardian"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// TestRoundPassesNobodyBy has a round of looks for no reason in which the second
// look waits: what happens meanwhile to the first, during and after its look, and
// to the third, which the round has not come to, is seen all the same.
func TestRoundPassesNobodyBy(t *testing.T) {
	r := guardian.NewRegistry(rare)
	words := make([]satomic.Uint32, 3)
	first, second, third := newFake(&words[0]), newFake(&words[1]), newFake(&words[2])
	inRound := false // only one look of the first, or of the second, runs at a time
	first.during = func() {
		if inRound = !inRound; inRound {
			change(&words[0])
			for range 50 {
				runtime.Gosched() // the watcher may see it before this look is over, or not
			}
		}
	}
	second.before = func() {
		first.await(t) // that of the round
		first.await(t) // that of the change
		change(&words[2])
		third.await(t)
		r.Rest(third)
	}
	for _, f := range []*fake{first, second, third} {
		defer r.Watch(f)()
	}
	for range 200 {
		r.RoundNow()
		second.await(t)
		third.await(t) // that of the round
	}
	for _, f := range []*fake{first, second, third} {
		if f.overlap.Load() || len(f.looks) != 0 {
			t.Errorf("looks at once: %v, looks for no reason: %d", f.overlap.Load(), len(f.looks))
		}
	}
}

// TestRoundsTogether compares the times of two watchers' rounds: were they not the
// same, an idle process would wake up more often than it must.
func TestRoundsTogether(t *testing.T) {
	r := guardian.NewRegistry(20 * time.Millisecond)
	fakes := make([]*fake, guardian.WatchedEach+1)
	for i := range fakes {
		fakes[i] = newFake()
		defer r.Watch(fakes[i])()
	}
	for range 5 {
		fakes[0].await(t)
		fakes[len(fakes)-1].await(t)
		if due := r.Due(); len(due) != 2 || due[0].Sub(due[1]).Abs() > 0 && due[0].Sub(due[1]).Abs() < 15*time.Millisecond {
			t.Errorf("the next rounds are at %v", due)
		}
	}
}

// TestRoundStop stops everything while a round runs.
func TestRoundStop(t *testing.T) {
	r := guardian.NewRegistry(rare)
	inside := make(chan bool)
	first, second := newFake(), newFake()
	first.during = func() { inside <- true; <-inside }
	stopFirst, stopSecond := r.Watch(first), r.Watch(second)
	r.RoundNow()
	<-inside
	stopFirst()
	stopSecond()
	inside <- true
	first.await(t)
	awaitNoWatchers(t, r)
	if len(second.looks) != 0 {
		t.Error("looked after stop")
	}
}
