//go:build shmcheck

package event_test

import (
	"context"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// TestProofSchedules plays waiters against setters, of which some die.
func TestProofSchedules(t *testing.T) {
	explore.Prove(t, []explore.Scene{
		{Name: "two set", Quick: explore.Limits{Switches: 2}, Full: explore.Limits{Switches: 3}, Play: setting(false)},
		{Name: "one sets and clears", Quick: explore.Limits{Switches: 1, Kills: 1}, Full: explore.Limits{Switches: 2, Kills: 1}, Play: setting(true)},
		{Name: "two wait", Quick: explore.Limits{Switches: 1, Kills: 1}, Full: explore.Limits{Switches: 1, Kills: 1}, Play: waiting},
	})
}

// setting has a participant wait and two set the flag, of which the first may
// clear it, and die. The other one does neither, so nobody may wait for ever.
func setting(clear bool) func() explore.Play {
	return func() explore.Play {
		w := newWorld()
		waiter, setter, other := w.join(2), w.join(1), w.join(6)
		over := false
		return explore.Play{
			Bodies: []explore.Body{
				{Name: "waiter", Slot: 2, Run: func() error { return waiter.Wait(context.Background()) }},
				{Name: "setter", Slot: 1, Run: func() error {
					err := setter.Set()
					if err == nil && clear {
						err = setter.Clear()
					}
					over = true
					return err
				}},
				{Name: "other setter", Run: func() error {
					if clear {
						explore.Until(func() bool { return over })
					}
					return other.Set()
				}},
			},
			Repair: func(dead []uint32) {
				w.Bury(dead)
				over = true
			},
			Finish: func([]uint32) error { return w.Faults() },
		}
	}
}

// waiting has two participants wait for one that may die: then its heir sets the
// flag.
func waiting() explore.Play {
	w := newWorld()
	first, second, setter := w.join(2), w.join(3), w.join(1)
	return explore.Play{
		Bodies: []explore.Body{
			{Name: "first", Slot: 2, Run: func() error { return first.Wait(context.Background()) }},
			{Name: "second", Slot: 3, Run: func() error { return second.Wait(context.Background()) }},
			{Name: "setter", Slot: 1, Run: setter.Set},
		},
		Repair: func(dead []uint32) {
			w.Bury(dead)
			if slices.Contains(dead, 1) {
				if is, _ := w.join(6).IsSet(); !is {
					_ = w.join(6).Set()
				}
			}
		},
		Finish: func([]uint32) error { return w.Faults() },
	}
}

// TestProofFindsPlanted shows that a Set that does not change the word before it
// wakes is found out.
func TestProofFindsPlanted(t *testing.T) {
	explore.MustFind(t, explore.Limits{Switches: 2}, func() explore.Play {
		w := newWorld()
		waiter := w.join(2)
		return explore.Play{Bodies: []explore.Body{
			{Name: "waiter", Run: func() error { return waiter.Wait(context.Background()) }},
			{Name: "setter", Run: func() error {
				late := cell.Flagged(w.Bell()) // looks before it sets the flag
				w.Raise()
				if late {
					cell.Notify(w.Bell())
				}
				return nil
			}},
		}}
	})
}

func (w world) core() explorable { return w.Core.(explorable) } //nolint:errcheck // its own kind

type explorable interface {
	Bell() *satomic.Uint32
	Raise()
}

// Bell returns the word that waiters sleep on.
func (w world) Bell() *satomic.Uint32 { return w.core().Bell() }

// Raise puts the flag up and tells nobody.
func (w world) Raise() { w.core().Raise() }
