//go:build shmcheck

package table_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/table"
)

// TestProofSchedules plays those who take numbers, give them back and lock, of
// which some die.
func TestProofSchedules(t *testing.T) {
	two, three := explore.Limits{Switches: 2}, explore.Limits{Switches: 3}
	one := explore.Limits{Switches: 1}
	death := explore.Limits{Switches: 1, Kills: 1}
	explore.Prove(t, []explore.Scene{
		{Name: "two take", Quick: two, Full: three, Play: play("aa", 2)},
		{Name: "two take at the turn of a round", Quick: two, Full: three, Play: play("aa", 1<<13)},
		{Name: "three take at the turn of a round", Quick: one, Full: two, Play: play("aaa", 1<<14)},
		{Name: "lock and free", Quick: three, Full: explore.Limits{Switches: 5}, Play: play("lf", 2)},
		{Name: "two lock, one frees", Quick: two, Full: three, Play: play("llf", 2)},
		{Name: "lock and free at the end of a round", Quick: three, Full: three, Play: play("lf", 1<<13-1)},
		{Name: "one locks, another one gives away", Quick: three, Full: explore.Limits{Switches: 4}, Play: play("lg", 2)},
		{Name: "one locks, two give away", Quick: two, Full: three, Play: play("lgg", 2)},
		{Name: "a full table is seen only if it was", Quick: three, Full: three, Play: play("sn", 2)},
		{Name: "lock and free, a death", Quick: death, Full: explore.Limits{Switches: 2, Kills: 1}, Play: play("lf", 2)},
		{Name: "two take, a death", Quick: explore.Limits{Kills: 1}, Full: death, Play: play("aa", 1<<13)},
		{Name: "three, a death", Quick: explore.Limits{Kills: 1}, Full: death, Play: play("llg", 2)},
		{Name: "two deaths", Quick: explore.Limits{Kills: 2}, Full: explore.Limits{Kills: 2}, Play: play("llg", 2)},
	})
}

// drama is a table, its participants, and what they know.
type drama struct {
	world
	owner  map[int]uint32 // of a number, as far as its user knows
	inside map[int]uint32 // the slot that has locked it
	fault  error
}

func (d *drama) wrong(format string, args ...any) {
	if d.fault == nil {
		d.fault = fmt.Errorf(format, args...)
	}
}

// play has one participant for each letter, on a table of two whose number 0 has
// been taken so often:
//
//	a  takes a number, locks it, unlocks it and frees it, twice
//	l  locks number 0, which is taken at the start
//	f  frees number 0, when nobody has it
//	g  frees number 0, takes it again and locks it
//	s  frees number 0 and takes number 1: one of them is free all the time
//	n  takes a number, of a table that is never full
func play(parts string, times uint64) func() explore.Play {
	return func() explore.Play {
		d := &drama{world: newWorld(2, robust.Release), owner: map[int]uint32{}, inside: map[int]uint32{}}
		d.set(0, times-1)
		first := d.join(9)
		d.wrongIf(first.AllocAt(0))
		if parts[0] == 'a' {
			d.wrongIf(first.Free(0))
		}
		do := map[rune]func(p party) error{'a': d.takes, 'l': d.locks, 'f': d.frees, 'g': d.givesAway, 's': d.shifts, 'n': d.needs}
		var bodies []explore.Body
		for i, kind := range parts {
			slot := uint32(i + 1)
			p := d.join(slot)
			p.Use.Board = nil // which is steps that change nothing
			m := p.at(0)
			run := do[kind]
			bodies = append(bodies, explore.Body{Name: fmt.Sprintf("%c%d", kind, slot), Slot: slot, Run: func() error {
				if kind == 'l' {
					return errors.Join(d.lock(p, m, 0), d.fault)
				}
				return errors.Join(run(p), d.fault)
			}})
		}
		return explore.Play{Bodies: bodies, Repair: d.repair, Finish: d.finish}
	}
}

func (d *drama) wrongIf(err error) {
	if err != nil {
		d.wrong("%w", err)
	}
}

// lock has p lock and unlock number i by m; it may be gone.
func (d *drama) lock(p party, m *robust.Mutex, i int) error {
	if err := m.Lock(context.Background()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	slot := p.Use.Slot
	if other := d.inside[i]; other != 0 {
		d.wrong("%d is inside, and so is %d", slot, other)
	}
	d.inside[i] = slot
	p.look(i) // here it may be stopped, or die
	delete(d.inside, i)
	return m.Unlock()
}

// look is a step that changes nothing.
func (p party) look(i int) { _, _ = p.Allotment(i) }

func (d *drama) locks(p party) error { return d.lock(p, p.at(0), 0) }

// has says that p has taken number i.
func (d *drama) has(p party, i int) {
	if other := d.owner[i]; other != 0 {
		d.wrong("%d has taken %d, which %d has", p.Use.Slot, i, other)
	}
	if other := d.inside[i]; other != 0 {
		d.wrong("%d has taken %d, in which %d is", p.Use.Slot, i, other)
	}
	d.owner[i] = p.Use.Slot
}

func (d *drama) takes(p party) error {
	for range 2 {
		i, err := p.Alloc()
		if errors.Is(err, table.ErrFull) {
			continue
		} else if err != nil {
			return err
		}
		d.has(p, i)
		m := p.at(i)
		if err := m.Lock(context.Background()); err != nil {
			return err
		}
		if err := errors.Join(p.Free(i)); !errors.Is(err, robust.ErrLocked) {
			return fmt.Errorf("freed a locked one: %w", err)
		}
		if err := m.Unlock(); err != nil {
			return err
		}
		delete(d.owner, i)
		if err := p.Free(i); err != nil {
			return err
		}
	}
	return nil
}

// frees has p free number 0, unless somebody has locked it.
func (d *drama) frees(p party) error {
	err := p.Free(0)
	if errors.Is(err, robust.ErrLocked) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d *drama) givesAway(p party) error {
	if err := d.frees(p); err != nil {
		return err
	}
	if err := p.AllocAt(0); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return d.lock(p, p.at(0), 0)
}

func (d *drama) shifts(p party) error {
	if err := errors.Join(p.Free(0), p.AllocAt(1)); !errors.Is(err, fs.ErrExist) { // then the other one has it
		return err
	}
	return nil
}

func (d *drama) needs(p party) error {
	_, err := p.Alloc()
	return err
}

func (d *drama) repair(dead []uint32) {
	for i, slot := range d.inside {
		if slices.Contains(dead, slot) {
			delete(d.inside, i)
		}
	}
	d.Bury(dead)
}

// finish has a survivor look at the table, lock what is taken and free it.
func (d *drama) finish([]uint32) error {
	p := d.join(8)
	p.Use.Board = nil
	errs := []error{d.fault, d.Faults()}
	for _, i := range p.taken() {
		m := p.at(i)
		errs = append(errs, m.Lock(context.Background()), m.Unlock(), p.Free(i))
	}
	for range p.Len() {
		_, err := p.Alloc()
		errs = append(errs, err)
	}
	if _, err := p.Alloc(); !errors.Is(err, table.ErrFull) {
		errs = append(errs, fmt.Errorf("a table with all numbers taken: %w", err))
	}
	return errors.Join(append(errs, d.Faults())...)
}

// TestProofFindsPlanted shows that these are found: a repair that leaves a mutex
// locked, and a table that is called full by who has looked once.
func TestProofFindsPlanted(t *testing.T) {
	explore.MustFind(t, explore.Limits{Switches: 1, Kills: 1}, func() explore.Play {
		p := play("lf", 2)()
		repair := p.Repair
		p.Repair = func(dead []uint32) {
			if !slices.Contains(dead, 1) {
				repair(dead)
			}
		}
		return p
	})
	explore.MustFind(t, explore.Limits{Switches: 3}, func() explore.Play {
		d := &drama{world: newWorld(2, robust.Release), owner: map[int]uint32{}, inside: map[int]uint32{}}
		a, b := d.join(1), d.join(2)
		d.wrongIf(a.AllocAt(0))
		return explore.Play{Bodies: []explore.Body{
			{Name: "shifts", Slot: 1, Run: func() error { return d.shifts(a) }},
			{Name: "looks once", Slot: 2, Run: func() error {
				for i := range 2 {
					if err := b.AllocAt(i); err == nil {
						return nil
					}
				}
				return table.ErrFull
			}},
		}}
	})
}
