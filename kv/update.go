package kv

import (
	"context"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/hashmap"
	"github.com/shoal-ipc/shoal/internal/mem"
)

// Update calls f alone with the value of key, or, if found is false, with the zero V,
// and makes what f leaves there the value of key if f returns nil. If f returns an
// error, which is then Update's, or panics, or the process dies, or the segment is
// closed, the key is as it was. It waits, and fails, as Store and Load do, and others
// that change something may wait for f; those that load do not. f must not change
// the same map, because another key may share this one's lock, and not keep the
// pointer.
func (m *Map[K, V]) Update(ctx context.Context, key K, f func(x *V, found bool) error) error {
	pinned, err := m.enter()
	if err != nil {
		return err
	}
	defer m.exit(pinned)
	e, err := m.table.Enter(ctx, m.keys.bytes(&key))
	if err != nil {
		return m.fail(err)
	}
	defer e.Leave() // also if f panics or ends its goroutine
	if !m.fixed {
		return m.updateSlow(&e, f)
	}
	x := m.place(&e)
	if *x, err = m.orZero(&e); err != nil {
		return err
	}
	if err := f(x, e.Found()); err != nil {
		return err
	}
	return m.finish(&e, mem.BytesOf(x))
}

// place is where Update works on values of fixed layout.
func (m *Map[K, V]) place(e *hashmap.Edit) *V {
	p := &m.scratch.values[e.Stripe()]
	if x := p.Load(); x != nil {
		return x
	}
	x := new(V)
	p.Store(x)
	return x
}

// orZero returns the value of a key that is locked, or the zero V.
func (m *Map[K, V]) orZero(e *hashmap.Edit) (x V, err error) {
	if e.Found() {
		return m.current(e)
	}
	return x, nil
}

func (m *Map[K, V]) updateSlow(e *hashmap.Edit, f func(x *V, found bool) error) error {
	x, err := m.orZero(e)
	if err != nil {
		return err
	}
	if err := f(&x, e.Found()); err != nil {
		return err
	}
	b := m.buffer()
	defer m.putBuffer(b)
	if *b, err = encode(m.codec, (*b)[:0], x); err != nil {
		return err
	}
	return m.finish(e, *b)
}

// finish stores what Update's function has made, unless the segment was closed
// meanwhile.
func (m *Map[K, V]) finish(e *hashmap.Edit, value []byte) error {
	if e.Closed() {
		return m.closed()
	}
	return m.fail(e.Store(value))
}

// closed is the error of a handle whose segment is closed, or lost.
func (m *Map[K, V]) closed() error { return m.fail(fs.ErrClosed) }
