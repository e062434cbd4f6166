package event

import (
	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
)

// KindID is the number of the kind "event" in the directory.
const KindID = 9

// Kind returns the kind of object "event". It has no Spec.
func Kind() *object.Kind {
	return &object.Kind{
		ID:       KindID,
		Name:     "event",
		Size:     func(object.Shape) (int64, error) { return wordsSize, nil },
		Format:   func(r mem.Region, shape object.Shape) error { _, err := Attach(r, shape); return err },
		Attach:   func(r mem.Region, shape object.Shape) (object.Core, error) { return Attach(r, shape) },
		Describe: func(object.Shape) string { return "" },
	}
}

// Core is an event in a region, as any participant sees it.
type Core struct{ words *words }

// Attach returns the event in r.
func Attach(r mem.Region, _ object.Shape) (*Core, error) {
	w, err := mem.At[words](r, 0)
	if err != nil {
		return nil, err
	}
	return &Core{words: w}, nil
}

// Repair is object.Core's: whoever sleeps looks again.
func (c *Core) Repair(object.Dead) { cell.RepairEvent(&c.words.bell) }

// Leave is object.Core's. Nobody holds anything.
func (c *Core) Leave(uint32) {}

// Check is object.Core's. Any bytes are an event.
func (c *Core) Check(func(slot uint32) bool) []error { return nil }

// Holds is object.Core's. Nobody holds anything.
func (c *Core) Holds(func(object.Hold) bool) {}

// State is object.Core's.
func (c *Core) State() string {
	if c.words.state.Load()&up != 0 {
		return "set"
	}
	return "clear"
}
