package kv

import (
	"iter"

	"github.com/shoal-ipc/shoal/internal/hashmap"
)

// Entry is a key and its value.
type Entry[K comparable, V any] struct {
	Key   K
	Value V
}

// All yields the entries in no particular order, each with a value that it had, whole,
// during the iteration: those that are there all the time exactly once, those that
// come or go meanwhile at most once. It takes no lock, and the map may be changed
// while it goes on, also by the loop's body. An entry that cannot be decoded, or what
// is damaged, is an error of its own (with the key, if that is known), and the
// iteration goes on; fs.ErrClosed is the last, after Segment.Close.
func (m *Map[K, V]) All() iter.Seq2[Entry[K, V], error] {
	return func(yield func(Entry[K, V], error) bool) {
		var none Entry[K, V]
		pinned, err := m.enter()
		if err != nil {
			yield(none, err)
			return
		}
		defer m.exit(pinned)
		chain := m.scratch.chains.Get().(*hashmap.Chain) //nolint:errcheck // nothing else is put there
		defer m.scratch.chains.Put(chain)
		for b := range m.table.Buckets() {
			if m.use.Closed() {
				yield(none, m.closed())
				return
			}
			if err := m.table.Collect(b, chain); err != nil {
				if !yield(none, m.fail(err)) {
					return
				}
				continue
			}
			if !m.each(chain, yield) {
				return
			}
		}
	}
}

// each yields the entries of a chain, and reports whether to go on.
func (m *Map[K, V]) each(chain *hashmap.Chain, yield func(Entry[K, V], error) bool) bool {
	for i := range chain.Len() {
		key, value := chain.At(i)
		e := Entry[K, V]{Key: m.keys.decode(key)}
		err := m.decode(value, &e.Value)
		if err != nil {
			e.Value = *new(V)
		}
		if !yield(e, err) {
			return false
		}
		if m.use.Closed() {
			yield(Entry[K, V]{}, m.closed())
			return false
		}
	}
	return true
}

func (m *Map[K, V]) decode(value []byte, x *V) error { return m.codec.Decode(value, x) }
