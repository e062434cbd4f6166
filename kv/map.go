package kv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/hashmap"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// ErrNotFound is returned by Load and LoadAndDelete for a key that is not in the
// map. It is fs.ErrNotExist, too.
var ErrNotFound = hashmap.ErrNotFound

type base = handle.Handle

// Map is a map of a fixed number of entries that processes share. A K is of kind
// string, or of a fixed layout without floats and padding, so that keys are equal
// if their bytes are. A V of fixed layout lies in the map as its bytes, as do
// []byte and string; a V with MarshalBinary (or AppendBinary) and UnmarshalBinary
// is encoded by these; any other V as CBOR, fields by name.
//
// Its methods may be called at once by any number of goroutines and processes. What
// was done before a change of a key is seen by who meets that change. Those that
// change something wait for others that change something, of the same key or of
// one that happens to share its lock. If a process dies inside any of them, its key
// has the old value or the new one, and the others go on after its repair.
//
// A zero Map is a closed one.
type Map[K comparable, V any] struct {
	base
	use     *object.Use
	table   *hashmap.Map
	keys    keys[K]
	codec   *codec.Codec[V]
	spec    Spec
	fixed   bool // a V has a fixed layout
	bools   bool // with bools in it
	scratch *scratch[V]
}

// scratch is memory of this process that operations use again.
type scratch[V any] struct {
	values  []atomic.Pointer[V] // where Update works, one for each stripe: who has its lock uses it
	buffers sync.Pool           // of *[]byte
	chains  sync.Pool           // of *hashmap.Chain
}

// Create makes an empty map. It fails with fs.ErrExist if the name is taken,
// fs.ErrInvalid if the name or spec is impossible, a *shm.TypeError if a K cannot be
// a key or a V cannot be encoded, a *shm.SpaceError if it does not fit. If the
// process dies inside, the map is there as a whole or not at all.
func Create[K comparable, V any](ctx context.Context, seg *shm.Segment, name string, spec Spec) (*Map[K, V], error) {
	return open[K, V](ctx, seg, name, spec, handle.Create)
}

// Open opens a map that exists, else fs.ErrNotExist. An object of another kind, or
// a map of other keys or values, is a *shm.IncompatibleError.
func Open[K comparable, V any](ctx context.Context, seg *shm.Segment, name string) (*Map[K, V], error) {
	return open[K, V](ctx, seg, name, Spec{}, handle.Open)
}

// OpenOrCreate opens the map, which keeps its entries, or makes an empty one. If
// there is one that differs from a field that spec sets, that is a
// *shm.IncompatibleError. Otherwise it fails as Open and Create do.
func OpenOrCreate[K comparable, V any](ctx context.Context, seg *shm.Segment, name string, spec Spec) (*Map[K, V], error) {
	return open[K, V](ctx, seg, name, spec, handle.OpenOrCreate)
}

type verb func(ctx context.Context, seg *shm.Segment, req object.Request) (handle.Handle, error)

func open[K comparable, V any](ctx context.Context, seg *shm.Segment, name string, spec Spec, how verb) (*Map[K, V], error) {
	k, err := keysOf[K]()
	if err != nil {
		return nil, err
	}
	c, err := codec.For[V]()
	if err != nil {
		return nil, handle.TypeErr(err)
	}
	of := sizes{key: k.size(), value: valueSize(c)}
	g, err := spec.geometry(of)
	if err != nil {
		return nil, err
	}
	h, err := how(ctx, seg, request(k.name(), c.Name(), name, spec, g))
	if err != nil {
		return nil, err
	}
	m := &Map[K, V]{base: h, use: handle.UseOf(&h), keys: k, codec: c}
	if l := c.Layout(); l != nil {
		m.fixed, m.bools = true, l.HasBools()
	}
	if err := m.attach(of); err != nil {
		return nil, fmt.Errorf("kv: open %q: %w", name, m.fail(err))
	}
	return m, nil
}

func (m *Map[K, V]) attach(of sizes) error {
	t, err := hashmap.New(m.use, handle.ObjectOf(&m.base))
	if err != nil {
		return err
	}
	m.table, m.spec = t, specOf(t.Spec())
	m.scratch = &scratch[V]{values: make([]atomic.Pointer[V], t.Stripes())}
	m.scratch.buffers.New = func() any { b := make([]byte, m.spec.ValueSize); return &b }
	m.scratch.chains.New = func() any { return new(hashmap.Chain) }
	return of.fitting(t.Spec())
}

// UnmarshalText makes m the map that text, from MarshalText of any process, names.
// It opens the segment if need be, and waits for that at most ten seconds. Nobody
// may use m meanwhile.
func (m *Map[K, V]) UnmarshalText(text []byte) error {
	seg, name, err := handle.Unmarshal(text)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), unmarshalWait)
	defer cancel()
	opened, err := Open[K, V](ctx, seg, name)
	if err != nil {
		return err
	}
	*m = *opened
	return nil
}

const unmarshalWait = 10 * time.Second

// Spec returns the geometry of the map, also after Close.
func (m *Map[K, V]) Spec() Spec { return m.spec }

// Cap returns how many entries fit; zero after Close.
func (m *Map[K, V]) Cap() int {
	if m.use == nil || m.use.Closed() {
		return 0
	}
	return m.spec.Cap
}

// Len returns the number of entries, between 0 and Cap; zero after Close. It is
// exact while nobody changes the map.
func (m *Map[K, V]) Len() int {
	if m.use == nil {
		return 0
	}
	pinned := m.use.Pin()
	if pinned == nil {
		return 0
	}
	n := m.table.Len()
	m.exit(pinned)
	return n
}

// enter begins an operation, which exit ends.
func (m *Map[K, V]) enter() (*object.Mapping, error) {
	if m.use == nil {
		return nil, errClosed()
	}
	pinned := m.use.Pin()
	if pinned == nil {
		return nil, m.fail(fs.ErrClosed)
	}
	return pinned, nil
}

// exit ends what enter, or Pin, began.
func (m *Map[K, V]) exit(pinned *object.Mapping) {
	object.Unpin(pinned)
	runtime.KeepAlive(m) // and the object with it
}

func errClosed() error { return fmt.Errorf("kv: segment is closed: %w", fs.ErrClosed) }

// fail translates an error of the table.
func (m *Map[K, V]) fail(err error) error {
	if err == nil {
		return nil
	}
	if s, ok := errors.AsType[*hashmap.Space](err); ok {
		return &shm.SpaceError{Segment: m.Segment().Name(), Object: m.Name(), Need: s.Need, Free: s.Free, Limit: s.Limit}
	}
	err = handle.Err(&m.base, err)
	if err == fs.ErrClosed { //nolint:errorlint // what is wrapped already says more
		return errClosed()
	}
	return err
}
