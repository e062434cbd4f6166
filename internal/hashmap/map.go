package hashmap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// ErrNotFound says that a key is not in the map; package kv exports it.
var ErrNotFound = fmt.Errorf("kv: no such key: %w", fs.ErrNotExist)

var errReadOnly = fmt.Errorf("kv: segment is open read-only: %w", fs.ErrPermission)

// Map is this process's side of a map. Its methods may be called at once by any
// number of goroutines, which have pinned the mapping.
type Map struct {
	*Core
	use    *object.Use
	object *object.Object
	sync   *race.Token
	locks  []atomic.Pointer[robust.Mutex] // of the stripes, made when they are first wanted
}

// New returns the process's side of the map obj.
func New(use *object.Use, obj *object.Object) (*Map, error) {
	c, err := Attach(obj.Region, obj.Shape)
	if err != nil {
		return nil, err
	}
	return &Map{
		Core: c, use: use, object: obj, sync: obj.Sync,
		locks: make([]atomic.Pointer[robust.Mutex], len(c.stripes)),
	}, nil
}

// lock returns the lock of a stripe.
func (m *Map) lock(stripe uint32) *robust.Mutex {
	if l := m.locks[stripe].Load(); l != nil {
		return l
	}
	// Several may make one at once: they are all the same participant's.
	m.locks[stripe].CompareAndSwap(nil, robust.New(&m.stripes[stripe].lock, robust.Release, m.use, m.object))
	return m.locks[stripe].Load()
}

// Load copies the value of key to dst, which has room for Spec.ValueSize bytes,
// and returns how many it has. It fails with ErrNotFound or a *mem.Corruption. It
// waits for nobody, but for a moment if others change the chain again and again.
func (m *Map) Load(key, dst []byte) (int, error) {
	if int64(len(key)) > m.spec.KeySize {
		return 0, ErrNotFound
	}
	hash := m.hasher.hash(key)
	n, r := m.look(key, hash, dst)
	if r > present {
		var err error
		if n, r, err = m.lookSlow(key, hash, dst, n, r); err != nil {
			return 0, err
		}
	}
	m.sync.Acquire()
	if r == absent {
		return 0, ErrNotFound
	}
	return int(n), nil
}

const (
	lookTries  = 64                   // before the lock is asked for
	lookPause  = 2 * time.Millisecond // what the lock is waited for
	lookRounds = 64
)

// lookSlow looks until others let it, and between tries asks for the lock. A lock
// that is held for long (by a stopped process, or in Update) changes nothing, so
// that the next try succeeds: only bytes that no correct process writes bring it
// to its end without.
func (m *Map) lookSlow(key []byte, hash uint64, dst []byte, n int64, r result) (int64, result, error) {
	bucket := bucketOf(hash, m.places.buckets)
	for range lookRounds {
		for range lookTries {
			if r != moved {
				break
			}
			n, r = m.look(key, hash, dst)
		}
		if r == moved && m.lockBriefly(m.stripeOf(bucket)) {
			n, r = m.look(key, hash, dst)
			m.lock(m.stripeOf(bucket)).Drop()
			if r == moved {
				break
			}
		}
		switch r {
		case broken:
			return 0, r, m.faultIn(fault(n), bucket)
		case moved:
			runtime.Gosched()
		default:
			return n, r, nil
		}
	}
	return 0, broken, m.faultIn(faultUnsteady, bucket)
}

// lockBriefly takes the lock of a stripe if it is to be had soon.
func (m *Map) lockBriefly(stripe uint32) bool {
	if m.use.ReadOnly {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookPause)
	defer cancel()
	return m.lock(stripe).Lock(ctx) == nil
}

// Edit is a key whose stripe is locked, until Leave.
type Edit struct {
	m    *Map
	lock *robust.Mutex
	key  hashed
	spot spot
}

// Enter waits for the lock of key's stripe. It fails with ctx.Err(), fs.ErrClosed,
// fs.ErrPermission, a *mem.Corruption, or, if the key is too long, a *Space; then
// nothing is locked.
func (m *Map) Enter(ctx context.Context, key []byte) (Edit, error) {
	if err := m.Refusal(ctx); err != nil {
		return Edit{}, err
	}
	if err := m.fits(len(key), 0); err != nil {
		return Edit{}, err
	}
	e := Edit{m: m, key: hashed{key, m.hasher.hash(key)}}
	e.lock = m.lock(m.stripeOf(bucketOf(e.key.hash, m.places.buckets)))
	if err := e.lock.Lock(ctx); err != nil {
		return Edit{}, err
	}
	var err error
	if e.spot, err = m.find(key, e.key.hash); err != nil {
		e.lock.Drop()
		return Edit{}, err
	}
	return e, nil
}

// Refusal says why nothing can be changed, if so.
func (m *Map) Refusal(ctx context.Context) error {
	switch {
	case m.use.Closed():
		return fs.ErrClosed
	case m.use.ReadOnly:
		return errReadOnly
	}
	return ctx.Err()
}

// Stripe returns the number of the stripe, which is less than Map.Stripes.
func (e *Edit) Stripe() uint32 { return e.m.stripeOf(e.spot.bucket) }

// Leave gives the lock back.
func (e *Edit) Leave() { e.lock.Drop() }

// Found reports whether the key is in the map.
func (e *Edit) Found() bool { return e.spot.link != 0 }

// Closed reports whether the segment was closed since Enter.
func (e *Edit) Closed() bool { return e.m.use.Closed() }

// Load copies the value, which is there, to dst, as Map.Load does.
func (e *Edit) Load(dst []byte) (int, error) {
	i := e.spot.index()
	n := e.m.readCopy(dst, i, versionOf(e.m.entries.At(i).meta.Load()))
	if n > e.m.spec.ValueSize {
		return 0, e.m.faultIn(faultLength, e.spot.bucket)
	}
	return int(n), nil
}

// Store makes value that of the key, which is added if it is not there. It fails
// with a *Space.
func (e *Edit) Store(value []byte) error {
	m := e.m
	if err := m.fits(0, len(value)); err != nil {
		return err
	}
	if e.Found() {
		m.replace(e.spot.index(), value, m.sync)
		return nil
	}
	i, ok := m.claim(m.stripeOf(e.spot.bucket))
	if !ok {
		return m.errFull()
	}
	m.insert(e.spot, i, e.key, value, m.sync)
	return nil
}

// Delete removes the key, which is there.
func (e *Edit) Delete() { e.m.remove(e.spot, e.m.sync) }

// Store makes value that of key. It fails as Enter and Edit.Store do, and then
// nothing has changed.
func (m *Map) Store(ctx context.Context, key, value []byte) error {
	e, err := m.Enter(ctx, key)
	if err != nil {
		return err
	}
	err = e.Store(value)
	e.Leave()
	return err
}

// Delete removes key, if it is there. It fails as Enter does, but for a key that
// is too long to be there.
func (m *Map) Delete(ctx context.Context, key []byte) error {
	e, err := m.Enter(ctx, key)
	if err != nil {
		if _, long := errors.AsType[*Space](err); long {
			return nil
		}
		return err
	}
	if e.Found() {
		e.Delete()
	}
	e.Leave()
	return nil
}
