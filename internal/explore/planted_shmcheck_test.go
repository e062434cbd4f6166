//go:build shmcheck

package explore_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// planted has small algorithms as they should be, and with a fault that only some
// schedules show.
var planted = []struct {
	name           string
	limits         explore.Limits
	sound, planted func() explore.Play
}{
	{
		"publish before write",
		explore.Limits{Switches: 2},
		func() explore.Play {
			return publishing(func(data, ready *satomic.Uint32) { data.Store(7); ready.Store(1) })
		},
		func() explore.Play {
			return publishing(func(data, ready *satomic.Uint32) { ready.Store(1); data.Store(7) })
		},
	},
	{
		"lost wake-up",
		explore.Limits{Switches: 2},
		func() explore.Play {
			return waking(func(flag, word *satomic.Uint32) uint32 { flag.Store(1); return word.Load() })
		},
		func() explore.Play {
			return waking(func(flag, word *satomic.Uint32) uint32 { x := word.Load(); flag.Store(1); return x })
		},
	},
	{
		"wake-up dies with the woken",
		explore.Limits{Switches: 1, Kills: 1},
		func() explore.Play {
			return baton(func(word *satomic.Uint32, s sleeper) { word.Add(1); s.point.Wake(2) })
		},
		func() explore.Play { return baton(func(*satomic.Uint32, sleeper) {}) },
	},
	{
		"repair that frees a live slot",
		explore.Limits{Switches: 2, Kills: 1},
		func() explore.Play {
			return owning(func(owner *satomic.Uint32, dead uint32) { owner.CompareAndSwap(dead, 0) })
		},
		func() explore.Play {
			return owning(func(owner *satomic.Uint32, dead uint32) {
				if owner.Load() == dead || owner.Load() != 0 {
					owner.Store(0)
				}
			})
		},
	},
	{
		"repair that decides on what it saw",
		explore.Limits{Switches: 2, Kills: 1},
		func() explore.Play {
			return owning(func(owner *satomic.Uint32, dead uint32) { owner.CompareAndSwap(dead, 0) })
		},
		func() explore.Play {
			return owning(func(owner *satomic.Uint32, dead uint32) {
				if x := owner.Load(); x == dead || x == 0 {
					owner.Store(0)
				}
			})
		},
	},
	{
		"repair that a death leaves half done",
		explore.Limits{Switches: 0, Kills: 2},
		func() explore.Play {
			return counting(func(owner, free *satomic.Uint32) {
				if x := owner.Load(); x != 0 {
					free.Store(1)
					owner.Store(0)
				}
			})
		},
		func() explore.Play {
			return counting(func(owner, free *satomic.Uint32) {
				if owner.Swap(0) != 0 {
					free.Store(1)
				}
			})
		},
	},
}

// TestProofFindsPlantedFaults shows that exploring finds what it is for.
func TestProofFindsPlantedFaults(t *testing.T) {
	for _, tt := range planted {
		t.Run(tt.name, func(t *testing.T) {
			if r := explore.All(t, tt.limits, tt.sound); r.Fault != nil {
				t.Errorf("the sound one: schedule %d: %v: %s", r.Schedules, r.Fault, r.Trace)
			}
			explore.MustFind(t, tt.limits, tt.planted)
		})
	}
}

func publishing(write func(data, ready *satomic.Uint32)) explore.Play {
	var data, ready satomic.Uint32
	return explore.Play{Bodies: []explore.Body{
		{Name: "writer", Run: does(func() { write(&data, &ready) })},
		{Name: "reader", Run: func() error {
			if ready.Load() == 1 && data.Load() != 7 {
				return fmt.Errorf("ready, but the data is %d", data.Load())
			}
			return nil
		}},
	}}
}

// waking has one body wait until word is 1, and another one wake it if it finds
// the flag. announce says that the caller is about to sleep, and returns word.
func waking(announce func(flag, word *satomic.Uint32) uint32) explore.Play {
	var flag, word, bell satomic.Uint32
	s := newSleeper(&bell)
	return explore.Play{Bodies: []explore.Body{
		{Name: "waiter", Run: func() error {
			for {
				rung := bell.Load()
				if announce(&flag, &word) == 1 {
					return nil
				}
				if err := s.sleep(context.Background(), rung); err != nil {
					return err
				}
			}
		}},
		{Name: "waker", Run: does(func() {
			word.Store(1)
			if flag.Load() == 1 {
				bell.Add(1)
				s.point.Wake(1)
			}
		})},
	}}
}

// baton has two sleepers of which one is woken, and passes the wake-up on. If it
// dies first, that is up to repair.
func baton(repair func(word *satomic.Uint32, s sleeper)) explore.Play {
	var word satomic.Uint32
	sleep := func(slot uint32) explore.Body {
		s := newSleeper(&word)
		return explore.Body{Name: fmt.Sprint("sleeper ", slot), Slot: slot, Run: func() error {
			for word.Load() == 0 {
				if err := s.sleep(context.Background(), 0); err != nil {
					return err
				}
			}
			s.point.Wake(1)
			return nil
		}}
	}
	s := newSleeper(&word)
	return explore.Play{
		Bodies: []explore.Body{
			sleep(1), sleep(2),
			{Name: "waker", Run: does(func() { word.Add(1); s.point.Wake(1) })},
		},
		Repair: func([]uint32) { repair(&word, s) },
	}
}

// owning has two participants that each take a slot and look whether they have it.
func owning(repair func(owner *satomic.Uint32, dead uint32)) explore.Play {
	var owner satomic.Uint32
	take := func(slot uint32) explore.Body {
		return explore.Body{Name: fmt.Sprint("owner ", slot), Slot: slot, Run: func() error {
			if !owner.CompareAndSwap(0, slot) {
				return nil
			}
			if x := owner.Load(); x != slot {
				return fmt.Errorf("its slot is %d's", x)
			}
			owner.Store(0)
			return nil
		}}
	}
	return explore.Play{
		Bodies: []explore.Body{take(1), take(2)},
		Repair: func(dead []uint32) {
			for _, slot := range dead {
				repair(&owner, slot)
			}
		},
	}
}

// counting has a participant hold the one unit that there is.
func counting(repair func(owner, free *satomic.Uint32)) explore.Play {
	var owner, free satomic.Uint32
	free.Store(1)
	return explore.Play{
		Bodies: []explore.Body{{Name: "holder", Slot: 1, Run: does(func() {
			owner.Store(1)
			free.Store(0)
			free.Store(1)
			owner.Store(0)
		})}},
		Repair: func([]uint32) { repair(&owner, &free) },
		Finish: func([]uint32) error {
			if owner.Load() != 0 || free.Load() != 1 {
				return fmt.Errorf("owner %d, %d free", owner.Load(), free.Load())
			}
			return nil
		},
	}
}
