//go:build shmcheck

package vector_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/vector"
)

const (
	one   = 0x1111111111
	two   = 0x2222222222
	three = 0x3333333333
)

func (w *world) repair(dead []uint32) {
	for _, slot := range dead {
		w.die(slot)
	}
}

// sets has a participant set element i to each of xs.
func (w *world) sets(slot uint32, i int64, xs ...uint64) explore.Body {
	p := w.join(slot)
	return explore.Body{Name: fmt.Sprint("writer ", slot), Slot: slot, Run: func() error {
		for _, x := range xs {
			if err := p.Store(i, x); err != nil {
				return err
			}
		}
		return nil
	}}
}

// gets has a participant read element i twice: it is what it was or becomes what
// comes later among xs.
func (w *world) gets(slot uint32, i int64, xs ...uint64) explore.Body {
	p := w.join(slot)
	return explore.Body{Name: "reader", Slot: slot, Run: func() error {
		a, b := get(p, i), get(p, i)
		if first, second := slices.Index(xs, a), slices.Index(xs, b); first < 0 || second < first {
			return fmt.Errorf("read %x, then %x", a, b)
		}
		return nil
	}}
}

// finish returns what is wrong unless element split is one of xs, the first of
// which it can be only after a death, and can be set.
func (w *world) finish(xs ...uint64) func(dead []uint32) error {
	p := w.join(8)
	return func(dead []uint32) error {
		x := get(p, split)
		if i := slices.Index(xs, x); i < 0 || i == 0 && len(dead) == 0 {
			return fmt.Errorf("survivors see %x", x)
		}
		err := p.Store(split, three)
		if x := get(p, split); x != three {
			err = errors.Join(err, fmt.Errorf("the next Store left %x", x))
		}
		return errors.Join(append(w.core.Check(func(slot uint32) bool { return !slices.Contains(dead, slot) }), err)...)
	}
}

// TestProofSchedulesOfParts tries the orders of the steps of those who read and
// write elements that lie in two words.
func TestProofSchedulesOfParts(t *testing.T) {
	explore.Prove(t, []explore.Scene{
		{
			Name: "writer, reader twice", Quick: explore.Limits{Switches: 1, Kills: 1}, Full: explore.Limits{Switches: 3, Kills: 1},
			Play: func() explore.Play {
				w := newWorld(t, 4, 5)
				return explore.Play{Bodies: []explore.Body{w.sets(2, split, one), w.gets(3, split, 0, one)}, Repair: w.repair, Finish: w.finish(0, one)}
			},
		},
		{
			Name: "writer twice, reader twice", Quick: explore.Limits{Switches: 2}, Full: explore.Limits{Switches: 4},
			Play: func() explore.Play {
				w := newWorld(t, 4, 5)
				return explore.Play{Bodies: []explore.Body{w.sets(2, split, one, two), w.gets(3, split, 0, one, two)}, Finish: w.finish(0, two)}
			},
		},
		{
			Name: "two writers and a reader", Quick: explore.Limits{Switches: 0, Kills: 1}, Full: explore.Limits{Switches: 1, Kills: 1},
			Play: func() explore.Play {
				w := newWorld(t, 4, 5)
				p := w.join(4)
				reader := explore.Body{Name: "reader", Slot: 4, Run: func() error {
					if x := get(p, split); !slices.Contains([]uint64{0, one, two}, x) {
						return fmt.Errorf("read %x", x)
					}
					return nil
				}}
				return explore.Play{Bodies: []explore.Body{w.sets(2, split, one), w.sets(3, split, two), reader}, Repair: w.repair, Finish: w.finish(0, one, two)}
			},
		},
		{
			Name: "two writers and two deaths", Quick: explore.Limits{Switches: 0, Kills: 2}, Full: explore.Limits{Switches: 1, Kills: 2},
			Play: func() explore.Play {
				w := newWorld(t, 4, 5)
				return explore.Play{Bodies: []explore.Body{w.sets(2, split, one), w.sets(3, split, two)}, Repair: w.repair, Finish: w.finish(0, one, two)}
			},
		},
		{
			Name: "writers of neighbours", Quick: explore.Limits{Switches: 1, Kills: 1}, Full: explore.Limits{Switches: 2, Kills: 1},
			Play: func() explore.Play {
				w := newWorld(t, 4, 5)
				finish, p := w.finish(0, one), w.join(7)
				return explore.Play{
					Bodies: []explore.Body{w.sets(2, split, one), w.sets(3, 0, two), w.sets(4, 2, two)}, Repair: w.repair,
					Finish: func(dead []uint32) error {
						for slot, i := range map[uint32]int64{3: 0, 4: 2} {
							if x := get(p, i); x != two && (x != 0 || !slices.Contains(dead, slot)) {
								return fmt.Errorf("element %d is %x", i, x)
							}
						}
						return finish(dead)
					},
				}
			},
		},
	})
}

// TestProofSchedulesOfNumbers has participants add to the same number of an
// atomic array, and take its place: each step is whole.
func TestProofSchedulesOfNumbers(t *testing.T) {
	limits := explore.Limits{Switches: 3, Kills: 1}
	explore.Prove(t, []explore.Scene{{
		Name: "add and swap", Quick: limits, Full: limits,
		Play: func() explore.Play {
			shape := object.Shape{Spec: object.Spec{2, 4}, Slots: 4}
			obj := &object.Object{Kind: vector.AtomicKind(), Shape: shape, Region: mem.Heap(8)}
			xs, err := vector.Numbers[int32](obj)
			if err != nil {
				t.Error(err)
			}
			left, done := int32(0), int32(0)
			body := func(slot uint32, f func()) explore.Body {
				return explore.Body{Name: fmt.Sprint("body ", slot), Slot: slot, Run: func() error { f(); return nil }}
			}
			add := func() {
				for range 2 {
					mem.AddInteger(&xs[0], 1)
					done++
				}
			}
			return explore.Play{
				Bodies: []explore.Body{body(1, add), body(2, add), body(0, func() { left = mem.SwapNumber(&xs[0], 0) })},
				Repair: func([]uint32) {},
				Finish: func([]uint32) error {
					if sum := left + mem.LoadNumber(&xs[0]); sum != done || xs[1] != 0 {
						return fmt.Errorf("%d of %d additions are there", sum, done)
					}
					return nil
				},
			}
		},
	}})
}
