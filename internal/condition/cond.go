package condition

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// Cond is this process's side of a condition. Its methods may be called at once by
// any number of goroutines; they pin the mapping themselves.
type Cond struct {
	core  *Core
	use   *object.Use
	mutex *robust.Mutex
	point *wait.Point // of the process's bell; nil on a read-only segment
	desk  *desk
}

// New returns the process's side of the condition obj on data that m protects.
func New(use *object.Use, obj *object.Object, m *robust.Mutex) (*Cond, error) {
	core, err := Attach(obj.Region, obj.Shape)
	if err != nil {
		return nil, err
	}
	c := &Cond{core: core, use: use, mutex: m}
	if use.ReadOnly || int(use.Slot) >= len(core.places) {
		return c, nil
	}
	c.point = obj.Point(&core.places[use.Slot].bell)
	d, ok := obj.Local("condition.desk", func() any { return newDesk(core, use.Slot) }).(*desk)
	if !ok {
		panic("condition: another package took the desk's place")
	}
	c.desk = d
	return c, nil
}

// Holding returns nil if this process holds the mutex, or else what Wait would.
func (c *Cond) Holding() error {
	if err := c.mutex.Holding(); err != nil {
		return err
	}
	if c.desk == nil {
		return fmt.Errorf("lock: segment is open read-only: %w", fs.ErrPermission)
	}
	return nil
}

// Wait unlocks the mutex, waits for a signal, and locks the mutex again by lock.
// It fails with robust.ErrNotOwner if the process does not hold the mutex, with
// ctx.Err(), holding it, and with lock's error, not holding it.
func (c *Cond) Wait(ctx context.Context, lock func() error) error {
	m := c.use.Pin()
	if m == nil {
		return fs.ErrClosed
	}
	err := c.wait(ctx, lock)
	object.Unpin(m)
	return err
}

func (c *Cond) wait(ctx context.Context, lock func() error) error {
	if err := c.Holding(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	t := c.desk.enter(c.mutex.Deaths())
	if err := c.mutex.Unlock(); err != nil { // a goroutine of this process was quicker
		c.desk.resign(t, c.mutex.Deaths())
		return err
	}
	ended := c.await(ctx, t)
	err := lock()
	if err != nil {
		c.desk.resign(t, c.mutex.Deaths())
	} else if c.desk.leave(t, c.mutex.Deaths()) == waits {
		err = ended
	}
	c.core.ringNext()
	return err
}

// await returns nil when t is over, or why it did not wait for that.
func (c *Cond) await(ctx context.Context, t *ticket) error {
	select {
	case c.desk.leader <- struct{}{}:
		defer func() { <-c.desk.leader }()
		return c.lead(ctx, t)
	case <-t.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.use.Done():
		return fs.ErrClosed
	}
}

// lead sleeps on the bell, and tells the others what it hears, until t is over.
func (c *Cond) lead(ctx context.Context, t *ticket) error {
	for {
		bell := cell.Register(&c.core.places[c.use.Slot].bell)
		if c.desk.distribute(t, c.mutex.Deaths()) != waits {
			return nil
		}
		if err := c.point.Sleep(ctx, c.use.Party, bell, wait.Slice); err != nil {
			return err
		}
	}
}

// Signal wakes up to n that wait. It fails with robust.ErrNotOwner if the process
// does not hold the mutex.
func (c *Cond) Signal(n int) error {
	m := c.use.Pin()
	if m == nil {
		return fs.ErrClosed
	}
	err := c.Holding()
	for ; err == nil && n > 0; n-- {
		if !c.core.signal(0) {
			break
		}
	}
	object.Unpin(m)
	return err
}

// Broadcast wakes all that wait. It fails as Signal does.
func (c *Cond) Broadcast() error {
	m := c.use.Pin()
	if m == nil {
		return fs.ErrClosed
	}
	err := c.Holding()
	if err == nil {
		c.core.broadcast()
	}
	object.Unpin(m)
	return err
}
