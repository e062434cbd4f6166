package table

import (
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// KindID is the number of the kind "table" in the directory.
const KindID = 7

// Numbers of a table's Spec.
const (
	SpecLen    = 0 // mutexes
	SpecPolicy = 1 // a robust.Policy
)

// MaxLen is how many mutexes a table may have: repair looks at each.
const MaxLen = 1 << 20

// Kind returns the kind of object "table".
func Kind() *object.Kind {
	return &object.Kind{
		ID:     KindID,
		Name:   "table",
		Size:   size,
		Format: func(r mem.Region, shape object.Shape) error { _, err := Attach(r, shape); return err },
		Attach: func(r mem.Region, shape object.Shape) (object.Core, error) { return Attach(r, shape) },
		Describe: func(shape object.Shape) string {
			return fmt.Sprintf("len=%d onDeath=%s", shape.Spec[SpecLen], robust.Policy(shape.Spec[SpecPolicy]))
		},
	}
}

func size(shape object.Shape) (int64, error) {
	if _, err := robust.PolicyOf(shape.Spec[SpecPolicy]); err != nil {
		return 0, err
	}
	n := shape.Spec[SpecLen]
	if n < 1 || n > MaxLen {
		return 0, fmt.Errorf("lock: a table of %d mutexes, want 1 to %d: %w", n, MaxLen, fs.ErrInvalid)
	}
	return offset(int(n)), nil
}

// offset returns where mutex i lies.
func offset(i int) int64 { return headerSize + robust.WordsSize*int64(i) }

// Core is a table in a region, as any participant sees it.
type Core struct {
	head    *header
	mutexes []robust.Words
	policy  robust.Policy
}

// Attach returns the table in r. Zeros are one of which no number is taken.
func Attach(r mem.Region, shape object.Shape) (*Core, error) {
	if _, err := size(shape); err != nil {
		return nil, err
	}
	c := &Core{policy: robust.Policy(shape.Spec[SpecPolicy])}
	var err error
	if c.head, err = mem.At[header](r, 0); err != nil {
		return nil, err
	}
	c.mutexes, err = mem.Slice[robust.Words](r, headerSize, int64(shape.Spec[SpecLen]))
	return c, err
}

// Repair is object.Core's: numbers stay taken, whoever took them.
func (c *Core) Repair(d object.Dead) {
	for i := range c.mutexes {
		robust.RepairAllotted(&c.mutexes[i], c.policy, d)
	}
}

// Leave is object.Core's.
func (c *Core) Leave(slot uint32) {
	for i := range c.mutexes {
		robust.LeaveAllotted(&c.mutexes[i], c.policy, slot, 0)
	}
}

// Check is object.Core's.
func (c *Core) Check(live func(slot uint32) bool) []error {
	var errs []error
	for i := range c.mutexes {
		errs = append(errs, robust.CheckAllotted(&c.mutexes[i], c.policy, offset(i), live)...)
	}
	return errs
}

// Holds is object.Core's.
func (c *Core) Holds(yield func(object.Hold) bool) {
	for i := range c.mutexes {
		if !robust.Holds(&c.mutexes[i], yield) {
			return
		}
	}
}

// State is object.Core's.
func (c *Core) State() string {
	taken, locked, poisoned := 0, 0, 0
	for i := range c.mutexes {
		w := &c.mutexes[i]
		if w.Allotment().Taken() {
			taken++
		}
		switch slot, bad := w.Condition(); {
		case bad:
			poisoned++
		case slot != 0:
			locked++
		}
	}
	s := fmt.Sprintf("%d of %d taken", taken, len(c.mutexes))
	if locked > 0 {
		s += fmt.Sprintf(", %d locked", locked)
	}
	if poisoned > 0 {
		s += fmt.Sprintf(", %d poisoned", poisoned)
	}
	return s
}
