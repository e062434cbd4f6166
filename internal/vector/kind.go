// Package vector holds a fixed number of elements of one size: an array with a
// mutex of its own, or numbers with atomic operations.
package vector

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
	ArrayID  = 3
	AtomicID = 4
)

// Numbers of an array's Spec.
const (
	SpecLen    = 0 // elements
	SpecSize   = 1 // bytes of one
	SpecPolicy = 2 // a robust.Policy
)

const maxRegion = 1 << 46 // bytes; far from overflowing

// Kind returns the kind "array".
func Kind() *object.Kind {
	return &object.Kind{
		ID: ArrayID, Name: "array", Size: arraySize,
		Format: func(r mem.Region, shape object.Shape) error { _, err := Attach(r, shape); return err },
		Attach: func(r mem.Region, shape object.Shape) (object.Core, error) { return Attach(r, shape) },
		Describe: func(shape object.Shape) string {
			return fmt.Sprintf("len=%d size=%d onDeath=%s", shape.Spec[SpecLen], shape.Spec[SpecSize], robust.Policy(shape.Spec[SpecPolicy]))
		},
	}
}

// AtomicKind returns the kind "atomicarray".
func AtomicKind() *object.Kind {
	return &object.Kind{
		ID: AtomicID, Name: "atomicarray", Size: atomicSize,
		Format: func(r mem.Region, shape object.Shape) error { _, err := attachAtomic(r, shape); return err },
		Attach: attachAtomic,
		Describe: func(shape object.Shape) string {
			return fmt.Sprintf("len=%d size=%d", shape.Spec[SpecLen], shape.Spec[SpecSize])
		},
	}
}

// elementBytes returns how many bytes the elements take, a multiple of 8.
func elementBytes(shape object.Shape) (int64, error) {
	n, size := shape.Spec[SpecLen], shape.Spec[SpecSize]
	if n < 1 || n > maxRegion || size > maxRegion || (size > 0 && n > maxRegion/size) {
		return 0, fmt.Errorf("array: %d elements of %d bytes: %w", n, size, fs.ErrInvalid)
	}
	return mem.Align(int64(n*size), 8), nil
}

func arraySize(shape object.Shape) (int64, error) {
	if _, err := robust.PolicyOf(shape.Spec[SpecPolicy]); err != nil {
		return 0, err
	}
	n, err := elementBytes(shape)
	return headerSize + n, err
}

func atomicSize(shape object.Shape) (int64, error) {
	if size := shape.Spec[SpecSize]; size != 4 && size != 8 {
		return 0, fmt.Errorf("array: no number has %d bytes: %w", size, fs.ErrInvalid)
	}
	return elementBytes(shape)
}

// Core is an array without its type. A region of zeros is one of zeros.
type Core struct {
	header *header
	policy robust.Policy
	parts  parts
}

// Attach returns the array in r.
func Attach(r mem.Region, shape object.Shape) (*Core, error) {
	size, err := arraySize(shape)
	if err != nil {
		return nil, err
	}
	h, err := mem.At[header](r, 0)
	if err != nil {
		return nil, err
	}
	words, err := mem.Slice[satomic.Uint64](r, headerSize, (size-headerSize)/8)
	if err != nil {
		return nil, err
	}
	return &Core{
		header: h,
		policy: robust.Policy(shape.Spec[SpecPolicy]),
		parts:  parts{header: h, words: words, size: int64(shape.Spec[SpecSize]), n: int64(shape.Spec[SpecLen])},
	}, nil
}

// Repair is object.Core's.
func (c *Core) Repair(d object.Dead) {
	robust.Repair(&c.header.lock, c.policy, d)
	c.parts.repair(d)
}

// Leave is object.Core's. Only goroutines inside of an operation hold the lock
// of the parts, and they give it back themselves.
func (c *Core) Leave(slot uint32) { robust.Leave(&c.header.lock, c.policy, slot, 0) }

// Check is object.Core's.
func (c *Core) Check(live func(slot uint32) bool) []error {
	errs := robust.Check(&c.header.lock, c.policy, 0, live)
	return append(errs, c.parts.check(live)...)
}

// Holds is object.Core's.
func (c *Core) Holds(yield func(object.Hold) bool) {
	if robust.Holds(&c.header.lock, yield) {
		robust.Holds(&c.header.partsLock, yield)
	}
}

// State is object.Core's.
func (c *Core) State() string { return robust.State(&c.header.lock) }

// Mutex returns the array's own mutex, for use by this process.
func (c *Core) Mutex(use *object.Use, obj *object.Object) *robust.Mutex {
	return robust.New(&c.header.lock, c.policy, use, obj)
}

// Elements returns the elements of the array in obj as Ts.
func Elements[T any](obj *object.Object) ([]T, error) { return elements[T](obj, headerSize) }

// Numbers returns the elements of the atomic array in obj as Ts.
func Numbers[T any](obj *object.Object) ([]T, error) { return elements[T](obj, 0) }

func elements[T any](obj *object.Object, off int64) ([]T, error) {
	if stored := obj.Shape.Spec[SpecSize]; stored != uint64(mem.SizeOf[T]()) {
		return nil, mem.Corrupt("spec", -1, stored, mem.SizeOf[T]())
	}
	if _, err := elementBytes(obj.Shape); err != nil {
		return nil, err
	}
	return mem.Slice[T](obj.Region, off, int64(obj.Shape.Spec[SpecLen]))
}

// atomicCore is an atomic array: all its bytes are numbers, any of which is right.
type atomicCore struct{ shape object.Shape }

func attachAtomic(r mem.Region, shape object.Shape) (object.Core, error) {
	size, err := atomicSize(shape)
	if err == nil {
		_, err = r.Sub(0, size)
	}
	if err != nil {
		return nil, err
	}
	return atomicCore{shape}, nil
}

// Repair is object.Core's. Every operation is one atomic.
func (atomicCore) Repair(object.Dead) {}

// Leave is object.Core's. Nobody holds anything.
func (atomicCore) Leave(uint32) {}

// Check is object.Core's.
func (atomicCore) Check(func(slot uint32) bool) []error { return nil }

// Holds is object.Core's. Nobody holds anything.
func (atomicCore) Holds(func(object.Hold) bool) {}

// State is object.Core's.
func (c atomicCore) State() string { return fmt.Sprintf("%d numbers", c.shape.Spec[SpecLen]) }
