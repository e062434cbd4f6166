//go:build shmcheck

package explore_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// TestAllFindsAPlantedFault proves that the tool sees what it is for: a flag that
// is published before the data.
func TestAllFindsAPlantedFault(t *testing.T) {
	for _, tt := range []struct {
		name    string
		write   func(data, ready *satomic.Uint32)
		faulty  bool
		atLeast int
	}{
		{"data first", func(data, ready *satomic.Uint32) { data.Store(7); ready.Store(1) }, false, 10},
		{"flag first", func(data, ready *satomic.Uint32) { ready.Store(1); data.Store(7) }, true, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			faults := 0
			n := explore.All(explore.Limits{Switches: 2}, func() explore.Play {
				var data, ready satomic.Uint32
				seen := uint32(7)
				return explore.Play{
					Actors: []func(){
						func() { tt.write(&data, &ready) },
						func() {
							if ready.Load() == 1 {
								seen = data.Load()
							}
						},
					},
					Verify: func([]int) {
						if seen != 7 {
							faults++
						}
					},
				}
			})
			if (faults > 0) != tt.faulty || n < tt.atLeast {
				t.Errorf("%d faults in %d schedules", faults, n)
			}
		})
	}
}

func TestAllKillsEverywhere(t *testing.T) {
	var results [3]int // how far the dead one came
	inherited := 0
	explore.All(explore.Limits{Kills: 1}, func() explore.Play {
		var w satomic.Uint32
		return explore.Play{
			Actors: []func(){func() { w.Store(1); w.Store(2) }},
			Heir:   func() { inherited++ },
			Verify: func(dead []int) {
				if len(dead) > 0 {
					results[w.Load()]++
				}
			},
		}
	})
	for came, n := range results {
		if n == 0 {
			t.Errorf("nobody died having stored %d", came)
		}
	}
	if inherited != results[0]+results[1]+results[2] {
		t.Errorf("%d heirs of %v", inherited, results)
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
