//go:build shmcheck

package cell_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/mem"
)

// drama is a value and the participants of one play on it.
type drama struct {
	*world
	repaired bool
}

func newDrama(t *testing.T) *drama { return &drama{world: newWorld(t, cell.Kind(), 16)} }

func (d *drama) repair(dead []uint32) {
	for _, slot := range dead {
		d.die(slot)
	}
	d.repaired = true
}

// whole returns what is wrong with a value that was read; it is at least least
// and at most most.
func whole(x pair, least, most uint64) error {
	if x[0] != x[1] || x[0] < least || x[0] > most {
		return fmt.Errorf("read %v, want %d to %d", x, least, most)
	}
	return nil
}

// writes has a participant store each of x, twice over.
func (d *drama) writes(slot uint32, x ...uint64) explore.Body {
	v := d.value(slot)
	return explore.Body{Name: fmt.Sprint("writer ", slot), Slot: slot, Run: func() error {
		for _, x := range x {
			if err := cell.Store(context.Background(), v, &pair{x, x}); err != nil {
				return err
			}
		}
		return nil
	}}
}

// adds has a participant add 1 to the value, and count that it did.
func (d *drama) adds(slot uint32, count *int) explore.Body {
	v := d.value(slot)
	return explore.Body{Name: fmt.Sprint("adder ", slot), Slot: slot, Run: func() error {
		var tmp pair
		err := cell.Update(context.Background(), v, cell.NoLayout(), &tmp, func(x *pair) error { x[0]++; x[1]++; return nil })
		if err == nil {
			*count++
		}
		return err
	}}
}

// reads has a participant read the value twice: it never goes back.
func (d *drama) reads(slot uint32, most uint64) explore.Body {
	v := d.value(slot)
	return explore.Body{Name: "reader", Slot: slot, Run: func() error {
		var x, y pair
		cell.Load(v, &x)
		cell.Load(v, &y)
		return errors.Join(whole(x, 0, most), whole(y, x[0], most))
	}}
}

// readsOnce has a participant read the value.
func (d *drama) readsOnce(slot uint32, most uint64) explore.Body {
	v := d.value(slot)
	return explore.Body{Name: "reader", Slot: slot, Run: func() error {
		var x pair
		cell.Load(v, &x)
		return whole(x, 0, most)
	}}
}

// waits has a participant wait until changed.
func (d *drama) waits(slot uint32, changed func(v *cell.Value) bool) explore.Body {
	p := d.join(slot)
	v, err := cell.OpenValue(p.use, p.obj, 16)
	return explore.Body{Name: fmt.Sprint("waiter ", slot), Slot: slot, Run: func() error {
		return errors.Join(err, v.Await(context.Background(), p.use, func() bool { return changed(v) }))
	}}
}

// fallsIn is a body that publishes once the others cannot any more, if they did not.
func (d *drama) fallsIn(ended *bool) explore.Body {
	v := d.value(9)
	return explore.Body{Name: "last", Run: func() error {
		explore.Until(func() bool { return *ended || d.repaired })
		if v.Version() > 0 {
			return nil
		}
		return cell.Store(context.Background(), v, &pair{9, 9})
	}}
}

// then has ended set when the body has ended.
func then(b explore.Body, ended *bool) explore.Body {
	run := b.Run
	b.Run = func() error {
		err := run()
		*ended = true
		return err
	}
	return b
}

// finish has a survivor read and write.
func (d *drama) finish(least, most uint64) func([]uint32) error {
	v := d.value(8)
	return func(dead []uint32) error {
		var x, y pair
		cell.Load(v, &x)
		if err := cell.Store(context.Background(), v, &pair{77, 77}); err != nil {
			return err
		}
		cell.Load(v, &y)
		errs := d.core.Check(func(slot uint32) bool { return !slices.Contains(dead, slot) })
		if len(dead) > 0 {
			least = 0
		}
		return errors.Join(append(errs, whole(x, least, most), whole(y, 77, 77))...)
	}
}

func changedOnce(v *cell.Value) bool { return v.Version() > 0 }

// TestProofSchedulesOfValues tries the orders of the steps of writers, readers
// and waiters of one value.
func TestProofSchedulesOfValues(t *testing.T) {
	explore.Prove(t, []explore.Scene{
		{
			Name: "store twice, read twice", Quick: explore.Limits{Switches: 3}, Full: explore.Limits{Switches: 4},
			Play: func() explore.Play {
				d := newDrama(t)
				return explore.Play{Bodies: []explore.Body{d.writes(1, 1, 2), d.reads(2, 2)}, Finish: d.finish(2, 2)}
			},
		},
		{
			Name: "store three times, read twice", Quick: explore.Limits{Switches: 2}, Full: explore.Limits{Switches: 4},
			Play: func() explore.Play {
				d := newDrama(t)
				return explore.Play{Bodies: []explore.Body{d.reads(2, 3), d.writes(1, 1, 2, 3)}, Finish: d.finish(3, 3)}
			},
		},
		{
			Name: "two writers and a reader", Quick: explore.Limits{Switches: 1, Kills: 1}, Full: explore.Limits{Switches: 1, Kills: 1},
			Play: func() explore.Play {
				d := newDrama(t)
				return explore.Play{Bodies: []explore.Body{d.writes(1, 1), d.writes(2, 2), d.readsOnce(3, 2)}, Repair: d.repair, Finish: d.finish(1, 2)}
			},
		},
		{
			Name: "two updates and a reader", Quick: explore.Limits{Switches: 0, Kills: 1}, Full: explore.Limits{Switches: 1, Kills: 1},
			Play: func() explore.Play {
				d := newDrama(t)
				added := 0
				finish := d.finish(2, 2)
				return explore.Play{
					Bodies: []explore.Body{d.adds(1, &added), d.adds(2, &added), d.reads(3, 2)}, Repair: d.repair,
					Finish: func(dead []uint32) error {
						var x pair
						cell.Load(d.value(8), &x)
						return errors.Join(whole(x, uint64(added), uint64(added+len(dead))), finish(dead))
					},
				}
			},
		},
		{
			Name: "writer, reader, and two deaths", Quick: explore.Limits{Switches: 0, Kills: 2}, Full: explore.Limits{Switches: 0, Kills: 2},
			Play: func() explore.Play {
				d := newDrama(t)
				return explore.Play{Bodies: []explore.Body{d.writes(1, 1), d.writes(2, 2), d.readsOnce(3, 2)}, Repair: d.repair, Finish: d.finish(1, 2)}
			},
		},
		{
			Name: "waiter and a writer that dies", Quick: explore.Limits{Switches: 1, Kills: 1}, Full: explore.Limits{Switches: 1, Kills: 1},
			Play: func() explore.Play {
				d := newDrama(t)
				ended := false
				return explore.Play{
					Bodies: []explore.Body{d.waits(3, changedOnce), then(d.writes(1, 1), &ended), d.fallsIn(&ended)},
					Repair: d.repair, Finish: d.finish(1, 9),
				}
			},
		},
		{
			Name: "two waiters and a writer", Quick: explore.Limits{Switches: 0, Kills: 1}, Full: explore.Limits{Switches: 2},
			Play: func() explore.Play {
				d := newDrama(t)
				writer := d.writes(1, 1)
				writer.Slot = 0 // others wait for it
				return explore.Play{
					Bodies: []explore.Body{d.waits(3, changedOnce), d.waits(4, changedOnce), writer}, Repair: d.repair, Finish: d.finish(0, 1),
				}
			},
		},
		{
			Name: "two waiters for different versions", Quick: explore.Limits{Switches: 1}, Full: explore.Limits{Switches: 2},
			Play: func() explore.Play {
				d := newDrama(t)
				return explore.Play{Bodies: []explore.Body{
					d.waits(3, changedOnce), d.waits(4, func(v *cell.Value) bool { return v.Version() > 1 }), d.writes(1, 1, 2),
				}, Finish: d.finish(2, 2)}
			},
		},
		{
			Name: "two waiters of one process", Quick: explore.Limits{Switches: 1}, Full: explore.Limits{Switches: 2},
			Play: func() explore.Play { return ofOneProcess(context.Background(), newDrama(t), func() {}) },
		},
		{
			Name: "two waiters of one process, one gives up", Quick: explore.Limits{Switches: 1}, Full: explore.Limits{Switches: 2},
			Play: func() explore.Play {
				ctx, cancel := context.WithCancel(context.Background())
				return ofOneProcess(ctx, newDrama(t), cancel)
			},
		},
	})
}

// ofOneProcess has two goroutines wait for different changes, the first until ctx
// is done.
func ofOneProcess(ctx context.Context, d *drama, cancel func()) explore.Play {
	p := d.join(3)
	v, err := cell.OpenValue(p.use, p.obj, 16)
	return explore.Play{
		Bodies: []explore.Body{
			{Name: "first", Run: func() error {
				if e := v.Await(ctx, p.use, func() bool { return v.Version() > 0 }); !errors.Is(e, context.Canceled) {
					err = errors.Join(err, e)
				}
				return err
			}},
			{Name: "second", Run: func() error {
				return v.Await(context.Background(), p.use, func() bool { return v.Version() > 1 })
			}},
			d.writes(1, 1, 2),
			{Name: "impatience", Run: func() error { cancel(); return nil }},
		},
		Finish: d.finish(2, 2),
		Close:  p.use.End,
	}
}

// TestProofSchedulesOfNumbers does so for an atomic.
func TestProofSchedulesOfNumbers(t *testing.T) {
	explore.Prove(t, []explore.Scene{
		{
			Name: "waiter and an adder that dies", Quick: explore.Limits{Switches: 1, Kills: 1}, Full: explore.Limits{Switches: 2, Kills: 1},
			Play: func() explore.Play { return numbers(t, 1) },
		},
		{
			Name: "two waiters and an adder that dies", Quick: explore.Limits{Switches: 0, Kills: 1}, Full: explore.Limits{Switches: 0, Kills: 1},
			Play: func() explore.Play { return numbers(t, 1, 2) },
		},
	})
}

// numbers has participants wait until a number is not less than each of least,
// and another one, which may die, add 1 twice; if it dies a survivor adds the rest.
func numbers(t *testing.T, least ...int64) explore.Play {
	w := newWorld(t, cell.AtomicKind(), 8)
	ended, repaired := false, false
	number := func(slot uint32) (party, cell.Atomic[int64]) {
		p := w.join(slot)
		a, err := cell.OpenAtomic[int64](p.obj)
		if err != nil {
			t.Error(err)
		}
		return p, a
	}
	add := func(a cell.Atomic[int64]) {
		mem.AddInteger(&a.Number, 1)
		if cell.Flagged(&a.Event) {
			cell.Notify(&a.Event)
		}
	}
	_, adder := number(1)
	_, last := number(9)
	play := explore.Play{
		Bodies: []explore.Body{
			{Name: "adder", Slot: 1, Run: func() error { add(adder); add(adder); ended = true; return nil }},
			{Name: "last", Run: func() error {
				explore.Until(func() bool { return ended || repaired })
				for x := mem.LoadNumber(&last.Number); !ended && x < 2; x++ {
					add(last)
				}
				return nil
			}},
		},
		Repair: func(dead []uint32) {
			for _, slot := range dead {
				w.die(slot)
				repaired = repaired || slot == 1
			}
		},
	}
	for i, least := range least {
		p, a := number(uint32(i) + 2)
		play.Bodies = append(play.Bodies, explore.Body{Name: fmt.Sprint("waiter ", i), Slot: uint32(i) + 2, Run: func() error {
			return a.Watcher.Await(context.Background(), p.use, func() bool { return mem.LoadNumber(&a.Number) >= least })
		}})
	}
	return play
}
