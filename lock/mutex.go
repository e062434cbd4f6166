package lock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/shm"
)

var (
	// ErrPoisoned is returned by Lock, TryLock and Do when a process died holding
	// the lock and nobody has repaired what it protects. The lock is not held.
	ErrPoisoned = robust.ErrPoisoned
	// ErrLocked is returned by TryLock where Lock would wait.
	ErrLocked = robust.ErrLocked
	// ErrNotOwner is returned by Unlock when this process does not hold the lock.
	ErrNotOwner = robust.ErrNotOwner
)

type base = handle.Handle

// Mutex excludes processes and goroutines from each other. It is not reentrant:
// a second Lock waits until some goroutine unlocks. It is no sync.Locker, because
// locking can fail. Its methods may be called at once by any number of goroutines
// and processes. A zero Mutex is a closed one; UnmarshalText makes it one to use.
//
// What was done before an Unlock is seen after the Lock that it lets in, and what
// a killed owner did before its end is seen by the repair, or the next owner.
//
// Every method but Holder fails with fs.ErrClosed after Segment.Close, with
// fs.ErrPermission on a read-only segment, and with a *shm.CorruptError if the
// mutex's memory is damaged.
type Mutex struct {
	// Repair, if not nil, is called by Lock, TryLock and Do, with the mutex held,
	// when a process has died holding it: once for each death, whoever comes
	// first. If it returns an error, panics, or its process dies, the mutex stays
	// poisoned, and its error is returned with ErrPoisoned; so it may find its own
	// half-done work the next time. It must not use the mutex. Set it before use:
	// it belongs to this handle, and does not travel.
	Repair func() error

	base
	core  *robust.Mutex
	quick robust.Quick
	// Of a mutex of a table: which one.
	number    int
	allotment robust.Allotment
}

var _ = handle.SetMutex(func(h handle.Handle, m *robust.Mutex) any { return newMutex(h, m) })

// CreateMutex makes the mutex name in seg. It fails with fs.ErrExist if an object
// has that name, fs.ErrInvalid if the name or spec is impossible, or a
// *shm.SpaceError. It waits only for the segment's other structural changes.
func CreateMutex(ctx context.Context, seg *shm.Segment, name string, spec Spec) (*Mutex, error) {
	return openMutex(ctx, seg, name, spec, handle.Create)
}

// OpenMutex opens the mutex name in seg. It fails with fs.ErrNotExist if there is
// none, or a *shm.IncompatibleError if the name is another kind of object's.
func OpenMutex(ctx context.Context, seg *shm.Segment, name string) (*Mutex, error) {
	return openMutex(ctx, seg, name, Spec{}, handle.Open)
}

// OpenOrCreateMutex opens the mutex name in seg, locked or not, or makes it. It
// fails with a *shm.IncompatibleError if there is one that differs in a field
// that spec names, and otherwise as CreateMutex and OpenMutex do.
func OpenOrCreateMutex(ctx context.Context, seg *shm.Segment, name string, spec Spec) (*Mutex, error) {
	return openMutex(ctx, seg, name, spec, handle.OpenOrCreate)
}

type verb func(ctx context.Context, seg *shm.Segment, req object.Request) (handle.Handle, error)

func openMutex(ctx context.Context, seg *shm.Segment, name string, spec Spec, how verb) (*Mutex, error) {
	req, err := spec.request(name, robust.Kind())
	if err != nil {
		return nil, err
	}
	h, err := how(ctx, seg, req)
	if err != nil {
		return nil, err
	}
	return attach(h)
}

// attach returns a handle on the mutex that is h's object, or its only one.
func attach(h handle.Handle) (*Mutex, error) {
	obj := handle.ObjectOf(&h)
	core, err := obj.Kind.Attach(obj.Region, obj.Shape)
	if err != nil {
		return nil, fmt.Errorf("lock: open %q: %w", h.Name(), handle.Err(&h, err))
	}
	owner, ok := core.(interface {
		Mutex(use *object.Use, obj *object.Object) *robust.Mutex
	})
	if !ok {
		return nil, fmt.Errorf("lock: open %q: a %s has no mutex: %w", h.Name(), obj.Kind.Name, fs.ErrInvalid)
	}
	return newMutex(h, owner.Mutex(handle.UseOf(&h), obj)), nil
}

func newMutex(h handle.Handle, m *robust.Mutex) *Mutex {
	return &Mutex{base: h, core: m, quick: m.Quick()}
}

// Spec returns the geometry of the mutex.
func (m *Mutex) Spec() Spec {
	if m.core == nil {
		return Spec{}
	}
	return Spec{OnDeath: OnDeath(m.core.Policy())}
}

// Lock waits until this process holds the mutex. If an owner died: with Release
// it just returns; with Poison it first calls Repair, or fails with ErrPoisoned.
// ctx ends the wait with ctx.Err(), also if ctx is done already and the mutex is
// free, and Segment.Close ends it with fs.ErrClosed; neither ends a Repair that
// has begun. On any error the mutex is not held. If the process dies inside, the
// mutex is as before, or counts as held by it.
func (m *Mutex) Lock(ctx context.Context) error {
	var err error
	object.Inline(m.quick.Use, func(u *object.Use) {
		if u != nil && ctx.Err() == nil {
			if mapping := u.Pin(); mapping != nil && m.quick.Take() {
				if u.Pin() != mapping { // which this keeps: see object.Mapping.Void
					err = m.late(mapping)
				} else if race.Enabled {
					m.quick.Taken()
				}
				return
			}
		}
		err = m.lock(ctx)
	})
	return err
}

// TryLock is Lock without waiting: it fails with ErrLocked if the mutex is held,
// or left to somebody who has waited long, or if what a killed owner left cannot
// be repaired yet. It does wait for Repair.
func (m *Mutex) TryLock() error {
	var err error
	object.Inline(m.quick.Use, func(u *object.Use) {
		if u != nil {
			if mapping := u.Pin(); mapping != nil && m.quick.Take() {
				if u.Pin() != mapping {
					err = m.late(mapping)
				} else if race.Enabled {
					m.quick.Taken()
				}
				return
			}
		}
		err = m.tryLock()
	})
	return err
}

// Unlock lets the next one in. It fails with ErrNotOwner if this process does not
// hold the mutex, and changes nothing then. Any goroutine of the process may
// unlock. It never blocks. If the process dies inside, the mutex is unlocked, or
// its owner has died.
func (m *Mutex) Unlock() error {
	var err error
	object.Inline(m.quick.Use, func(u *object.Use) {
		if u != nil {
			if mapping := u.Pin(); mapping != nil {
				if race.Enabled {
					m.quick.Giving()
				}
				if m.quick.Give() && !mapping.Void() {
					return
				}
			}
		}
		err = m.unlock()
	})
	return err
}

// Do calls f holding the mutex, and unlocks it when f returns, panics or ends its
// goroutine. It returns Lock's error, without having called f, or else f's. f must
// not unlock the mutex. If the process dies in f, its owner has died.
func (m *Mutex) Do(ctx context.Context, f func() error) error {
	if m.core == nil {
		return errClosed()
	}
	mapping := handle.UseOf(&m.base).Pin()
	defer object.Unpin(mapping)
	if err := m.Lock(ctx); err != nil {
		return err
	}
	defer m.core.Drop() // also if f closes the segment: the process may have another use of it, and so still hold the mutex
	return f()
}

// Recover repairs a poisoned mutex: it calls repair, with the mutex held, when the
// process that died holding it is gone wholly. If repair returns an error, which
// is then Recover's, or panics, or the process dies, the mutex stays poisoned: so
// repair may find its own half-done work the next time. Of racing calls one
// repairs and the others return nil after it; if the mutex is not poisoned,
// Recover returns nil at once. It waits as Lock does. The mutex is not held
// afterwards, and repair must not use it.
func (m *Mutex) Recover(ctx context.Context, repair func() error) error {
	if m.core == nil {
		return errClosed()
	}
	return m.public(m.core.Recover(ctx, repair))
}

// Holder returns who holds the mutex; if it is poisoned and nobody is repairing
// it, who died holding it: then Alive is false, and only Slot is known if another
// process has that slot by now. held is false, and p zero, if the mutex is free,
// or after Segment.Close. It is a hint: it may change at once. It takes no lock.
func (m *Mutex) Holder() (p shm.Participant, held bool) {
	if m.core == nil {
		return shm.Participant{}, false
	}
	slot, generation, dead := m.core.Holder()
	if slot == 0 {
		return shm.Participant{}, false
	}
	p, _ = object.Inside().Participant(m.Segment(), slot).(shm.Participant)
	if dead {
		now := handle.UseOf(&m.base).Peers.Generation(slot)
		if p.Alive && now != generation || now-generation > 1 { // another one's; a slot counts when it is freed
			return shm.Participant{Slot: int(slot)}, true
		}
		p.Alive = false
	}
	return p, true
}

// public makes err, of the algorithm, the one that the documentation names.
func (m *Mutex) public(err error) error { return public(&m.base, err) }

func public(h *handle.Handle, err error) error {
	if err == fs.ErrClosed { //nolint:errorlint // what is wrapped already says more
		err = errClosed()
	}
	return handle.Err(h, err)
}

// complain panics with the error of a call that has no other way to tell of it.
// Bytes that others spoilt, or a file that they cut off, are no reason to.
func complain(h *handle.Handle, err error) {
	if err = public(h, err); !errors.Is(err, shm.ErrCorrupt) {
		panic(err)
	}
}

func errClosed() error { return fmt.Errorf("lock: segment is closed: %w", fs.ErrClosed) }
