package condition_test

import (
	"context"
	"errors"

	"github.com/shoal-ipc/shoal/internal/condition"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/stage"
)

const slots = 70 // so that a set has two words

// world is a mutex and a condition.
type world struct {
	*stage.Stage
	lock *stage.Stage
}

func newWorld(p robust.Policy) world {
	c, err1 := stage.Build(condition.Kind(), object.Spec{}, slots)
	m, err2 := stage.Build(robust.Kind(), object.Spec{uint64(p)}, slots)
	if err := errors.Join(err1, err2); err != nil {
		panic(err)
	}
	return world{c, m}
}

// party is one participant.
type party struct {
	*condition.Cond
	m *robust.Mutex
	stage.Party
}

func (w world) join(slot uint32) party {
	p := w.Join(slot)
	lock := w.lock.Join(slot)
	core, err := robust.Attach(w.lock.Region, w.lock.Shape)
	if err != nil {
		panic(err)
	}
	m := core.Mutex(p.Use, lock.Obj)
	c, err := condition.New(p.Use, p.Obj, m)
	if err != nil {
		panic(err)
	}
	return party{c, m, p}
}

// sibling is another handle of the same participant.
func (p party) sibling() party {
	c, err := condition.New(p.Use, p.Obj, p.m)
	if err != nil {
		panic(err)
	}
	return party{c, p.m, p.Party}
}

func (p party) wait(ctx context.Context) error {
	return p.Wait(ctx, func() error { return p.m.Lock(context.Background()) })
}

// Bury repairs both objects, the condition first.
func (w world) Bury(slots []uint32) {
	for _, slot := range slots {
		for _, exited := range []bool{false, true} {
			d := object.Dead{Slot: slot, Generation: 1, Exited: exited}
			w.Core.Repair(d)
			w.lock.Core.Repair(d)
		}
		w.Stage.Die(slot) // takes down who is dead
		w.lock.Die(slot)
	}
}

func (w world) Faults() error { return errors.Join(w.Stage.Faults(), w.lock.Faults()) }

// do runs f holding the mutex.
func (p party) do(f func() error) error {
	if err := p.m.Lock(context.Background()); err != nil {
		return err
	}
	err := f()
	return errors.Join(err, p.m.Unlock())
}
