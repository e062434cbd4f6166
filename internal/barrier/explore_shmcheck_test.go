//go:build shmcheck

package barrier_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/shoal-ipc/shoal/internal/barrier"
	"github.com/shoal-ipc/shoal/internal/explore"
)

// TestProofSchedules plays parties that come, give up, die and begin anew.
func TestProofSchedules(t *testing.T) {
	explore.Prove(t, []explore.Scene{
		{Name: "a death", Quick: explore.Limits{Switches: 1, Kills: 1}, Full: explore.Limits{Switches: 2, Kills: 1}, Play: dying},
		{Name: "two deaths", Quick: explore.Limits{Switches: 0, Kills: 2}, Full: explore.Limits{Switches: 0, Kills: 2}, Play: dying},
		{Name: "giving up", Quick: explore.Limits{Switches: 2}, Full: explore.Limits{Switches: 3}, Play: givingUp},
		{Name: "reset", Quick: explore.Limits{Switches: 2}, Full: explore.Limits{Switches: 3}, Play: resetting},
	})
}

// meeting is two parties and what they got.
type meeting struct {
	world
	ranks [2]int
	errs  [2]error
	done  [2]bool
}

func meet() *meeting { return &meeting{world: newWorld(2)} }

func (m *meeting) body(i int, slot uint32, ctx context.Context) explore.Body { //nolint:revive // the body's own context
	p := m.join(uint32(i + 1))
	return explore.Body{Name: fmt.Sprint("party ", i), Slot: slot, Run: func() error {
		m.ranks[i], m.errs[i] = p.Wait(ctx)
		m.done[i] = true
		return nil
	}}
}

// agree checks that both passed, or both did not.
func (m *meeting) agree([]uint32) error {
	for _, err := range m.errs {
		if err != nil && !errors.Is(err, barrier.ErrBroken) {
			return err
		}
	}
	if (m.errs[0] == nil) != (m.errs[1] == nil) {
		return fmt.Errorf("one passed: %w, %w", m.errs[0], m.errs[1])
	}
	if m.errs[0] == nil && m.ranks[0]+m.ranks[1] != 1 {
		return fmt.Errorf("ranks %d", m.ranks)
	}
	return m.Faults()
}

// dying has one of two parties die. A third one takes its place, unless the dead
// one has broken the barrier, or come to its end before.
func dying() explore.Play {
	m := meet()
	third := m.join(6)
	repaired := false
	begin := m.generation()
	return explore.Play{
		Bodies: []explore.Body{
			m.body(0, 1, context.Background()),
			m.body(1, 0, context.Background()),
			{Name: "third", Run: func() error {
				explore.Until(func() bool { return repaired || m.done[0] })
				if third.broken() || m.generation() != begin {
					return nil
				}
				_, err := third.Wait(context.Background())
				return err
			}},
		},
		Repair: func(dead []uint32) {
			m.Bury(dead)
			repaired = true
		},
		Finish: func([]uint32) error {
			if third.broken() != (m.errs[1] != nil) || m.errs[1] != nil && !errors.Is(m.errs[1], barrier.ErrBroken) {
				return fmt.Errorf("the survivor: %w, broken %v", m.errs[1], third.broken())
			}
			return m.Faults()
		},
	}
}

func (m *meeting) generation() uint64 {
	return m.Core.(interface{ Generation() uint64 }).Generation() //nolint:errcheck // its own kind
}

func givingUp() explore.Play {
	m := meet()
	ctx, cancel := context.WithCancel(context.Background())
	return explore.Play{
		Bodies: []explore.Body{
			m.body(0, 0, ctx),
			m.body(1, 0, context.Background()),
			{Name: "canceller", Run: func() error { m.join(5).broken(); cancel(); return nil }},
		},
		Finish: m.agree,
	}
}

// resetting has a third one make the barrier as new. If that breaks one party's
// wait only, the other one waits for an Abort.
func resetting() explore.Play {
	m := meet()
	third := m.join(6)
	return explore.Play{
		Bodies: []explore.Body{
			m.body(0, 0, context.Background()),
			m.body(1, 0, context.Background()),
			{Name: "third", Run: func() error {
				if err := third.Reset(); err != nil {
					return err
				}
				explore.Until(func() bool { return m.done[0] || m.done[1] })
				if m.errs[0] == nil && m.errs[1] == nil && (m.done[0] && m.done[1]) {
					return nil
				}
				return third.Abort()
			}},
		},
		Finish: m.agree,
	}
}

// TestProofFindsPlanted shows that a death that leaves an arrival behind is found.
func TestProofFindsPlanted(t *testing.T) {
	explore.MustFind(t, explore.Limits{Switches: 1, Kills: 1}, func() explore.Play {
		p := dying()
		repair := p.Repair
		p.Repair = func([]uint32) { repair(nil) }
		return p
	})
}
