package kv

import (
	"context"

	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/internal/hashmap"
	"github.com/shoal-ipc/shoal/internal/mem"
)

// Load returns the value of key. It takes no lock, does not wait for those that
// change something, not even for one that was stopped or killed half way, and does
// not allocate if a V has a fixed layout. It fails with ErrNotFound, fs.ErrClosed
// when the segment is closed here, a *shm.CorruptError, or, for a value that cannot
// be decoded, with the error of that.
func (m *Map[K, V]) Load(key K) (V, error) {
	var x V
	if !m.fixed {
		return m.loadSlow(key)
	}
	pinned := m.use.Pin()
	if pinned == nil {
		return x, m.closed()
	}
	_, err := m.table.Load(m.keys.bytes(&key), mem.BytesOf(&x))
	m.exit(pinned)
	if err != nil {
		var none V
		return none, m.missing(err)
	}
	if m.bools {
		m.normalize(&x)
	}
	return x, nil
}

// missing is fail, but quick for a key that is not there.
func (m *Map[K, V]) missing(err error) error {
	if err == ErrNotFound { //nolint:errorlint // that very one
		return err
	}
	return m.fail(err)
}

func (m *Map[K, V]) normalize(x *V) {
	if m.bools {
		m.codec.Layout().Normalize(mem.BytesOf(x))
	}
}

// loadSlow loads what has to be decoded. It is apart because a decoder takes x to
// the heap.
func (m *Map[K, V]) loadSlow(key K) (x V, err error) {
	pinned, err := m.enter()
	if err != nil {
		return x, err
	}
	defer m.exit(pinned)
	b := m.buffer()
	defer m.putBuffer(b)
	n, err := m.table.Load(m.keys.bytes(&key), *b)
	if err != nil {
		return x, m.missing(err)
	}
	err = m.decode((*b)[:n], &x)
	return x, err
}

// LoadOrStore returns the value of key, and true, if it is in the map. Else it
// stores x and returns x and false. If the key is there it takes no lock. Otherwise
// it waits, and fails, as Store does; and as Load does for what cannot be decoded.
// After an error the map is as it was.
func (m *Map[K, V]) LoadOrStore(ctx context.Context, key K, x V) (actual V, loaded bool, err error) {
	pinned, err := m.enter()
	if err != nil {
		return actual, false, err
	}
	defer m.exit(pinned)
	if err := m.table.Refusal(ctx); err != nil {
		return actual, false, m.fail(err)
	}
	if actual, err = m.Load(key); err != ErrNotFound { //nolint:errorlint // that very one
		return actual, err == nil, err
	}
	e, err := m.table.Enter(ctx, m.keys.bytes(&key))
	if err != nil {
		return actual, false, m.fail(err)
	}
	defer e.Leave()
	if e.Found() {
		actual, err = m.current(&e)
		return actual, err == nil, err
	}
	if err := m.put(&e, x); err != nil {
		return actual, false, err
	}
	return x, false, nil
}

// current returns the value of a key that is there and locked.
func (m *Map[K, V]) current(e *hashmap.Edit) (x V, err error) {
	if m.fixed {
		_, err = e.Load(mem.BytesOf(&x))
		m.normalize(&x)
		return x, m.fail(err)
	}
	return m.currentSlow(e)
}

func (m *Map[K, V]) currentSlow(e *hashmap.Edit) (x V, err error) {
	b := m.buffer()
	defer m.putBuffer(b)
	n, err := e.Load(*b)
	if err != nil {
		return x, m.fail(err)
	}
	err = m.decode((*b)[:n], &x)
	return x, err
}

// put makes x the value of a key that is locked.
func (m *Map[K, V]) put(e *hashmap.Edit, x V) error {
	if m.codec.Raw() {
		return m.fail(e.Store(m.codec.View(&x)))
	}
	return m.putSlow(e, x)
}

// putSlow is apart because an encoder takes x to the heap.
func (m *Map[K, V]) putSlow(e *hashmap.Edit, x V) error {
	b := m.buffer()
	defer m.putBuffer(b)
	var err error
	if *b, err = encode(m.codec, (*b)[:0], x); err != nil {
		return err
	}
	return m.fail(e.Store(*b))
}

func encode[V any](c *codec.Codec[V], buf []byte, x V) ([]byte, error) { return c.Append(buf, x) }

// buffer returns Spec.ValueSize bytes of this process: what lies in shared memory
// may change while it is looked at.
func (m *Map[K, V]) buffer() *[]byte {
	b := m.scratch.buffers.Get().(*[]byte) //nolint:errcheck // nothing else is put there
	if cap(*b) < m.spec.ValueSize {
		*b = make([]byte, m.spec.ValueSize)
	}
	*b = (*b)[:m.spec.ValueSize]
	return b
}

func (m *Map[K, V]) putBuffer(b *[]byte) { m.scratch.buffers.Put(b) }
