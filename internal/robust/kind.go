package robust

import (
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
)

// KindID is the number of the kind "mutex" in the directory.
const KindID = 5

// Kind returns the kind of an object that is one mutex. Its Spec[0] is the Policy.
func Kind() *object.Kind {
	return &object.Kind{
		ID:       KindID,
		Name:     "mutex",
		Size:     size,
		Format:   format,
		Attach:   func(r mem.Region, shape object.Shape) (object.Core, error) { return Attach(r, shape) },
		Describe: func(shape object.Shape) string { return "onDeath=" + Policy(shape.Spec[0]).String() },
	}
}

func size(shape object.Shape) (int64, error) {
	if _, err := PolicyOf(shape.Spec[0]); err != nil {
		return 0, err
	}
	return WordsSize, nil
}

// PolicyOf returns the Policy that a word of a spec names, or an error that is
// fs.ErrInvalid.
func PolicyOf(word uint64) (Policy, error) {
	if word != uint64(Poison) && word != uint64(Release) {
		return 0, fmt.Errorf("lock: %d is no OnDeath: %w", word, fs.ErrInvalid)
	}
	return Policy(word), nil
}

// format has nothing to do: zero words are an unlocked mutex.
func format(r mem.Region, shape object.Shape) error {
	_, err := Attach(r, shape)
	return err
}

// Core is an object that is one mutex.
type Core struct {
	Words  *Words
	Policy Policy
}

// Attach returns the mutex in r.
func Attach(r mem.Region, shape object.Shape) (*Core, error) {
	p, err := PolicyOf(shape.Spec[0])
	if err != nil {
		return nil, err
	}
	w, err := mem.At[Words](r, 0)
	if err != nil {
		return nil, err
	}
	return &Core{Words: w, Policy: p}, nil
}

// Repair is object.Core's.
func (c *Core) Repair(d object.Dead) { Repair(c.Words, c.Policy, d) }

// Leave is object.Core's.
func (c *Core) Leave(slot uint32) { Leave(c.Words, c.Policy, slot, 0) }

// Check is object.Core's.
func (c *Core) Check(live func(slot uint32) bool) []error {
	return Check(c.Words, c.Policy, 0, live)
}

// Holds is object.Core's.
func (c *Core) Holds(yield func(object.Hold) bool) { Holds(c.Words, yield) }

// State is object.Core's.
func (c *Core) State() string { return State(c.Words) }

// Mutex returns the process's side of the mutex.
func (c *Core) Mutex(use *object.Use, obj *object.Object) *Mutex {
	return New(c.Words, c.Policy, use, obj)
}
