package cell

import (
	"context"
	"io/fs"
	"runtime"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// Value is this process's side of a value.
//
// A writer, alone by the lock, fills the copy that is not current and then makes
// it current by one store of version:
//
//	Store: lock; v = version; busy = v+1; copy[(v+1)&1] = x; version = v+1; unlock
//	Load:  v = version; x = copy[v&1]; valid if busy is v or v+1
//
// What Load copies is overwritten only by the writer of v+2, who sets busy to v+2
// first. So a reader fails only if a whole publication, and the beginning of the
// next one, fall into its copying; one publication does it no harm.
//
//	dies after                  survivors see     outcome
//	taking the lock             the old value     repair frees the lock
//	busy, or within the copy    the old value     the next writer fills the same copy again
//	version                     the new value     repair frees the lock and wakes those who wait
//
// Bytes that no correct process writes to version and busy choose one of the two
// copies, and no other memory.
type Value struct {
	*ValueCore
	*Watcher
	use   *object.Use
	mutex *robust.Mutex
	sync  *race.Token
}

// OpenValue returns this process's side of obj, a value of size bytes.
func OpenValue(use *object.Use, obj *object.Object, size int64) (*Value, error) {
	if stored := obj.Shape.Spec[0]; stored != uint64(size) {
		return nil, mem.Corrupt("spec", -1, stored, size)
	}
	core, err := AttachValue(obj.Region, obj.Shape)
	if err != nil {
		return nil, err
	}
	return &Value{
		ValueCore: core,
		Watcher:   NewWatcher(obj, &core.header.event),
		use:       use,
		mutex:     robust.New(&core.header.lock, robust.Release, use, obj),
		sync:      obj.Sync,
	}, nil
}

// InitValue stores x in a fresh region, before anybody else can see it.
func InitValue[T any](r mem.Region, shape object.Shape, x *T) error {
	c, err := AttachValue(r, shape)
	if err == nil {
		mem.CopyIn(c.copies[0], x)
	}
	return err
}

// Version returns the number of publications.
func (v *Value) Version() uint64 { return v.header.version.Load() }

// Load copies the value to *dst and returns its version. The mapping is pinned.
func Load[T any](v *Value, dst *T) uint64 {
	version := v.header.version.Load() // pairs with: cell.value.version (publish)
	mem.CopyOut(dst, v.copies[version&1])
	if busy := v.header.busy.Load(); busy-version > 1 { // pairs with: cell.value.busy (publish)
		version = loadSlow(v, dst)
	}
	v.sync.Acquire()
	return version
}

const (
	loadTries  = 64                   // before the lock is asked for
	loadPause  = 2 * time.Millisecond // what the lock is waited for: long enough that others make way
	loadRounds = 256
)

// loadSlow is Load when writers are quicker than this reader: it keeps trying,
// and between tries asks for the lock, which nobody holds for long who publishes
// so often. A lock that is held for long (by a stopped writer, or in Update)
// publishes nothing, so that the next try succeeds. Only bytes that no correct
// process writes bring it to its end without, and then any copy is as good.
func loadSlow[T any](v *Value, dst *T) uint64 {
	var version uint64
	for range loadRounds {
		oldVersion, oldBusy := v.header.version.Load(), v.header.busy.Load()
		for range loadTries {
			version = v.header.version.Load()
			mem.CopyOut(dst, v.copies[version&1])
			if v.header.busy.Load()-version <= 1 {
				return version
			}
		}
		if v.lockBriefly() {
			version = v.header.version.Load()
			mem.CopyOut(dst, v.copies[version&1])
			v.mutex.Drop()
			return version
		}
		if v.header.version.Load() == oldVersion && v.header.busy.Load() == oldBusy {
			return version // nobody publishes, and still the two do not fit
		}
		runtime.Gosched()
	}
	return version
}

func (v *Value) lockBriefly() bool {
	if v.use.ReadOnly {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), loadPause)
	defer cancel()
	return v.mutex.Lock(ctx) == nil
}

// Store publishes *x. It fails with ctx.Err(), fs.ErrClosed, fs.ErrPermission or
// a *mem.Corruption, and then the value is what it was.
func Store[T any](ctx context.Context, v *Value, x *T) error {
	m := v.use.Pin()
	err := v.mutex.Lock(ctx)
	if err == nil {
		publish(v, x)
		v.mutex.Drop()
		if Flagged(&v.header.event) {
			Notify(&v.header.event)
		}
	}
	object.Unpin(m)
	return err
}

// Update calls f alone among the writers, with the value in *tmp, and publishes
// what f leaves there if f returns nil. Only the holder of the lock uses *tmp.
func Update[T any](ctx context.Context, v *Value, l *mem.Layout, tmp *T, f func(*T) error) error {
	m := v.use.Pin()
	defer object.Unpin(m)
	if err := v.mutex.Lock(ctx); err != nil {
		return err
	}
	err := updateLocked(v, l, tmp, f)
	if err == nil {
		Notify(&v.header.event)
	}
	return err
}

func updateLocked[T any](v *Value, l *mem.Layout, tmp *T, f func(*T) error) error {
	defer v.mutex.Drop() // also if f panics or ends its goroutine
	mem.CopyOut(tmp, v.copies[v.header.version.Load()&1])
	l.Normalize(mem.BytesOf(tmp))
	if err := f(tmp); err != nil {
		return err
	}
	if v.use.Closed() {
		return fs.ErrClosed
	}
	publish(v, tmp)
	return nil
}

// publish makes *x the value. The lock is held. Plain stores do: they are seen in
// their order, and nothing shared is read before the lock is let go, by an instruction
// that is a fence. Only a large copy, whose stores may be of a kind that overtakes
// others, waits for busy to be seen.
func publish[T any](v *Value, x *T) {
	next := v.header.version.Load() + 1
	if mem.SizeOf[T]() < mem.Large {
		v.header.busy.Publish(next) // commit; pairs with: cell.value.busy (Load)
	} else {
		v.header.busy.Store(next) // commit; pairs with: cell.value.busy (Load)
	}
	mem.CopyIn(v.copies[next&1], x)
	v.sync.Release()
	v.header.version.Publish(next) // commit; pairs with: cell.value.version (Load)
}
