package array

import (
	"context"
	"iter"
	"runtime"

	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/vector"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// Atomic is an array of numbers, each with the operations of sync/atomic, at
// their cost.
//
// All methods, of any number of goroutines and processes at once, take effect one
// after another in one order that everybody agrees on. None blocks, and if the
// process dies inside, the number is changed or it is not. They panic out of
// range, as a slice does; after Segment.Close with an error that is fs.ErrClosed;
// and those that write, on a read-only segment, with one that is
// fs.ErrPermission. A zero Atomic is a closed one.
type Atomic[T value.Number] struct {
	base
	use   *object.Use
	rw    *object.Use // use, or nil if nothing may be written
	elems []T         // reached by mem.LoadNumber and its siblings only
	sync  *race.Token
}

// CreateAtomic makes an array of zeros. It fails as Create does.
func CreateAtomic[T value.Number](ctx context.Context, seg *shm.Segment, name string, spec Spec) (*Atomic[T], error) {
	if err := spec.validate(); err != nil {
		return nil, err
	}
	return openAtomic[T](ctx, seg, name, spec, handle.Create)
}

// OpenAtomic opens an array that exists. It fails as Open does.
func OpenAtomic[T value.Number](ctx context.Context, seg *shm.Segment, name string) (*Atomic[T], error) {
	return openAtomic[T](ctx, seg, name, Spec{}, handle.Open)
}

// OpenOrCreateAtomic opens the array, which keeps its numbers, or makes one of
// zeros. It fails as OpenOrCreate does.
func OpenOrCreateAtomic[T value.Number](ctx context.Context, seg *shm.Segment, name string, spec Spec) (*Atomic[T], error) {
	if err := spec.validate(); err != nil {
		return nil, err
	}
	return openAtomic[T](ctx, seg, name, spec, handle.OpenOrCreate)
}

func openAtomic[T value.Number](ctx context.Context, seg *shm.Segment, name string, spec Spec, how verb) (*Atomic[T], error) {
	layout, err := handle.Layout[T]()
	if err != nil {
		return nil, err
	}
	h, err := how(ctx, seg, spec.request(name, vector.AtomicKind(), layout))
	if err != nil {
		return nil, err
	}
	a := &Atomic[T]{base: h, use: handle.UseOf(&h), sync: handle.ObjectOf(&h).Sync}
	if !a.use.ReadOnly {
		a.rw = a.use
	}
	if a.elems, err = vector.Numbers[T](handle.ObjectOf(&h)); err != nil {
		return nil, handle.Err(&h, err)
	}
	return a, nil
}

// UnmarshalText opens the array that text, of MarshalText, names. It opens the
// array's segment once a process, and waits at most 10 seconds.
func (a *Atomic[T]) UnmarshalText(text []byte) error {
	seg, name, err := handle.Unmarshal(text)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), unmarshalWait)
	defer cancel()
	opened, err := OpenAtomic[T](ctx, seg, name)
	if err != nil {
		return err
	}
	*a = *opened
	return nil
}

// Spec returns the geometry of the array.
func (a *Atomic[T]) Spec() Spec { return specOf(&a.base) }

// Len returns the number of elements; 0 after Segment.Close.
func (a *Atomic[T]) Len() int {
	if pin(a.use) == nil {
		return 0
	}
	return len(a.elems)
}

// Load returns element i.
func (a *Atomic[T]) Load(i int) T {
	var x T
	object.Inline(a.use, func(u *object.Use) {
		if u != nil {
			if m := u.Memory().Load(); m != nil {
				x = mem.LoadNumber(&a.elems[i])
				if race.Enabled {
					a.sync.Acquire()
				}
				runtime.KeepAlive(a)
				if !m.Void() {
					return
				}
			}
		}
		panic(errClosed)
	})
	return x
}

// Store sets element i to x.
func (a *Atomic[T]) Store(i int, x T) {
	object.Inline(a.rw, func(u *object.Use) {
		if u != nil {
			if m := u.Memory().Load(); m != nil {
				if race.Enabled {
					a.sync.Release()
				}
				mem.StoreNumber(&a.elems[i], x)
				runtime.KeepAlive(a)
				if !m.Void() {
					return
				}
			}
		}
		panic(unwritable(a.use))
	})
}

// Add adds delta to element i and returns what it is now.
func (a *Atomic[T]) Add(i int, delta T) T {
	var x T
	object.Inline(a.rw, func(u *object.Use) {
		if u != nil {
			if m := u.Memory().Load(); m != nil {
				if race.Enabled {
					a.sync.Release()
				}
				if mem.IsFloat[T]() {
					x = mem.AddFloat(&a.elems[i], delta)
				} else {
					x = mem.AddInteger(&a.elems[i], delta)
				}
				if race.Enabled {
					a.sync.Acquire()
				}
				runtime.KeepAlive(a)
				if !m.Void() {
					return
				}
			}
		}
		panic(unwritable(a.use))
	})
	return x
}

// Swap sets element i to x and returns what it was.
func (a *Atomic[T]) Swap(i int, x T) T {
	var old T
	object.Inline(a.rw, func(u *object.Use) {
		if u != nil {
			if m := u.Memory().Load(); m != nil {
				if race.Enabled {
					a.sync.Release()
				}
				old = mem.SwapNumber(&a.elems[i], x)
				if race.Enabled {
					a.sync.Acquire()
				}
				runtime.KeepAlive(a)
				if !m.Void() {
					return
				}
			}
		}
		panic(unwritable(a.use))
	})
	return old
}

// CompareAndSwap sets element i to new if it is old, and reports whether it was.
// Floating-point numbers are compared bit by bit: NaN is NaN, and 0 is not -0.
func (a *Atomic[T]) CompareAndSwap(i int, old, new T) bool {
	var swapped bool
	object.Inline(a.rw, func(u *object.Use) {
		if u != nil {
			if m := u.Memory().Load(); m != nil {
				if race.Enabled {
					a.sync.Release()
				}
				swapped = mem.CompareAndSwapNumber(&a.elems[i], old, new)
				if race.Enabled {
					a.sync.Acquire()
				}
				runtime.KeepAlive(a)
				if !m.Void() {
					return
				}
			}
		}
		panic(unwritable(a.use))
	})
	return swapped
}

// All yields index and number, in order. Each is read atomically, all together
// are not.
func (a *Atomic[T]) All() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		if a.use == nil {
			panic(errClosed)
		}
		for i := range a.elems {
			if !yield(i, a.Load(i)) {
				return
			}
		}
	}
}
