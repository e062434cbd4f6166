package lock

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/rw"
	"github.com/shoal-ipc/shoal/shm"
)

// RWMutex admits many readers or one writer. Like a Mutex it is held by a process,
// for reading any number of times, and any goroutine of the process may end that.
// It is not reentrant, and cannot be upgraded: who asks for it again while it holds
// it may wait for ever, since new readers wait behind a writer that waits. Readers
// of different processes do not slow each other down. Its methods may be called at
// once by any number of goroutines and processes. A zero RWMutex is a closed one;
// UnmarshalText makes it one to use.
//
// A reader that dies is forgotten. A writer that dies is met as the owner of a
// Mutex is, by those who come to read too. Closing the segment counts as dying.
//
// What was done before an Unlock is seen after the Lock and RLock that it lets in,
// and what was done before an RUnlock after the Lock that it lets in.
//
// Every method fails with fs.ErrClosed after Segment.Close, with fs.ErrPermission
// on a read-only segment, and with a *shm.CorruptError if the lock's memory is
// damaged.
type RWMutex struct {
	// Repair is what Mutex.Repair is: called by Lock, RLock, their Try forms, Do and
	// RDo when a writer has died, while nobody else has the lock.
	Repair func() error

	base
	core *rw.Mutex
}

// CreateRWMutex makes the lock name in seg. It fails with fs.ErrExist if an object
// has that name, fs.ErrInvalid if the name or spec is impossible, or a
// *shm.SpaceError. It waits only for the segment's other structural changes.
func CreateRWMutex(ctx context.Context, seg *shm.Segment, name string, spec Spec) (*RWMutex, error) {
	return openRWMutex(ctx, seg, name, spec, handle.Create)
}

// OpenRWMutex opens the lock name in seg. It fails with fs.ErrNotExist if there is
// none, or a *shm.IncompatibleError if the name is another kind of object's.
func OpenRWMutex(ctx context.Context, seg *shm.Segment, name string) (*RWMutex, error) {
	return openRWMutex(ctx, seg, name, Spec{}, handle.Open)
}

// OpenOrCreateRWMutex opens the lock name in seg, held or not, or makes it. It
// fails with a *shm.IncompatibleError if there is one that differs in a field that
// spec names, and otherwise as CreateRWMutex and OpenRWMutex do.
func OpenOrCreateRWMutex(ctx context.Context, seg *shm.Segment, name string, spec Spec) (*RWMutex, error) {
	return openRWMutex(ctx, seg, name, spec, handle.OpenOrCreate)
}

func openRWMutex(ctx context.Context, seg *shm.Segment, name string, spec Spec, how verb) (*RWMutex, error) {
	req, err := spec.request(name, rw.Kind())
	if err != nil {
		return nil, err
	}
	h, err := how(ctx, seg, req)
	if err != nil {
		return nil, err
	}
	core, err := rw.New(handle.UseOf(&h), handle.ObjectOf(&h))
	if err != nil {
		return nil, fmt.Errorf("lock: open %q: %w", h.Name(), handle.Err(&h, err))
	}
	return &RWMutex{base: h, core: core}, nil
}

// UnmarshalText makes m the lock that text, from MarshalText of any process,
// names, and keeps Repair. It opens the segment once a process, and waits for that
// at most ten seconds. Nobody may use m meanwhile.
func (m *RWMutex) UnmarshalText(text []byte) error {
	opened, err := openText(text, OpenRWMutex)
	if err != nil {
		return err
	}
	m.base, m.core = opened.base, opened.core
	return nil
}

// Spec returns the geometry of the lock.
func (m *RWMutex) Spec() Spec {
	if m.core == nil {
		return Spec{}
	}
	return Spec{OnDeath: OnDeath(m.core.Policy())}
}

// locked locks the mutex of the writers, repairing it if need be.
func (m *RWMutex) locked(ctx context.Context) func(*robust.Mutex) error {
	return func(inner *robust.Mutex) error {
		err := inner.Lock(ctx)
		if m.Repair != nil && errors.Is(err, ErrPoisoned) {
			err = inner.LockRepaired(ctx, m.Repair)
		}
		return err
	}
}

// tried is locked without waiting.
func (m *RWMutex) tried(inner *robust.Mutex) error {
	err := inner.TryLock()
	if m.Repair != nil && errors.Is(err, ErrPoisoned) {
		err = inner.TryLockRepaired(m.Repair)
	}
	return err
}

// Lock waits until this process alone holds the lock. If a writer died: with
// Release it just returns; with Poison it first calls Repair, or fails with
// ErrPoisoned. ctx ends the wait with ctx.Err(), also if ctx is done already and
// the lock is free, and Segment.Close ends it with fs.ErrClosed. On any error the
// lock is not held. If the process dies inside, the lock is as before, or counts as
// held by it.
func (m *RWMutex) Lock(ctx context.Context) error {
	if m.core == nil {
		return errClosed()
	}
	return public(&m.base, m.core.Lock(ctx, m.locked(ctx)))
}

// TryLock is Lock without waiting: it fails with ErrLocked if anybody holds the
// lock, or it is left to somebody who has waited long. It does wait for Repair.
func (m *RWMutex) TryLock() error {
	if m.core == nil {
		return errClosed()
	}
	return public(&m.base, m.core.TryLock(m.tried))
}

// Unlock ends Lock. It fails with ErrNotOwner if this process does not hold the
// lock for writing, and changes nothing then. It never blocks.
func (m *RWMutex) Unlock() error {
	if m.core == nil {
		return errClosed()
	}
	return public(&m.base, m.core.Unlock())
}

// Do calls f holding the lock for writing, and unlocks it when f returns, panics or
// ends its goroutine. It returns Lock's error, without having called f, or else f's.
func (m *RWMutex) Do(ctx context.Context, f func() error) error {
	if m.core == nil {
		return errClosed()
	}
	mapping := handle.UseOf(&m.base).Pin()
	defer object.Unpin(mapping)
	if err := m.Lock(ctx); err != nil {
		return err
	}
	defer m.core.Drop() // also if f closes the segment
	return f()
}

// RLock waits until this process holds the lock for reading: while somebody holds
// it for writing, or waits to. A writer that died is met as in Lock. It fails as
// Lock does. If the process dies inside, it holds nothing.
func (m *RWMutex) RLock(ctx context.Context) error {
	if m.core == nil {
		return errClosed()
	}
	return public(&m.base, m.core.RLock(ctx, m.locked(ctx)))
}

// TryRLock is RLock without waiting: it fails with ErrLocked where RLock would
// wait. It does wait for Repair.
func (m *RWMutex) TryRLock() error {
	if m.core == nil {
		return errClosed()
	}
	return public(&m.base, m.core.TryRLock(m.tried))
}

// RUnlock ends one RLock. It fails with ErrNotOwner if this process holds the lock
// for reading no more often than it has ended that. It never blocks.
func (m *RWMutex) RUnlock() error {
	if m.core == nil {
		return errClosed()
	}
	return public(&m.base, m.core.RUnlock())
}

// RDo calls f holding the lock for reading, and ends that when f returns, panics or
// ends its goroutine. It returns RLock's error, without having called f, or else
// f's.
func (m *RWMutex) RDo(ctx context.Context, f func() error) error {
	if m.core == nil {
		return errClosed()
	}
	mapping := handle.UseOf(&m.base).Pin()
	defer object.Unpin(mapping)
	if err := m.RLock(ctx); err != nil {
		return err
	}
	defer m.core.RDrop() // also if f closes the segment
	return f()
}

// Recover repairs a lock that is poisoned, as Mutex.Recover does: nobody reads or
// writes meanwhile.
func (m *RWMutex) Recover(ctx context.Context, repair func() error) error {
	if m.core == nil {
		return errClosed()
	}
	return public(&m.base, m.core.Recover(ctx, repair))
}
