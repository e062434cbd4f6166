// Package cell holds one value that many processes read without a lock, and one
// number with atomic operations.
package cell

import (
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Numbers of the kinds in the directory.
const (
	ValueID  = 1
	AtomicID = 2
)

// Kind returns the kind "value". Its Spec[0] is the size of the value in bytes.
func Kind() *object.Kind {
	return &object.Kind{
		ID: ValueID, Name: "value", Size: valueSize,
		Format:   func(r mem.Region, shape object.Shape) error { _, err := AttachValue(r, shape); return err },
		Attach:   func(r mem.Region, shape object.Shape) (object.Core, error) { return AttachValue(r, shape) },
		Describe: func(shape object.Shape) string { return fmt.Sprintf("size=%d", shape.Spec[0]) },
	}
}

// AtomicKind returns the kind "atomic". Its Spec[0] is the size of the number in
// bytes, 4 or 8.
func AtomicKind() *object.Kind {
	return &object.Kind{
		ID: AtomicID, Name: "atomic", Size: atomicRegion,
		Format:   func(r mem.Region, shape object.Shape) error { _, err := AttachAtomic(r, shape); return err },
		Attach:   func(r mem.Region, shape object.Shape) (object.Core, error) { return AttachAtomic(r, shape) },
		Describe: func(shape object.Shape) string { return fmt.Sprintf("size=%d", shape.Spec[0]) },
	}
}

func valueSize(shape object.Shape) (int64, error) {
	if shape.Spec[0] > maxValueSize {
		return 0, fmt.Errorf("value: %d bytes are too many: %w", shape.Spec[0], fs.ErrInvalid)
	}
	return placeCopies(int64(shape.Spec[0])).end, nil
}

func atomicRegion(shape object.Shape) (int64, error) {
	if n := shape.Spec[0]; n != 4 && n != 8 {
		return 0, fmt.Errorf("value: no number has %d bytes: %w", n, fs.ErrInvalid)
	}
	return atomicSize, nil
}

// ValueCore is a value without its type. A region of zeros is one that holds zero.
type ValueCore struct {
	header *valueHeader
	copies [2][]satomic.Uint64
}

// AttachValue returns the value in r.
func AttachValue(r mem.Region, shape object.Shape) (*ValueCore, error) {
	if _, err := valueSize(shape); err != nil {
		return nil, err
	}
	h, err := mem.At[valueHeader](r, 0)
	if err != nil {
		return nil, err
	}
	c := &ValueCore{header: h}
	place := placeCopies(int64(shape.Spec[0]))
	for i, off := range [2]int64{place.first, place.second} {
		if c.copies[i], err = mem.Slice[satomic.Uint64](r, off, mem.WordsOf(int64(shape.Spec[0]))); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Repair is object.Core's. A writer that died before its commit leaves the old
// value and a copy that the next writer fills again.
func (c *ValueCore) Repair(d object.Dead) {
	robust.Repair(&c.header.lock, robust.Release, d)
	RepairEvent(&c.header.event)
}

// Leave is object.Core's. Only goroutines inside of Store and Update hold the
// lock, and they give it back themselves.
func (c *ValueCore) Leave(uint32) {}

// Check is object.Core's.
func (c *ValueCore) Check(live func(slot uint32) bool) []error {
	errs := robust.Check(&c.header.lock, robust.Release, mem.CacheLine, live)
	const tries = 1000 // of two loads; writers may come in between
	var version, busy uint64
	for range tries {
		version = c.header.version.Load()
		busy = c.header.busy.Load()
		if busy-version <= 1 {
			return errs
		}
	}
	return append(errs, mem.Corrupt("value.busy", 8, busy, fmt.Sprintf("%d or one more", version)))
}

// Holds is object.Core's: a writer.
func (c *ValueCore) Holds(yield func(object.Hold) bool) {
	robust.Holds(&c.header.lock, yield)
}

// State is object.Core's.
func (c *ValueCore) State() string {
	return fmt.Sprintf("stored %d times", c.header.version.Load())
}

// AtomicCore is an atomic without its type.
type AtomicCore struct{ words *atomicWords }

// AttachAtomic returns the atomic in r.
func AttachAtomic(r mem.Region, shape object.Shape) (*AtomicCore, error) {
	if _, err := atomicRegion(shape); err != nil {
		return nil, err
	}
	w, err := mem.At[atomicWords](r, 0)
	if err != nil {
		return nil, err
	}
	return &AtomicCore{words: w}, nil
}

// Repair is object.Core's: whoever waits looks at the number again.
func (c *AtomicCore) Repair(object.Dead) { RepairEvent(&c.words.event) }

// Leave is object.Core's. Nobody holds anything.
func (c *AtomicCore) Leave(uint32) {}

// Check is object.Core's. Any number is right.
func (c *AtomicCore) Check(func(slot uint32) bool) []error { return nil }

// Holds is object.Core's. Nobody holds anything.
func (c *AtomicCore) Holds(func(object.Hold) bool) {}

// State is object.Core's.
func (c *AtomicCore) State() string {
	x := c.words.value.Load()
	return fmt.Sprintf("%d (%#x)", x, x)
}
