package lock

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/condition"
	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// Cond waits for a condition on data that a Mutex protects. It belongs to one
// mutex, which it is opened with. Its methods may be called at once by any number
// of goroutines and processes. A zero Cond is a closed one; UnmarshalText makes it
// one to use.
//
// Wait may return although nobody has woken it when a process has died: then the
// condition may have changed without anybody's saying so. So look at the condition
// in a loop, or use WaitFor.
//
// Every method fails with fs.ErrClosed after Segment.Close, with fs.ErrPermission
// on a read-only segment, and with ErrNotOwner if this process does not hold the
// mutex.
type Cond struct {
	base
	mutex *Mutex
	core  *condition.Cond
	lock  func() error // the mutex, whatever ctx says
}

// CreateCond makes the condition name in the segment of m. It fails with
// fs.ErrExist if an object has that name, fs.ErrInvalid if the name is impossible,
// or a *shm.SpaceError. It waits only for the segment's other structural changes.
func CreateCond(ctx context.Context, m *Mutex, name string) (*Cond, error) {
	return openCond(ctx, m, name, handle.Create)
}

// OpenCond opens the condition name in the segment of m. It fails with
// fs.ErrNotExist if there is none, or a *shm.IncompatibleError if the name is
// another kind of object's, or the condition belongs to another mutex.
func OpenCond(ctx context.Context, m *Mutex, name string) (*Cond, error) {
	return openCond(ctx, m, name, handle.Open)
}

// OpenOrCreateCond opens the condition name in the segment of m, or makes it. It
// fails as CreateCond and OpenCond do.
func OpenOrCreateCond(ctx context.Context, m *Mutex, name string) (*Cond, error) {
	return openCond(ctx, m, name, handle.OpenOrCreate)
}

func openCond(ctx context.Context, m *Mutex, name string, how verb) (*Cond, error) {
	if m == nil || m.core == nil {
		return nil, errClosed()
	}
	place := uint64(handle.ObjectOf(&m.base).Index)
	mutex := m.Name() + m.within()
	h, err := how(ctx, m.Segment(), object.Request{
		Name: name, Kind: condition.Kind(), Type: mutex, Spec: object.Spec{place},
		Match: func(stored string, spec object.Spec) *object.Mismatch {
			switch {
			case stored != mutex:
				return &object.Mismatch{Field: "Mutex", Have: stored, Want: mutex}
			case spec[0] != place: // it was removed, and another one has its name
				return &object.Mismatch{Field: "Mutex", Have: "an older " + stored, Want: mutex}
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	return attachCond(h, m)
}

func attachCond(h handle.Handle, m *Mutex) (*Cond, error) {
	core, err := condition.New(handle.UseOf(&h), handle.ObjectOf(&h), m.core)
	if err != nil {
		return nil, fmt.Errorf("lock: open %q: %w", h.Name(), handle.Err(&h, err))
	}
	return &Cond{base: h, mutex: m, core: core, lock: func() error { return m.Lock(context.Background()) }}, nil
}

// UnmarshalText makes c the condition that text, from MarshalText of any process,
// names, with a new handle on its mutex. It opens the segment once a process, and
// waits for that at most ten seconds. Nobody may use c meanwhile.
func (c *Cond) UnmarshalText(text []byte) error {
	opened, err := openText(text, openCondNamed)
	if err != nil {
		return err
	}
	*c = *opened
	return nil
}

// openCondNamed opens a condition with the mutex that is stored with it.
func openCondNamed(ctx context.Context, seg *shm.Segment, name string) (*Cond, error) {
	h, err := handle.Open(ctx, seg, object.Request{Name: name, Kind: condition.Kind()})
	if err != nil {
		return nil, err
	}
	m, err := openMutexNamed(ctx, seg, handle.ObjectOf(&h).Type)
	if err != nil {
		return nil, fmt.Errorf("lock: the mutex of %q: %w", name, err)
	}
	return OpenCond(ctx, m, name)
}

// Mutex returns the mutex that the condition was opened with.
func (c *Cond) Mutex() *Mutex { return c.mutex }

// Wait unlocks the mutex, waits to be woken and locks it again. It returns holding
// the mutex, also with ctx.Err(), for which it waits until it has the mutex back:
// only with ErrPoisoned, or the error of the mutex's Repair, and with fs.ErrClosed
// it does not hold it. With a ctx that is done already it does not unlock it. If
// the process dies inside, its being woken passes to another that waits.
func (c *Cond) Wait(ctx context.Context) error {
	if c.core == nil {
		return errClosed()
	}
	return public(&c.base, c.core.Wait(ctx, c.lock))
}

// WaitFor waits until ok returns true. ok runs holding the mutex: at once, and
// whenever Wait returns, also when that is because ctx is done; if it returns true
// then, WaitFor returns nil. Otherwise it fails as Wait does. If ok panics, the
// mutex is held.
func (c *Cond) WaitFor(ctx context.Context, ok func() bool) error {
	if c.core == nil {
		return errClosed()
	}
	if err := c.core.Holding(); err != nil {
		return public(&c.base, err)
	}
	if err := ctx.Err(); err != nil {
		ok()
		return err
	}
	for !ok() {
		err := c.Wait(ctx)
		if err == nil {
			continue
		}
		if err == ctx.Err() && ok() { //nolint:errorlint // itself: so the mutex is held
			return nil
		}
		return err
	}
	return nil
}

// Signal wakes one that waits, if any does. If that one dies before it has the
// mutex back, or gives up, another one is woken. It never blocks.
func (c *Cond) Signal() error { return c.SignalN(1) }

// SignalN wakes n that wait, or all if they are fewer; fs.ErrInvalid if n is
// negative. It never blocks.
func (c *Cond) SignalN(n int) error {
	if c.core == nil {
		return errClosed()
	}
	if n < 0 {
		return fmt.Errorf("lock: signal %d: %w", n, fs.ErrInvalid)
	}
	return public(&c.base, c.core.Signal(n))
}

// Broadcast wakes all that wait, one after the other as each has had the mutex
// back. It never blocks. If the process dies inside, all are woken.
func (c *Cond) Broadcast() error {
	if c.core == nil {
		return errClosed()
	}
	return public(&c.base, c.core.Broadcast())
}
