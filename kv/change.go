package kv

import (
	"context"
	"errors"
	"reflect"

	"github.com/shoal-ipc/shoal/internal/hashmap"
	"github.com/shoal-ipc/shoal/internal/mem"
)

// Store makes x the value of key. It waits while another goroutine or process
// changes a key that shares its lock, which ctx.Err() (always if ctx is done, even
// if it need not wait) or, by Segment.Close, fs.ErrClosed ends. It fails with a
// *shm.SpaceError if key is new and there is no room for another entry (entries that
// others are just storing or deleting take room), or if key or x is too long; with
// the error of x's own encoding, fs.ErrPermission on a read-only segment, or a
// *shm.CorruptError. Then the map is as it was. If the process dies inside, the key
// has its old value, or none, or x.
func (m *Map[K, V]) Store(ctx context.Context, key K, x V) error {
	if !m.fixed {
		return m.storeSlow(ctx, key, x)
	}
	pinned := m.use.Pin()
	if pinned == nil {
		return m.closed()
	}
	err := m.table.Store(ctx, m.keys.bytes(&key), mem.BytesOf(&x))
	m.exit(pinned)
	if err != nil {
		return m.fail(err)
	}
	return nil
}

// storeSlow stores what has to be encoded, before it takes the lock.
func (m *Map[K, V]) storeSlow(ctx context.Context, key K, x V) error {
	pinned, err := m.enter()
	if err != nil {
		return err
	}
	defer m.exit(pinned)
	if err := m.table.Refusal(ctx); err != nil {
		return m.fail(err)
	}
	if m.codec.Raw() {
		return m.fail(m.table.Store(ctx, m.keys.bytes(&key), m.codec.View(&x)))
	}
	b := m.buffer()
	defer m.putBuffer(b)
	if *b, err = encode(m.codec, (*b)[:0], x); err != nil {
		return err
	}
	return m.fail(m.table.Store(ctx, m.keys.bytes(&key), *b))
}

// Delete removes key, if it is in the map: its room is free for another one. It
// waits, and fails, as Store does, but never for want of space. If the process dies
// inside, the key has its value, or is gone.
func (m *Map[K, V]) Delete(ctx context.Context, key K) error {
	pinned, err := m.enter()
	if err != nil {
		return err
	}
	err = m.table.Delete(ctx, m.keys.bytes(&key))
	m.exit(pinned)
	return m.fail(err)
}

// LoadAndDelete removes key and returns the value it had: of several that do so at
// once, one gets it. It fails with ErrNotFound, as Delete does, and as Load does for
// a value that cannot be decoded, which stays. If the process dies inside, the key
// has its value, or is gone with the process.
func (m *Map[K, V]) LoadAndDelete(ctx context.Context, key K) (x V, err error) {
	pinned, err := m.enter()
	if err != nil {
		return x, err
	}
	defer m.exit(pinned)
	e, err := m.table.Enter(ctx, m.keys.bytes(&key))
	if err != nil {
		return x, m.tooLong(err, ErrNotFound)
	}
	defer e.Leave()
	if !e.Found() {
		return x, ErrNotFound
	}
	if x, err = m.current(&e); err == nil {
		e.Delete()
	}
	return x, err
}

// tooLong returns none for a key that is too long to be in the map, and other
// errors of the table as they are for the user.
func (m *Map[K, V]) tooLong(err, none error) error {
	if _, long := errors.AsType[*hashmap.Space](err); long {
		return none
	}
	return m.fail(err)
}

// CompareAndSwap makes x the value of key if its value is old, and reports whether it
// did so; a key that is not there has no value. Values of fixed layout are compared
// by ==, others, decoded, as by reflect.DeepEqual. It waits, and fails, as Store and
// Load do, but not for a key that is not there.
func (m *Map[K, V]) CompareAndSwap(ctx context.Context, key K, old, x V) (swapped bool, err error) {
	pinned, err := m.enter()
	if err != nil {
		return false, err
	}
	defer m.exit(pinned)
	e, err := m.table.Enter(ctx, m.keys.bytes(&key))
	if err != nil {
		return false, m.tooLong(err, nil)
	}
	defer e.Leave()
	same, err := m.holds(&e, old)
	if err != nil || !same {
		return false, err
	}
	err = m.put(&e, x)
	return err == nil, err
}

// CompareAndDelete removes key if its value is old, and reports whether it did so. It
// compares as CompareAndSwap does, and waits, and fails, as Delete and Load do, but
// not for a key that is not there.
func (m *Map[K, V]) CompareAndDelete(ctx context.Context, key K, old V) (deleted bool, err error) {
	pinned, err := m.enter()
	if err != nil {
		return false, err
	}
	defer m.exit(pinned)
	e, err := m.table.Enter(ctx, m.keys.bytes(&key))
	if err != nil {
		return false, m.tooLong(err, nil)
	}
	defer e.Leave()
	same, err := m.holds(&e, old)
	if err != nil || !same {
		return false, err
	}
	e.Delete()
	return true, nil
}

// holds reports whether a key that is locked is there with the value old.
func (m *Map[K, V]) holds(e *hashmap.Edit, old V) (bool, error) {
	if !e.Found() {
		return false, nil
	}
	x, err := m.current(e)
	switch {
	case err != nil:
		return false, err
	case m.fixed:
		return any(x) == any(old), nil
	}
	return alike(x, old), nil
}

// alike is apart because it takes both to the heap.
func alike[V any](x, y V) bool { return reflect.DeepEqual(x, y) }
