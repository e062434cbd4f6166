//go:build shmcheck

package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/kinds"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
)

// drama is the directory of a segment with one entry, which the participants of a
// play use again and again. Whoever changes it holds the segment's lock, which the
// kernel takes from the dead.
type drama struct {
	view   *view
	holder uint32 // of the lock
}

const atomicKind, valueKind = 2, 1

func newDrama(t *testing.T) *drama {
	t.Helper()
	f := fixed{slots: 4, entries: 1, maxSize: 64 << 10, lifetime: Persistent, backend: backendHeap}
	v, err := overlay(mem.Heap(f.maxSize), f)
	if err != nil {
		t.Fatal(err)
	}
	v.header.size.Store(uint64(f.maxSize))
	v.header.fresh.Store(uint64(v.geo.heapOff))
	return &drama{view: v}
}

// locked runs f with the segment's lock.
func (d *drama) locked(slot uint32, f func() error) error {
	explore.Until(func() bool { return d.holder == 0 })
	d.holder = slot
	err := f()
	d.holder = 0
	return err
}

// create makes the object name of a kind, and uses it as slot.
func (d *drama) create(slot uint32, name string, kind uint32) error {
	v, k := d.view, kinds.ByID(kind)
	v.reclaim()
	index, ok := v.freeEntry()
	if !ok {
		return ErrNoSpace
	}
	b := blueprint{req: object.Request{Name: name, Kind: k, Type: name}, index: index, pid: int(slot)}
	b.shape = object.Shape{Spec: object.Spec{8}, Slots: uint32(v.geo.slots)}
	var err error
	if b.region, err = k.Size(b.shape); err != nil {
		return err
	}
	b.size = mem.Align(int64(len(name)), extentAlign) + mem.Align(b.region, extentAlign)
	if b.off, _, ok = v.gap(b.size, v.maxSize); !ok {
		return ErrNoSpace
	}
	if _, err := v.build(b); err != nil {
		return err
	}
	v.commit(index)
	return nil
}

// replace is a body that removes an object and makes another one in its place.
func (d *drama) replace(slot uint32, old, name string, kind uint32) explore.Body {
	return explore.Body{Name: fmt.Sprint("creator ", slot), Slot: slot, Run: func() error {
		return d.locked(slot, func() error {
			if r, err := d.view.find(old); err == nil {
				d.view.remove(r)
			}
			err := d.create(slot, name, kind)
			if errors.Is(err, ErrNoSpace) {
				return nil // the other one has the entry
			}
			return err
		})
	}}
}

// finds is a body that looks for objects without the lock: what it finds is whole.
func (d *drama) finds(slot uint32, what map[string]uint32) explore.Body {
	return explore.Body{Name: "finder", Slot: slot, Run: func() error {
		for name, kind := range what {
			if err := d.found(name, kind); err != nil {
				return err
			}
		}
		return nil
	}}
}

func (d *drama) found(name string, kind uint32) error {
	r, err := d.view.find(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if r.name != name || r.typ != name || r.kindID != kind || r.spec != (object.Spec{8}) {
		return fmt.Errorf("found %q of kind %d, type %q, spec %v; want %q", r.name, r.kindID, r.typ, r.spec, name)
	}
	_, err = d.view.core(r)
	return err
}

// repair is what the next holder of the lock finds: nothing is half done.
func (d *drama) repair(dead []uint32) {
	for _, slot := range dead {
		if d.holder == slot {
			d.holder = 0
		}
		d.view.dropUser(0, slot)
	}
}

// alone waits until what other tests have closed is given back, which goroutines do
// when the collector comes: their steps would be taken for those of a body.
func alone(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); opened.ended.Load() > 0; runtime.GC() {
		if time.Now().After(end) {
			t.Fatalf("%d attachments are closed and in use", opened.ended.Load())
		}
		runtime.Gosched()
	}
}

// TestProofSchedulesOfTheDirectory tries the orders of the steps of those who look
// for objects while others, who may die, remove and create them.
func TestProofSchedulesOfTheDirectory(t *testing.T) {
	alone(t)
	play := func(looks map[string]uint32) func() explore.Play {
		return func() explore.Play {
			d := newDrama(t)
			err := d.create(1, "old", atomicKind)
			return explore.Play{
				Bodies: []explore.Body{d.replace(1, "old", "new", valueKind), d.finds(3, looks), d.replace(2, "old", "newer", atomicKind)},
				Repair: d.repair,
				Finish: func([]uint32) error {
					for name, kind := range map[string]uint32{"old": atomicKind, "new": valueKind, "newer": atomicKind} {
						if e := d.found(name, kind); e != nil {
							return e
						}
					}
					for _, name := range []string{"new", "newer"} {
						if r, e := d.view.find(name); e == nil {
							d.view.remove(r)
						}
					}
					return errors.Join(err, d.create(4, "last", valueKind), d.found("last", valueKind))
				},
			}
		}
	}
	explore.Prove(t, []explore.Scene{
		{
			Name: "replace, and look for the old", Quick: explore.Limits{Switches: 1}, Full: explore.Limits{Switches: 2},
			Play: play(map[string]uint32{"old": atomicKind}),
		},
		{
			Name: "replace, and look for the new", Quick: explore.Limits{Switches: 1}, Full: explore.Limits{Switches: 2},
			Play: play(map[string]uint32{"new": valueKind}),
		},
		{
			Name: "replace and look, one dies", Quick: explore.Limits{Switches: 0, Kills: 1}, Full: explore.Limits{Switches: 1, Kills: 1},
			Play: play(map[string]uint32{"newer": atomicKind}),
		},
	})
}
