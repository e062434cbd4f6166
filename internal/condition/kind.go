package condition

import (
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// KindID is the number of the kind "cond" in the directory.
const KindID = 8

// Kind returns the kind of object "cond". Its type text names its mutex, and its
// Spec[0] is the mutex's place in the directory.
func Kind() *object.Kind {
	return &object.Kind{
		ID:       KindID,
		Name:     "cond",
		Size:     size,
		Format:   func(r mem.Region, shape object.Shape) error { _, err := Attach(r, shape); return err },
		Attach:   func(r mem.Region, shape object.Shape) (object.Core, error) { return Attach(r, shape) },
		Describe: func(object.Shape) string { return "" },
	}
}

func size(shape object.Shape) (int64, error) {
	if shape.Slots > maxSlots {
		return 0, fmt.Errorf("lock: %d participant slots, want at most %d: %w", shape.Slots, maxSlots, fs.ErrInvalid)
	}
	return geometryOf(shape.Slots).size, nil
}

// Core is a condition in a region, as any participant sees it.
type Core struct {
	head   *header
	ever   []satomic.Uint64 // set of the slots that have ever waited
	due    []satomic.Uint64 // set of the slots that a Broadcast has signalled but not rung
	places []place          // by slot
	geo    geometry
}

// Attach returns the condition in r. Zeros are one at rest.
func Attach(r mem.Region, shape object.Shape) (*Core, error) {
	if _, err := size(shape); err != nil {
		return nil, err
	}
	c := &Core{geo: geometryOf(shape.Slots)}
	var err error
	if c.head, err = mem.At[header](r, 0); err != nil {
		return nil, err
	}
	if c.ever, err = mem.Slice[satomic.Uint64](r, c.geo.everOff, c.geo.words); err != nil {
		return nil, err
	}
	if c.due, err = mem.Slice[satomic.Uint64](r, c.geo.dueOff, c.geo.words); err != nil {
		return nil, err
	}
	c.places, err = mem.Slice[place](r, c.geo.placesOff, c.geo.slots)
	return c, err
}

// Repair is object.Core's: the signals of the dead go to others. It rings all
// bells, in both phases: when the second one comes, the mutex was repaired.
func (c *Core) Repair(d object.Dead) {
	if d.Slot != 0 && int(d.Slot) < len(c.places) {
		c.forget(d.Slot)
	}
	c.ringAll()
}

// forget takes what the dead slot has of the condition.
func (c *Core) forget(slot uint32) {
	p := &c.places[slot]
	for {
		x := counts(p.counts.Load())
		next := x - counts(x.waiting()) // none that waits is signalled any more
		if x.signals() > 0 && x.signals() <= plausible {
			if next != x && !p.counts.CompareAndSwap(uint64(x), uint64(next)) {
				continue
			}
			if c.signal(slot) {
				p.counts.CompareAndSwap(uint64(next), uint64(next-oneSignal))
				continue
			}
			x = next // nobody waits
		}
		if x == 0 || p.counts.CompareAndSwap(uint64(x), 0) {
			break
		}
	}
	c.ever[slot/64].And(^bit(slot))
	c.due[slot/64].And(^bit(slot))
}

// Leave is object.Core's. Goroutines that wait give up themselves; but others may
// have to learn that the mutex was given back.
func (c *Core) Leave(uint32) { c.ringAll() }

func (c *Core) ringAll() {
	for slot := range c.slots(c.ever) {
		cell.RepairEvent(&c.places[slot].bell)
	}
}

// Check is object.Core's.
func (c *Core) Check(live func(slot uint32) bool) []error {
	var errs []error
	for slot := range c.places {
		x := counts(c.places[slot].counts.Load())
		switch off := c.geo.placesOff + int64(slot)*placeSize; {
		case x.waiting() > plausible || x.signals() > plausible:
			errs = append(errs, mem.Corrupt("cond.counts", off, fmt.Sprintf("%d wait, %d signals", x.waiting(), x.signals()), "fewer"))
		case x != 0 && (slot == 0 || !live(uint32(slot))) && c.places[slot].counts.Load() == uint64(x):
			errs = append(errs, mem.Corrupt("cond.counts", off, fmt.Sprintf("%d wait, %d signals", x.waiting(), x.signals()), "none of nobody"))
		}
	}
	return errs
}

// Holds is object.Core's. Nobody holds anything.
func (c *Core) Holds(func(object.Hold) bool) {}

// State is object.Core's.
func (c *Core) State() string {
	var waiting, signals uint64
	for slot := range c.places {
		x := counts(c.places[slot].counts.Load())
		waiting += uint64(x.waiting())
		signals += uint64(x.signals())
	}
	switch {
	case signals > 0:
		return fmt.Sprintf("%d wait, %d signalled", waiting, signals)
	case waiting > 0:
		return fmt.Sprintf("%d wait", waiting)
	}
	return "nobody waits"
}
