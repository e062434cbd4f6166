//go:build shmcheck

package rw_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// TestProofSchedules plays readers and writers, of which some die or give up.
func TestProofSchedules(t *testing.T) {
	two, three := explore.Limits{Switches: 2}, explore.Limits{Switches: 3}
	death := explore.Limits{Switches: 1, Kills: 1}
	explore.Prove(t, []explore.Scene{
		{Name: "reader and writer", Quick: three, Full: explore.Limits{Switches: 4}, Play: play("rw")},
		{Name: "two writers", Quick: three, Full: three, Play: play("ww")},
		{Name: "reader and two writers", Quick: two, Full: two, Play: play("wrw")},
		{Name: "two readers and a writer", Quick: two, Full: two, Play: play("rwr")},
		{Name: "reader and writer, a death", Quick: death, Full: explore.Limits{Switches: 2, Kills: 1}, Play: play("rw")},
		{Name: "two writers, a death", Quick: death, Full: death, Play: play("ww")},
		{Name: "reader and writer, two deaths", Quick: explore.Limits{Kills: 2}, Full: explore.Limits{Kills: 2}, Play: play("rw")},
		{Name: "three, a death", Quick: explore.Limits{Kills: 1}, Full: explore.Limits{Kills: 1}, Play: play("rwr")},
		{Name: "a writer gives up", Quick: two, Full: two, Play: play("rgr")},
	})
}

// inside is who has the lock.
type inside struct{ readers, writers int }

// play has one participant for each letter: w writes, r reads, g writes with a
// context that ends. All may die; who survives gets the lock, and so does one more.
func play(parts string) func() explore.Play {
	return func() explore.Play {
		w := newWorld(robust.Release)
		in := new(inside)
		have := map[uint32]*int{} // what a participant has, for its death
		ctx, cancel := context.WithCancel(context.Background())
		var bodies []explore.Body
		for i, kind := range parts {
			slot := uint32(i + 1)
			p := w.join(slot)
			run := func() error { return writes(context.Background(), p, in, have) }
			switch kind {
			case 'r':
				run = func() error { return reads(p, in, have) }
			case 'g':
				run = func() error {
					if err := writes(ctx, p, in, have); !errors.Is(err, context.Canceled) {
						return err
					}
					return nil
				}
				bodies = append(bodies, explore.Body{Name: "canceller", Run: func() error { p.held(); cancel(); return nil }})
			}
			bodies = append(bodies, explore.Body{Name: fmt.Sprintf("%c%d", kind, slot), Slot: slot, Run: run})
		}
		last := w.join(9)
		return explore.Play{
			Bodies: bodies,
			Repair: func(dead []uint32) {
				for _, slot := range dead { // before others get in
					if n := have[slot]; n != nil {
						*n--
						delete(have, slot)
					}
				}
				w.Bury(dead)
			},
			Finish: func([]uint32) error {
				cancel()
				return errors.Join(writes(context.Background(), last, in, have), reads(last, in, have), w.Faults())
			},
		}
	}
}

func writes(ctx context.Context, p party, in *inside, have map[uint32]*int) error {
	if err := p.lock(ctx); err != nil {
		return err
	}
	in.writers++
	have[p.Use.Slot] = &in.writers
	if in.writers != 1 || in.readers != 0 {
		return fmt.Errorf("writes beside %+v", *in)
	}
	p.held()
	in.writers--
	delete(have, p.Use.Slot)
	return p.core.Unlock()
}

func reads(p party, in *inside, have map[uint32]*int) error {
	if err := p.rlock(context.Background()); err != nil {
		return err
	}
	in.readers++
	have[p.Use.Slot] = &in.readers
	if in.writers != 0 {
		return fmt.Errorf("reads beside %+v", *in)
	}
	p.held()
	in.readers--
	delete(have, p.Use.Slot)
	return p.core.RUnlock()
}

// held is a step at which who has the lock may be stopped, or die.
func (p party) held() { p.core.Look() }

// TestProofFindsPlanted shows that a repair that forgets no readers is found.
func TestProofFindsPlanted(t *testing.T) {
	explore.MustFind(t, explore.Limits{Switches: 2, Kills: 1}, func() explore.Play {
		p := play("rw")()
		repair := p.Repair
		p.Repair = func(dead []uint32) {
			if !slices.Contains(dead, 1) { // whose reads stay
				repair(dead)
			}
		}
		return p
	})
}
