//go:build shmcheck

package robust_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// drama is a mutex and the participants of one play with it.
type drama struct {
	*world
	data   satomic.Uint64 // what it protects
	inside uint32         // the slot that has it, as far as its user knows
	uses   []*object.Use
	fault  error
	// fixer is the slot that runs a repair of the data, or has died in one.
	fixer uint32
}

func newDrama(t *testing.T, p robust.Policy) *drama { return &drama{world: newWorld(t, p)} }

func (d *drama) enters(slot uint32) *party {
	p := d.join(slot)
	p.use.Board = nil // which is steps that change nothing
	d.uses = append(d.uses, p.use)
	return p
}

func (d *drama) wrong(format string, args ...any) {
	if d.fault == nil {
		d.fault = fmt.Errorf(format, args...)
	}
}

// works is what a user does who has the mutex.
func (d *drama) works(slot uint32) {
	if d.inside != 0 {
		d.wrong("%d is inside, and so is %d", slot, d.inside)
	}
	d.inside = slot
	d.data.Add(1)
	if d.inside != slot {
		d.wrong("%d came to %d, who is inside", d.inside, slot)
	}
	d.inside = 0
}

// fix is a repair of the data by slot: whoever was in one before is gone wholly.
func (d *drama) fix(slot uint32) error {
	if d.fixer != 0 && !d.exited(d.fixer) {
		d.wrong("%d repairs, and %d did and is not gone", slot, d.fixer)
	}
	if d.inside != 0 && !d.exited(d.inside) {
		d.wrong("%d repairs, and %d is inside", slot, d.inside)
	}
	d.fixer, d.inside = slot, 0
	d.data.Add(1)
	d.fixer = 0
	return nil
}

func (d *drama) exited(slot uint32) bool {
	select {
	case <-d.peers.of(slot):
		return true
	default:
		return false
	}
}

// locks is a body that uses the mutex so many times, waiting until ctx is done.
func (d *drama) locks(ctx context.Context, slot uint32, times int) explore.Body {
	p := d.enters(slot)
	return explore.Body{Name: fmt.Sprint("locker ", slot), Slot: slot, Run: func() error {
		for range times {
			if err := p.Lock(ctx); err != nil {
				return orNil(err, robust.ErrPoisoned, context.Canceled, fs.ErrClosed)
			}
			d.works(slot)
			if err := p.Unlock(); err != nil {
				return orNil(err, fs.ErrClosed, robust.ErrNotOwner)
			}
		}
		return d.fault
	}}
}

// tries is a body that uses the mutex if it can have it at once.
func (d *drama) tries(slot uint32) explore.Body {
	p := d.enters(slot)
	return explore.Body{Name: fmt.Sprint("trier ", slot), Slot: slot, Run: func() error {
		if err := p.TryLock(); err != nil {
			return orNil(err, robust.ErrPoisoned, robust.ErrLocked)
		}
		d.works(slot)
		return errors.Join(p.Unlock(), d.fault)
	}}
}

// mends is a body that uses the mutex and repairs it if need be.
func (d *drama) mends(slot uint32) explore.Body {
	p := d.enters(slot)
	return explore.Body{Name: fmt.Sprint("mender ", slot), Slot: slot, Run: func() error {
		if err := p.LockRepaired(context.Background(), func() error { return d.fix(slot) }); err != nil {
			return err
		}
		d.works(slot)
		return errors.Join(p.Unlock(), d.fault)
	}}
}

// recovers is a body that recovers the mutex.
func (d *drama) recovers(slot uint32) explore.Body {
	p := d.enters(slot)
	return explore.Body{Name: fmt.Sprint("recoverer ", slot), Slot: slot, Run: func() error {
		err := p.Recover(context.Background(), func() error { return d.fix(slot) })
		return errors.Join(orNil(err, fs.ErrClosed), d.fault)
	}}
}

// closes is a body that closes the segment of slot, whose body has ended then.
func (d *drama) closes(slot uint32, ended *bool) explore.Body {
	return explore.Body{Name: "close", Run: func() error {
		for _, u := range d.uses {
			if u.Slot == slot {
				u.End()
			}
		}
		robust.Leave(d.words, d.policy, slot, d.peers.Generation(slot))
		explore.Until(func() bool { return *ended })
		d.peers.exit(slot) // its slot is free only when no operation of it runs
		return nil
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

func orNil(err error, ok ...error) error {
	if slices.ContainsFunc(ok, func(e error) bool { return errors.Is(err, e) }) {
		return nil
	}
	return err
}

// repair is what is done about the dead, in two phases.
func (d *drama) repair(dead []uint32) {
	for _, slot := range dead {
		if d.inside == slot && d.policy == robust.Release {
			d.inside = 0
		}
		d.bury(slot)
	}
}

// end is a Finish: a survivor can have the mutex.
func (d *drama) end(dead []uint32) error {
	p := d.enters(8)
	lock := p.Lock
	if d.policy == robust.Poison {
		lock = func(ctx context.Context) error { return p.LockRepaired(ctx, func() error { return d.fix(8) }) }
	}
	if err := lock(context.Background()); err != nil {
		return err
	}
	d.works(8)
	if err := p.Unlock(); err != nil {
		return err
	}
	if x := d.words.Word() &^ (robust.Sleepers | robust.Starving); x != 0 {
		d.wrong("the word is %#x at the end", x)
	}
	if slot, _ := d.words.Culprit(); slot != 0 {
		d.wrong("%d is to blame at the end", slot)
	}
	errs := robust.Check(d.words, d.policy, 0, func(slot uint32) bool { return !slices.Contains(dead, slot) })
	return errors.Join(append(errs, d.fault)...)
}

// shut ends everybody's waits.
func (d *drama) shut() {
	for _, u := range d.uses {
		u.End()
	}
}

func (d *drama) play(bodies ...explore.Body) explore.Play {
	return explore.Play{Bodies: bodies, Repair: d.repair, Finish: d.end, Close: d.shut}
}

// TestProofSchedulesOfMutexes tries the orders of the steps of those who lock,
// wait, give up, die and repair.
func TestProofSchedulesOfMutexes(t *testing.T) {
	ctx := context.Background()
	scene := func(name string, quick, full explore.Limits, p robust.Policy, bodies func(d *drama) []explore.Body) explore.Scene {
		return explore.Scene{Name: fmt.Sprint(p, ", ", name), Quick: quick, Full: full, Play: func() explore.Play {
			d := newDrama(t, p)
			return d.play(bodies(d)...)
		}}
	}
	within := func(switches, kills int) explore.Limits { return explore.Limits{Switches: switches, Kills: kills} }
	threeLock := func(d *drama) []explore.Body {
		return []explore.Body{d.locks(ctx, 1, 1), d.locks(ctx, 2, 1), d.locks(ctx, 3, 1)}
	}
	twoLock := func(d *drama) []explore.Body { return []explore.Body{d.locks(ctx, 1, 2), d.locks(ctx, 2, 2)} }
	oneGivesUp := func(d *drama) []explore.Body {
		c, cancel := context.WithCancel(ctx)
		return []explore.Body{
			d.locks(ctx, 1, 1), d.locks(c, 2, 1), d.locks(ctx, 3, 1),
			{Name: "impatience", Run: func() error { cancel(); return nil }},
		}
	}
	closes := func(d *drama) []explore.Body {
		ended := false
		return []explore.Body{d.mends(1), then(d.locks(ctx, 2, 1), &ended), d.mends(3), d.closes(2, &ended)}
	}
	explore.Prove(t, []explore.Scene{
		scene("three lock", within(2, 0), within(3, 0), robust.Release, threeLock),
		scene("three lock, one dies", within(0, 1), within(2, 1), robust.Release, threeLock),
		scene("two lock twice", within(3, 0), within(5, 0), robust.Release, twoLock),
		scene("two lock twice, one dies", within(1, 1), within(3, 1), robust.Release, twoLock),
		scene("two lock, two die", within(0, 2), within(2, 2), robust.Release, func(d *drama) []explore.Body {
			return []explore.Body{d.locks(ctx, 1, 1), d.locks(ctx, 2, 1)}
		}),
		scene("two lock, one tries, one dies", within(1, 1), within(2, 1), robust.Release, func(d *drama) []explore.Body {
			return []explore.Body{d.locks(ctx, 1, 1), d.locks(ctx, 2, 1), d.tries(3)}
		}),
		scene("three lock, one gives up", within(1, 0), within(2, 0), robust.Release, oneGivesUp),
		scene("three lock, one gives up, one dies", within(0, 1), within(1, 1), robust.Release, oneGivesUp),
		scene("three lock, one closes", within(1, 0), within(2, 0), robust.Poison, closes),
		scene("a locker dies, two mend", within(1, 1), within(1, 1), robust.Poison, func(d *drama) []explore.Body {
			return []explore.Body{d.locks(ctx, 1, 1), d.mends(2), d.mends(3)}
		}),
		scene("two mend, two die", within(0, 2), within(1, 2), robust.Poison, func(d *drama) []explore.Body {
			return []explore.Body{d.mends(2), d.mends(3)}
		}),
		scene("poisoned, two recover, one locks", within(1, 1), within(1, 1), robust.Poison, func(d *drama) []explore.Body {
			d.words.Scribble(robust.Poisoned, 0, 0)
			return []explore.Body{d.recovers(1), d.recovers(2), d.locks(ctx, 3, 1)}
		}),
	})
}

// TestProofSchedulesOfCulprits has participant 1 begin a repair after 4, long
// dead, has poisoned the mutex. 2 closes the segment of 1 at any moment, repairs
// in its turn and may die at it: nobody repairs before 2 is gone wholly.
func TestProofSchedulesOfCulprits(t *testing.T) {
	explore.Prove(t, []explore.Scene{{
		Name: "a repair is closed, the next one dies", Quick: explore.Limits{Switches: 2, Kills: 1}, Full: explore.Limits{Switches: 3, Kills: 1},
		Play: func() explore.Play {
			d := newDrama(t, robust.Poison)
			d.words.Scribble(robust.Poisoned, 0, uint64(d.peers.Generation(4))<<32|4)
			d.peers.exit(4)
			atOnce := true
			first, closing, second := d.recovers(1), d.closes(1, &atOnce), d.recovers(2)
			first.Slot = 0
			recoverer := second.Run
			second.Run = func() error { return errors.Join(closing.Run(), recoverer()) }
			impatient := d.enters(5)
			play := d.play(first, second)
			play.Repair = func(dead []uint32) {
				for _, slot := range dead {
					robust.Repair(d.words, d.policy, object.Dead{Slot: slot, Generation: d.peers.Generation(slot)})
					if impatient.TryLockRepaired(func() error { return d.fix(5) }) == nil {
						_ = impatient.Unlock()
					}
					d.bury(slot)
				}
			}
			play.Finish = func(dead []uint32) error { d.peers.exit(1); return d.end(dead) }
			return play
		},
	}})
}

// TestProofSchedulesOfACloseWhileOneWaits closes the segment of one that waits for
// the mutex, as it is unlocked: it is poisoned only if that one was inside.
func TestProofSchedulesOfACloseWhileOneWaits(t *testing.T) {
	explore.Prove(t, []explore.Scene{{
		Name: "close, unlock and wait", Quick: explore.Limits{Switches: 2}, Full: explore.Limits{Switches: 4},
		Play: func() explore.Play {
			d := newDrama(t, robust.Poison)
			holder, waiter := d.enters(1), d.enters(2)
			d.mind(holder.Lock(context.Background()))
			ended, entered := false, false
			return d.play(
				explore.Body{Name: "waiter", Run: func() error {
					err := waiter.Lock(context.Background())
					entered = err == nil
					ended = true
					return orNil(err, fs.ErrClosed)
				}},
				explore.Body{Name: "holder", Run: func() error {
					explore.Until(func() bool { return ended || d.words.Word()&robust.Sleepers != 0 })
					return holder.Unlock()
				}},
				explore.Body{Name: "close", Run: func() error {
					d.close(waiter)
					explore.Until(func() bool { return ended })
					d.peers.exit(2)
					if x := d.words.Word(); x&robust.Poisoned != 0 && !entered {
						return fmt.Errorf("the word is %#x, and nobody was inside", x)
					}
					return nil
				}},
			)
		},
	}})
}

func (d *drama) mind(err error) {
	if err != nil {
		d.wrong("%w", err)
	}
}

// TestProofSchedulesOfCloses closes the segment of one that does something with the
// mutex, which another one uses.
func TestProofSchedulesOfCloses(t *testing.T) {
	ctx := context.Background()
	ops := map[string]func(d *drama, p *party) error{
		"lock": func(_ *drama, p *party) error { return errors.Join(p.Lock(ctx), p.Unlock()) },
		"try":  func(_ *drama, p *party) error { return p.TryLock() },
		"recover": func(d *drama, p *party) error {
			return p.Recover(ctx, func() error { return d.fixOpen(p) })
		},
		"lock and repair": func(d *drama, p *party) error {
			return errors.Join(p.LockRepaired(ctx, func() error { return d.fixOpen(p) }), p.Unlock())
		},
		"try and repair": func(d *drama, p *party) error { return p.TryLockRepaired(func() error { return d.fixOpen(p) }) },
	}
	var scenes []explore.Scene
	for _, state := range []uint32{0, robust.Poisoned} {
		for _, name := range slices.Sorted(maps.Keys(ops)) {
			op := ops[name]
			scenes = append(scenes, explore.Scene{
				Name: fmt.Sprintf("%s, word %#x", name, state), Quick: explore.Limits{Switches: 2}, Full: explore.Limits{Switches: 3},
				Play: func() explore.Play {
					d := newDrama(t, robust.Poison)
					d.words.Scribble(state, 0, 0)
					p, ended := d.enters(2), false
					return d.play(explore.Body{Name: "one", Run: func() error {
						err := op(d, p)
						ended = true
						return orNil(err, fs.ErrClosed, robust.ErrPoisoned, robust.ErrLocked, robust.ErrNotOwner)
					}}, d.mends(1), d.closes(2, &ended))
				},
			})
		}
	}
	explore.Prove(t, scenes)
}

// fixOpen is a repair by p, which does not begin after Close, which lets others in.
func (d *drama) fixOpen(p *party) error {
	if p.use.Closed() {
		d.wrong("%d repairs although the segment is closed", p.use.Slot)
	}
	return nil
}
