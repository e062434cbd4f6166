//go:build shmcheck

package explore

import (
	"testing"

	"github.com/shoal-ipc/shoal/internal/proof"
)

// Scene is a line of a table of plays.
type Scene struct {
	Name  string
	Quick Limits // of every run of the tests
	Full  Limits // of a full proof
	Play  func() Play
}

// Prove plays every schedule of the scenes, and reports how many there were. No
// one may show a fault.
func Prove(t *testing.T, scenes []Scene) {
	t.Helper()
	schedules := 0
	for _, sc := range scenes {
		limits := sc.Quick
		if proof.Full() {
			limits = sc.Full
		}
		t.Run(sc.Name, func(t *testing.T) {
			r := prove(t, limits, sc.Play)
			if r.Fault != nil {
				t.Fatalf("schedule %d: %v\n%s", r.Schedules, r.Fault, r.Trace)
			}
			t.Logf("%d schedules, up to %d switches and %d deaths", r.Schedules, limits.Switches, limits.Kills)
			schedules += r.Schedules
		})
	}
	proof.Report(t, proof.Exploration, proof.Count{N: schedules, Unit: "schedules"}, proof.Count{N: len(scenes), Unit: "scenes"})
}

// prove is All in one search, as long as there is no fault: a schedule with few
// switches is not played again for each larger number of them.
func prove(t *testing.T, limits Limits, newPlay func() Play) Result {
	t.Helper()
	r := search(t, limits, newPlay)
	if r.Fault == nil || t.Failed() {
		return r
	}
	if shortest := All(t, limits, newPlay); shortest.Fault != nil {
		return shortest
	}
	return r
}

// MustFind plays every schedule of a play with a planted fault, which one of them
// has to show.
func MustFind(t *testing.T, limits Limits, newPlay func() Play) {
	t.Helper()
	r := All(t, limits, newPlay)
	if r.Fault == nil {
		t.Errorf("the planted fault was not found in %d schedules", r.Schedules)
		return
	}
	t.Logf("schedule %d: %v\n%s", r.Schedules, r.Fault, r.Trace)
}
