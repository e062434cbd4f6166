//go:build shmcheck

package hashmap_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/hashmap"
)

// drama is a map with the keys a, b and c of one chain, d of another, and the
// participants of one play on it.
type drama struct {
	world
	keys []string
}

func newDrama(spec hashmap.Spec, begin ...int) *drama {
	w := newWorld(spec)
	d := &drama{w, keysOf(w)}
	for _, key := range begin {
		if err := w.store(w.join(9), d.keys[key], uint64(key)+1); err != nil {
			panic(err)
		}
	}
	return d
}

func (d *drama) body(name string, slot uint32, run func(p party) error) explore.Body {
	p := d.join(slot)
	return explore.Body{Name: name, Slot: slot, Run: func() error { return run(p) }}
}

// reads looks for a key: its value is one of these, 0 if it is not there.
func (d *drama) reads(slot uint32, key int, can ...uint64) explore.Body {
	return d.body("reader", slot, func(p party) error {
		x, err := d.load(p, d.keys[key])
		if err == nil && !slices.Contains(can, x) {
			err = fmt.Errorf("key %d is %d, want one of %d", key, x, can)
		}
		return err
	})
}

// lists iterates: keys that stay are there, with their values.
func (d *drama) lists(slot uint32, stay map[int]uint64) explore.Body {
	return d.body("lister", slot, func(p party) error {
		all, err := d.all(p)
		for key, n := range stay {
			if err == nil && all[d.keys[key]] != n {
				err = fmt.Errorf("all is %v, without %d", all, n)
			}
		}
		return err
	})
}

// finish has a survivor look at all, change something, and fill the map.
func (d *drama) finish(want func(all map[string]uint64, dead []uint32) error) func(dead []uint32) error {
	return func(dead []uint32) error {
		p := d.join(8)
		all, err := d.all(p)
		if err != nil {
			return err
		}
		if want != nil {
			if err := want(all, dead); err != nil {
				return fmt.Errorf("%w: %v", err, all)
			}
		}
		if err := d.is(p, all); err != nil {
			return err
		}
		for i := p.Len(); i < int(d.spec.Cap); i++ {
			if err := d.store(p, fmt.Sprint("n", i), 1); err != nil {
				return err
			}
		}
		var space *hashmap.Space
		if err := d.store(p, "more", 1); !errors.As(err, &space) {
			return fmt.Errorf("one too many: %w", err)
		}
		return d.Faults()
	}
}

var (
	one = explore.Limits{Switches: 1}
	two = explore.Limits{Switches: 2}
	die = explore.Limits{Switches: 1, Kills: 1}
)

func (d *drama) stores(slot uint32, key int, n uint64) explore.Body {
	return d.body("storer", slot, func(p party) error { return d.store(p, d.keys[key], n) })
}

func (d *drama) deletes(slot uint32, key int) explore.Body {
	return d.body("deleter", slot, func(p party) error { return d.delete(p, d.keys[key]) })
}

// replaces deletes one key and stores another one, which takes its entry.
func (d *drama) replaces(slot uint32, old, fresh int, n uint64) explore.Body {
	return d.body("replacer", slot, func(p party) error {
		return errors.Join(d.delete(p, d.keys[old]), d.store(p, d.keys[fresh], n))
	})
}

// TestProofSchedules tries the orders of the steps of some that change a map and
// read it, of which some die.
func TestProofSchedules(t *testing.T) {
	tight := small
	tight.Cap = 3
	explore.Prove(t, []explore.Scene{
		{Name: "store a key, read it twice", Quick: two, Full: explore.Limits{Switches: 3}, Play: func() explore.Play {
			d := newDrama(small, last, middle)
			reader := d.body("reader", 2, func(p party) error {
				x, err := d.load(p, d.keys[last])
				y, err2 := d.load(p, d.keys[last])
				if x != 1 && x != 9 || y != 9 && y != x {
					return fmt.Errorf("%d, then %d", x, y)
				}
				return errors.Join(err, err2)
			})
			return explore.Play{Bodies: []explore.Body{d.stores(1, last, 9), reader}, Finish: d.finish(nil)}
		}},
		{Name: "an entry comes into another chain under a reader", Quick: two, Full: explore.Limits{Switches: 3}, Play: func() explore.Play {
			// The chain is c, b, a; c's entry becomes d's, of another chain.
			d := newDrama(tight, last, middle, first)
			return explore.Play{
				Bodies: []explore.Body{d.replaces(1, first, other, 9), d.reads(2, last, 1)},
				Finish: d.finish(nil),
			}
		}},
		{Name: "an entry in the middle comes to the front under a reader", Quick: one, Full: two, Play: func() explore.Play {
			d := newDrama(tight, last, middle, first)
			return explore.Play{
				Bodies: []explore.Body{d.replaces(1, middle, fresh, 9), d.reads(2, last, 1), d.reads(3, middle, 2, 0)},
				Finish: d.finish(nil),
			}
		}},
		{Name: "an entry is used again under who lists", Quick: two, Full: two, Play: func() explore.Play {
			d := newDrama(tight, last, middle, first)
			return explore.Play{
				Bodies: []explore.Body{d.replaces(1, middle, other, 9), d.lists(2, map[int]uint64{last: 1, first: 3})},
				Finish: d.finish(nil),
			}
		}},
		{Name: "a key goes and comes back under who lists and who reads", Quick: one, Full: two, Play: func() explore.Play {
			d := newDrama(tight, last, first)
			return explore.Play{
				Bodies: []explore.Body{d.replaces(1, first, first, 9), d.lists(2, map[int]uint64{last: 1}), d.reads(3, first, 3, 0, 9)},
				Finish: d.finish(nil),
			}
		}},
		{Name: "two add to one key, and die", Quick: explore.Limits{Switches: 0, Kills: 1}, Full: explore.Limits{Switches: 1, Kills: 1}, Play: adding(2)},
		{Name: "two add to one key that is new, and both die", Quick: explore.Limits{Switches: 0, Kills: 1}, Full: explore.Limits{Switches: 0, Kills: 2}, Play: adding(2)},
		{Name: "store of a new key, who reads it, and a death", Quick: explore.Limits{Kills: 1}, Full: die, Play: func() explore.Play {
			d := newDrama(small, last)
			return explore.Play{
				Bodies: []explore.Body{d.stores(1, fresh, 9), d.reads(2, fresh, 0, 9), d.reads(3, last, 1)},
				Repair: d.Bury, Finish: d.finish(nil),
			}
		}},
		{Name: "the last place, and a death", Quick: die, Full: die, Play: func() explore.Play {
			// Two that store into different chains want the one free entry.
			d := newDrama(tight, last, middle)
			store := func(slot uint32, key int) explore.Body {
				return d.body("storer", slot, func(p party) error {
					err := d.store(p, d.keys[key], 9)
					if _, full := errors.AsType[*hashmap.Space](err); full {
						return nil
					}
					return err
				})
			}
			return explore.Play{
				Bodies: []explore.Body{store(1, first), store(2, other)}, Repair: d.Bury,
				Finish: d.finish(func(all map[string]uint64, dead []uint32) error {
					if len(all) < 2 || len(dead) == 0 && len(all) != 3 {
						return errors.New("nobody got the last place")
					}
					return nil
				}),
			}
		}},
		{Name: "the last place moves while one looks for it", Quick: two, Full: two, Play: func() explore.Play {
			// One entry is free at all times: first that in the middle, and then the last one.
			d := newDrama(tight, last, middle, first)
			if err := d.delete(d.join(9), d.keys[middle]); err != nil {
				panic(err)
			}
			return explore.Play{Bodies: []explore.Body{d.stores(1, other, 9), d.replaces(2, first, fresh, 9)}, Finish: d.finish(nil)}
		}},
		{Name: "a key comes and goes under who checks", Quick: explore.Limits{Switches: 3}, Full: explore.Limits{Switches: 3}, Play: func() explore.Play {
			d := &drama{world: newWorld(hashmap.Spec{Cap: 1, KeySize: 1, ValueSize: 8, Keys: hashmap.Fixed, Values: hashmap.Fixed})}
			return explore.Play{
				Bodies: []explore.Body{
					d.body("storer and deleter", 1, func(p party) error {
						return errors.Join(d.store(p, "k", 9), d.delete(p, "k"))
					}),
					{Name: "checker", Run: d.Faults},
				},
				Finish: func([]uint32) error { return d.Faults() },
			}
		}},
		{Name: "delete and store of one key, and a death", Quick: explore.Limits{Kills: 1}, Full: die, Play: func() explore.Play {
			d := newDrama(tight, last, middle, first)
			return explore.Play{
				Bodies: []explore.Body{d.deletes(1, middle), d.stores(2, middle, 9)}, Repair: d.Bury,
				Finish: d.finish(func(all map[string]uint64, _ []uint32) error {
					want := map[string]uint64{d.keys[last]: 1, d.keys[first]: 3}
					if n := all[d.keys[middle]]; n == 9 || n == 2 {
						want[d.keys[middle]] = n
					}
					if !maps.Equal(all, want) {
						return errors.New("something else was lost")
					}
					return nil
				}),
			}
		}},
		{Name: "a deleter dies, and its entry is used under a reader", Quick: explore.Limits{Kills: 1}, Full: die, Play: func() explore.Play {
			d := newDrama(tight, last, middle, first)
			return explore.Play{
				Bodies: []explore.Body{d.deletes(1, middle), d.reads(2, last, 1), d.body("storer", 3, func(p party) error {
					err := d.store(p, d.keys[other], 9)
					if _, full := errors.AsType[*hashmap.Space](err); full {
						return nil
					}
					return err
				})},
				Repair: d.Bury, Finish: d.finish(nil),
			}
		}},
	})
}

// adding has participants add 1 to one key that is new, and count that they did.
func adding(n uint32) func() explore.Play {
	return func() explore.Play {
		d := newDrama(small, last)
		added := uint64(0)
		play := explore.Play{Repair: d.Bury, Finish: d.finish(func(all map[string]uint64, dead []uint32) error {
			if x := all[d.keys[fresh]]; x < added || x > added+uint64(len(dead)) {
				return fmt.Errorf("%d were added, and %d died", added, len(dead))
			}
			return nil
		})}
		for slot := range n {
			play.Bodies = append(play.Bodies, d.body("adder", slot+1, func(p party) error {
				err := d.add(p, d.keys[fresh], 1)
				if err == nil {
					added++
				}
				return err
			}))
		}
		return play
	}
}

// TestProofFindsPlanted plants faults in how a map is changed.
func TestProofFindsPlanted(t *testing.T) {
	t.Run("live before it is whole", func(t *testing.T) {
		explore.MustFind(t, two, func() explore.Play {
			d := newDrama(small, last)
			return explore.Play{Bodies: []explore.Body{
				d.body("storer", 1, func(p party) error { p.PublishFirst([]byte(d.keys[fresh]), d.value(9)); return nil }),
				d.reads(2, fresh, 0, 9),
			}}
		})
	})
	t.Run("written without a word", func(t *testing.T) {
		explore.MustFind(t, explore.Limits{Switches: 2}, func() explore.Play {
			d := newDrama(small, last)
			return explore.Play{Bodies: []explore.Body{
				d.body("storer", 1, func(p party) error {
					p.ReplaceSilently([]byte(d.keys[last]), d.value(8))
					p.ReplaceSilently([]byte(d.keys[last]), d.value(9))
					return nil
				}),
				d.reads(2, last, 1, 8, 9),
			}}
		})
	})
	t.Run("free before its chain has changed", func(t *testing.T) {
		tight := small
		tight.Cap = 3
		explore.MustFind(t, explore.Limits{Switches: 3}, func() explore.Play {
			d := newDrama(tight, last, middle, first)
			return explore.Play{Bodies: []explore.Body{
				d.body("deleter", 1, func(p party) error { p.FreeFirst([]byte(d.keys[first])); return nil }),
				d.body("storer", 3, func(p party) error {
					err := d.store(p, d.keys[other], 9)
					if _, full := errors.AsType[*hashmap.Space](err); full {
						return nil
					}
					return err
				}),
				d.reads(2, last, 1),
			}}
		})
	})
}
