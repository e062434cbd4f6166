package lock

import (
	"context"
	"errors"

	"github.com/shoal-ipc/shoal/internal/object"
)

// What a Mutex does where the quick way, which is part of its callers' code, ends.

// lock is Lock the long way.
func (m *Mutex) lock(ctx context.Context) error {
	if m.core == nil {
		return errClosed()
	}
	var err error
	if m.quick.Use == nil {
		err = m.core.Lock(ctx)
	} else {
		err = m.core.LockLong(ctx)
	}
	if err != nil {
		return m.lockFailed(ctx, err)
	}
	return nil
}

// lockFailed repairs, if err asks for it, and makes err a public one.
func (m *Mutex) lockFailed(ctx context.Context, err error) error {
	if m.Repair != nil && errors.Is(err, ErrPoisoned) {
		err = m.core.LockRepaired(ctx, m.Repair)
	}
	return m.public(err)
}

// tryLock is TryLock the long way.
func (m *Mutex) tryLock() error {
	if m.core == nil {
		return errClosed()
	}
	err := m.core.TryLock()
	if err == nil || err == ErrLocked { //nolint:errorlint // identity: the quick way
		return err
	}
	if m.Repair != nil && errors.Is(err, ErrPoisoned) {
		err = m.core.TryLockRepaired(m.Repair)
	}
	return m.public(err)
}

// unlock is Unlock the long way.
func (m *Mutex) unlock() error {
	if m.core == nil {
		return errClosed()
	}
	if err := m.core.Unlock(); err != nil {
		return m.public(err)
	}
	return nil
}

// late gives back the mutex that was taken when the segment was just closed.
func (m *Mutex) late(mapping *object.Mapping) error {
	err := m.public(m.core.GiveBack())
	object.Unpin(mapping)
	return err
}
