//go:build shmcheck

package condition_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// TestProofSchedules plays consumers that wait for items, and a producer.
func TestProofSchedules(t *testing.T) {
	explore.Prove(t, []explore.Scene{
		{Name: "signals", Quick: explore.Limits{Switches: 1}, Full: explore.Limits{Switches: 1}, Play: consuming(false)},
		{Name: "broadcast", Quick: explore.Limits{Switches: 1}, Full: explore.Limits{Switches: 1}, Play: consuming(true)},
		{Name: "signals, a death", Quick: explore.Limits{Kills: 1}, Full: explore.Limits{Kills: 1}, Play: consuming(false)},
		{Name: "broadcast, a death", Quick: explore.Limits{Kills: 1}, Full: explore.Limits{Kills: 1}, Play: consuming(true)},
		{Name: "giving up", Quick: explore.Limits{Switches: 1}, Full: explore.Limits{Switches: 2}, Play: givingUp},
		{Name: "leaving, a death", Quick: explore.Limits{Kills: 1}, Full: explore.Limits{Kills: 1, Switches: 1}, Play: leaving},
	})
}

// consuming has two consumers take one of two items each. One consumer and the
// producer may die. If the producer does, another one brings what is missing, but
// wakes nobody for what was there.
func consuming(broadcast bool) func() explore.Play {
	return func() explore.Play {
		w := newWorld(robust.Release)
		items, made := 0, 0
		over := false
		produce := func(p party) error {
			return p.do(func() error {
				items++
				made++
				if broadcast {
					return p.Broadcast()
				}
				return p.Signal(1)
			})
		}
		consume := func(p party) func() error {
			return func() error {
				return p.do(func() error {
					for items == 0 {
						if err := p.wait(context.Background()); err != nil {
							return err
						}
					}
					items--
					return nil
				})
			}
		}
		mortal, other, producer, heir := w.join(2), w.join(3), w.join(1), w.join(4)
		return explore.Play{
			Bodies: []explore.Body{
				{Name: "mortal", Slot: 2, Run: consume(mortal)},
				{Name: "other", Run: consume(other)},
				{Name: "producer", Slot: 1, Run: func() error {
					err := errors.Join(produce(producer), produce(producer))
					over = true
					return err
				}},
				{Name: "heir", Run: func() error {
					explore.Until(func() bool { return over })
					for made < 2 {
						if err := produce(heir); err != nil {
							return err
						}
					}
					return nil
				}},
			},
			Repair: func(dead []uint32) {
				w.Bury(dead)
				for _, slot := range dead {
					over = over || slot == 1
				}
			},
			Finish: func([]uint32) error {
				if w.Core.State() != "nobody waits" {
					return fmt.Errorf("in the end %s", w.Core.State())
				}
				return w.Faults()
			},
		}
	}
}

// givingUp has one of two consumers give up while there is one item: the other one
// must get it. If the first has got it, there will be another.
func givingUp() explore.Play {
	w := newWorld(robust.Release)
	ctx, cancel := context.WithCancel(context.Background())
	items, over, took := 0, false, false
	first, second, producer := w.join(2), w.join(3), w.join(1)
	produce := func() error {
		return producer.do(func() error { items++; return producer.Signal(1) })
	}
	return explore.Play{
		Bodies: []explore.Body{
			{Name: "first", Run: func() error {
				return first.do(func() error {
					for items == 0 {
						if err := first.wait(ctx); err != nil {
							over = true
							return nil
						}
					}
					items--
					over, took = true, true
					return nil
				})
			}},
			{Name: "second", Run: func() error {
				return second.do(func() error {
					for items == 0 {
						if err := second.wait(context.Background()); err != nil {
							return err
						}
					}
					items--
					return nil
				})
			}},
			{Name: "producer", Run: func() error {
				if err := produce(); err != nil {
					return err
				}
				cancel()
				explore.Until(func() bool { return over })
				if took {
					return produce()
				}
				return nil
			}},
		},
		Finish: func([]uint32) error { return w.Faults() },
	}
}

// leaving has one of two consumers, which may die, leave without the mutex when it
// is signalled: the other one must get the item.
func leaving() explore.Play {
	w := newWorld(robust.Release)
	ctx, cancel := context.WithCancel(context.Background())
	items := 0
	first, second, producer := w.join(2), w.join(3), w.join(1)
	left := errors.New("left")
	return explore.Play{
		Bodies: []explore.Body{
			{Name: "first", Slot: 2, Run: func() error {
				if err := first.m.Lock(context.Background()); err != nil {
					return err
				}
				if ctx.Err() != nil { // there is nothing to wait for any more
					return first.m.Unlock()
				}
				if err := first.Wait(ctx, func() error { return left }); !errors.Is(err, left) {
					return fmt.Errorf("waited: %w", err)
				}
				return nil
			}},
			{Name: "second", Run: func() error {
				defer cancel()
				return second.do(func() error {
					for items == 0 {
						if err := second.wait(context.Background()); err != nil {
							return err
						}
					}
					items--
					return nil
				})
			}},
			{Name: "producer", Run: func() error {
				return producer.do(func() error { items++; return producer.Signal(1) })
			}},
		},
		Repair: w.Bury,
		Finish: func([]uint32) error { return w.Faults() },
	}
}

// TestProofFindsPlanted shows that a signal that is lost with the signalled is
// found: its repair forgets it.
func TestProofFindsPlanted(t *testing.T) {
	explore.MustFind(t, explore.Limits{Switches: 1, Kills: 1}, func() explore.Play {
		p := consuming(false)()
		repair := p.Repair
		p.Repair = func(dead []uint32) {
			if !slices.Contains(dead, 2) {
				repair(dead)
			}
		}
		return p
	})
}
