//go:build linux

package linear

import (
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/proof"
)

func kinds() []kind {
	return []kind{
		valueKind(), atomicKind(), mutexKind(), tableMutexKind(), semaphoreKind(), queueKind(), mapKind(), eventKind(),
		rwKind(), tableKind(), arrayKind(), barrierKind(), conditionKind(), pipeKind(), bytesKind(),
	}
}

func kindNamed(name string) (kind, bool) {
	for _, k := range append(kinds(), broken()...) {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

// roundsOfCrew is how many objects a crew works on, one after the other.
const roundsOfCrew = 40

// TestProofLinear checks the histories of every kind of object.
func TestProofLinear(t *testing.T) {
	var sum tally
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			budget := 700 * time.Millisecond
			if proof.Full() {
				budget = 5 * time.Second
			}
			for end := time.Now().Add(budget); ; {
				c := run(t, k, end)
				sum.add(c)
				if time.Now().After(end) || t.Failed() {
					break
				}
			}
		})
	}
	proof.Report(t, proof.Linearizability,
		proof.Count{N: sum.operations, Unit: "operations"},
		proof.Count{N: sum.histories, Unit: "histories"},
		proof.Count{N: sum.kills, Unit: "kills"})
}

func (s *tally) add(o tally) {
	s.operations += o.operations
	s.histories += o.histories
	s.kills += o.kills
}

// run has a crew work until end, but at least once with a kill and once without.
func run(t *testing.T, k kind, end time.Time) tally {
	t.Helper()
	c := newCrew(t, k)
	for i := range roundsOfCrew {
		check(t, k, c.play(i%3))
		if t.Failed() || i >= 2 && time.Now().After(end) {
			break
		}
	}
	c.end()
	return c.count
}
