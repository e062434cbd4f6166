package array

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"runtime"
	"slices"
	"time"

	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/vector"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

type base = handle.Handle

// Array is a fixed number of Ts. T has a fixed layout: see shm.Layout.
//
// Its methods may be called at once by any number of goroutines and processes.
// Elements of up to 8 bytes are never torn: At, CopyOut and All find in each what
// one Set or CopyIn left there, whoever is killed when; and who finds it also
// finds what its writer did before. Larger elements, and several elements that
// belong together, need a lock: the array's own is Mutex, and Do uses it. All
// methods but Do are as quick as memory, and none waits, except that Set and
// CopyIn of elements of 3, 5, 6 or 7 bytes wait for each other.
//
// After Segment.Close all methods but Len and Do panic with an error that is
// fs.ErrClosed; Set and CopyIn panic on a read-only segment with one that is
// fs.ErrPermission. A zero Array is a closed one.
type Array[T any] struct {
	base
	use    *object.Use
	rw     *object.Use // use, or nil if nothing may be written
	elems  []T
	reads  []T           // elems, or empty if parts or bools say that there is more to an element
	writes []T           // reads, or empty if nothing may be written
	parts  *vector.Parts // for elements of 3, 5, 6 or 7 bytes, else nil
	bools  *mem.Layout   // of T if it has bools, else nil
	sync   *race.Token
	own    *robust.Mutex
	mutex  *lock.Mutex // for Do
}

// Create makes an array of zeros. A name that is taken is fs.ErrExist; a spec
// with fewer than one element is fs.ErrInvalid; a T without a fixed layout is a
// *shm.TypeError; no room is a *shm.SpaceError. If the process dies inside, the
// array is there as a whole, or not at all.
func Create[T any](ctx context.Context, seg *shm.Segment, name string, spec Spec) (*Array[T], error) {
	if err := spec.validate(); err != nil {
		return nil, err
	}
	return open[T](ctx, seg, name, spec, handle.Create)
}

// Open opens an array that exists, else fs.ErrNotExist. An object of another
// kind or type is a *shm.IncompatibleError that shows both types.
func Open[T any](ctx context.Context, seg *shm.Segment, name string) (*Array[T], error) {
	return open[T](ctx, seg, name, Spec{}, handle.Open)
}

// OpenOrCreate opens the array, which keeps its elements, or makes one of zeros.
// An existing one that differs from a field of spec that is not zero is a
// *shm.IncompatibleError. It fails as Open and Create do.
func OpenOrCreate[T any](ctx context.Context, seg *shm.Segment, name string, spec Spec) (*Array[T], error) {
	if err := spec.validate(); err != nil {
		return nil, err
	}
	return open[T](ctx, seg, name, spec, handle.OpenOrCreate)
}

func open[T any](ctx context.Context, seg *shm.Segment, name string, spec Spec, how verb) (*Array[T], error) {
	layout, err := handle.Layout[T]()
	if err != nil {
		return nil, err
	}
	h, err := how(ctx, seg, spec.request(name, vector.Kind(), layout))
	if err != nil {
		return nil, err
	}
	obj := handle.ObjectOf(&h)
	a := &Array[T]{base: h, use: handle.UseOf(&h), sync: obj.Sync}
	if !a.use.ReadOnly {
		a.rw = a.use
	}
	if layout.HasBools() {
		a.bools = layout
	}
	if a.elems, err = vector.Elements[T](obj); err != nil {
		return nil, handle.Err(&h, err)
	}
	core, err := vector.Attach(obj.Region, obj.Shape)
	if err != nil {
		return nil, handle.Err(&h, err)
	}
	if vector.HasParts(layout.Size) {
		a.parts = core.Parts(a.use, obj)
	}
	if a.parts == nil && a.bools == nil {
		a.reads = a.elems
		if a.rw != nil {
			a.writes = a.elems
		}
	}
	a.own = core.Mutex(a.use, obj)
	a.mutex = a.Mutex()
	return a, nil
}

// UnmarshalText opens the array that text, of MarshalText, names. It opens the
// array's segment once a process, and waits at most 10 seconds.
func (a *Array[T]) UnmarshalText(text []byte) error {
	seg, name, err := handle.Unmarshal(text)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), unmarshalWait)
	defer cancel()
	opened, err := Open[T](ctx, seg, name)
	if err != nil {
		return err
	}
	*a = *opened
	return nil
}

const unmarshalWait = 10 * time.Second

// Spec returns the geometry of the array.
func (a *Array[T]) Spec() Spec { return specOf(&a.base) }

// Len returns the number of elements; 0 after Segment.Close.
func (a *Array[T]) Len() int {
	if pin(a.use) == nil {
		return 0
	}
	return len(a.elems)
}

// At returns element i. It panics if i is out of range.
func (a *Array[T]) At(i int) T {
	var x T
	object.Inline(a.use, func(u *object.Use) {
		if reads := a.reads; uint(i) < uint(len(reads)) { // so u is not nil
			if m := u.Memory().Load(); m != nil {
				x = mem.LoadElem(&reads[i])
				if race.Enabled {
					a.sync.Acquire()
				}
				runtime.KeepAlive(a)
				runtime.KeepAlive(m)
				return
			}
			panic(errClosed)
		}
		x = a.at(i)
	})
	return x
}

// at is At for all elements, and says what is wrong.
func (a *Array[T]) at(i int) T {
	m := pin(a.use)
	if m == nil {
		panic(errClosed)
	}
	var x T
	if a.parts == nil {
		x = mem.LoadElem(&a.elems[i])
	} else {
		_ = &a.elems[i] // in range
		x = unpack[T](a.parts.Load(int64(i)))
	}
	a.sync.Acquire()
	if a.bools != nil {
		a.bools.Normalize(mem.BytesOf(&x))
	}
	a.unpin(m)
	return x
}

// Set makes x element i. It panics if i is out of range.
func (a *Array[T]) Set(i int, x T) {
	object.Inline(a.use, func(u *object.Use) {
		if writes := a.writes; uint(i) < uint(len(writes)) { // so u is not nil
			if m := u.Memory().Load(); m != nil {
				if race.Enabled {
					a.sync.Release()
				}
				mem.StoreElem(&writes[i], x)
				runtime.KeepAlive(a)
				runtime.KeepAlive(m)
				return
			}
			panic(errClosed)
		}
		a.set(i, x)
	})
}

// set is Set for all elements, and says what is wrong.
func (a *Array[T]) set(i int, x T) {
	m := pin(a.rw)
	if m == nil {
		panic(unwritable(a.use))
	}
	a.sync.Release()
	if a.parts == nil {
		mem.StoreElem(&a.elems[i], x)
	} else {
		_ = &a.elems[i] // in range
		if !a.open(a.parts.Store(int64(i), pack(x))) {
			a.parts.Put(int64(i), pack(x))
		}
	}
	a.unpin(m)
}

// CopyIn copies src to the elements from at on and returns how many fitted. It
// panics if at is negative or beyond the end.
func (a *Array[T]) CopyIn(at int, src []T) int {
	m := pin(a.rw)
	if m == nil {
		panic(unwritable(a.use))
	}
	a.sync.Release()
	dst := a.elems[at:]
	n := min(len(dst), len(src))
	if a.parts == nil {
		mem.CopyElemsIn(dst, src)
	} else {
		locked := a.open(a.parts.Lock())
		for i := range n {
			a.parts.Put(int64(at+i), pack(src[i]))
		}
		if locked {
			a.parts.Unlock()
		}
	}
	a.unpin(m)
	return n
}

// CopyOut copies the elements from at on to dst and returns how many there were.
// It panics if at is negative or beyond the end.
func (a *Array[T]) CopyOut(at int, dst []T) int {
	m := pin(a.use)
	if m == nil {
		panic(errClosed)
	}
	src := a.elems[at:]
	n := min(len(dst), len(src))
	if a.parts == nil {
		mem.CopyElemsOut(dst, src)
	} else {
		for i := range n {
			dst[i] = unpack[T](a.parts.Load(int64(at + i)))
		}
	}
	a.sync.Acquire()
	if a.bools != nil {
		for i := range n {
			a.bools.Normalize(mem.BytesOf(&dst[i]))
		}
	}
	a.unpin(m)
	return n
}

// All yields index and element, in order, as At returns them.
func (a *Array[T]) All() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		if a.use == nil {
			panic(errClosed)
		}
		for i := range a.elems {
			if !yield(i, a.At(i)) {
				return
			}
		}
	}
}

// View returns the shared memory itself as a slice: no copy, ordinary loads and
// stores, and ordinary data races, which a lock prevents. The slice stays valid
// memory for ever: Segment.Close leaves it mapped. A bool that another process
// made neither true nor false is not corrected here. On a read-only segment it is
// a copy.
func (a *Array[T]) View() []T {
	m := pin(a.use)
	if m == nil {
		panic(errClosed)
	}
	view := slices.Clip(a.elems)
	if a.rw == nil {
		view = make([]T, len(a.elems))
		a.CopyOut(0, view)
	} else {
		m.KeepObject(handle.ObjectOf(&a.base))
	}
	a.unpin(m)
	return view
}

// Do calls f on the View, holding the array's mutex, and unlocks it even if f
// panics. It fails as lock.Mutex.Do does, and then f was not called; else it
// returns f's error. If the process dies in f, the mutex is poisoned, or released
// if Spec.OnDeath says so, with the elements as they are.
func (a *Array[T]) Do(ctx context.Context, f func(view []T) error) error {
	if a.mutex == nil {
		return errClosed
	}
	return a.mutex.Do(ctx, func() error { return f(a.View()) })
}

// Mutex returns a new handle on the array's own mutex.
func (a *Array[T]) Mutex() *lock.Mutex {
	if a.own == nil {
		return new(lock.Mutex)
	}
	m, ok := handle.NewMutex(a.base, a.own).(*lock.Mutex)
	if !ok {
		panic("array: package handle makes no mutexes")
	}
	return m
}

// open reports whether a lock is held, err being that of taking it. It panics if
// that is because the segment was closed. A lock that others damaged, or whose
// memory is lost, is no reason to: the store goes on without, and may be torn.
func (a *Array[T]) open(err error) bool {
	if errors.Is(err, fs.ErrClosed) && a.use.PinAnyway() == nil {
		panic(err)
	}
	return err == nil
}

// pack returns the bytes of x, which has fewer than 8; the first is the lowest.
func pack[T any](x T) uint64 {
	var b [8]byte
	copy(b[:], mem.BytesOf(&x))
	return binary.LittleEndian.Uint64(b[:])
}

// unpack is the opposite of pack.
func unpack[T any](bytes uint64) (x T) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], bytes)
	copy(mem.BytesOf(&x), b[:])
	return x
}

// unpin ends an operation.
func (a *Array[T]) unpin(m *object.Mapping) {
	object.Unpin(m)
	runtime.KeepAlive(a)
}

// pin begins an operation: it returns nil if u was closed, or is nil as in a zero
// handle. No operation here can tell of an error, so where the memory was lost
// they go on with zeros.
func pin(u *object.Use) *object.Mapping {
	if u == nil {
		return nil
	}
	return u.PinAnyway()
}

// unwritable says why nothing can be written.
func unwritable(u *object.Use) error {
	if u != nil && u.ReadOnly && u.PinAnyway() != nil {
		return fmt.Errorf("array: segment is open read-only: %w", fs.ErrPermission)
	}
	return errClosed
}

var errClosed = fmt.Errorf("array: segment is closed: %w", fs.ErrClosed)
