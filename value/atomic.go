package value

import (
	"context"
	"runtime"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/shm"
)

// Integer is the types of the numbers that And and Or work on.
type Integer interface {
	~int32 | ~int64 | ~uint32 | ~uint64 | ~int | ~uint
}

// Number is the types of what an Atomic can hold.
type Number interface {
	Integer | ~float32 | ~float64
}

// Atomic is a number with the operations of sync/atomic, at their cost, and with
// a Wait that costs the others nothing while nobody waits.
//
// All methods, of any number of goroutines and processes at once, take effect one
// after another in one order that everybody agrees on. None but Wait blocks, and
// if the process dies inside, the number is changed or it is not. All others
// panic after Segment.Close, and those that write also on a read-only segment,
// with an error that is fs.ErrClosed or fs.ErrPermission. A zero Atomic is a
// closed one.
type Atomic[T Number] struct {
	base
	use  *object.Use
	rw   *object.Use // use, or nil if nothing may be written
	cell cell.Atomic[T]
}

// CreateAtomic makes a number that is initial. It fails as Create does.
func CreateAtomic[T Number](ctx context.Context, seg *shm.Segment, name string, initial T) (*Atomic[T], error) {
	return openAtomic(ctx, seg, name, initial, handle.Create)
}

// OpenAtomic opens a number that exists. It fails as Open does.
func OpenAtomic[T Number](ctx context.Context, seg *shm.Segment, name string) (*Atomic[T], error) {
	var none T
	return openAtomic(ctx, seg, name, none, handle.Open)
}

// OpenOrCreateAtomic opens the number, which stays what it is, or makes one that
// is initial. It fails as OpenOrCreate does.
func OpenOrCreateAtomic[T Number](ctx context.Context, seg *shm.Segment, name string, initial T) (*Atomic[T], error) {
	return openAtomic(ctx, seg, name, initial, handle.OpenOrCreate)
}

func openAtomic[T Number](ctx context.Context, seg *shm.Segment, name string, initial T, how verb) (*Atomic[T], error) {
	layout, err := handle.Layout[T]()
	if err != nil {
		return nil, err
	}
	h, err := how(ctx, seg, object.Request{
		Name: name, Kind: cell.AtomicKind(), Type: layout.Text,
		Spec: object.Spec{uint64(layout.Size)},
		Init: func(r mem.Region, _ object.Shape) error {
			p, err := mem.At[T](r, 0)
			if err == nil {
				mem.StoreNumber(p, initial)
			}
			return err
		},
		Match: func(stored string, _ object.Spec) *object.Mismatch { return handle.MatchType(stored, layout.Text) },
	})
	if err != nil {
		return nil, err
	}
	a := &Atomic[T]{base: h, use: handle.UseOf(&h)}
	if !a.use.ReadOnly {
		a.rw = a.use
	}
	if a.cell, err = cell.OpenAtomic[T](handle.ObjectOf(&h)); err != nil {
		return nil, handle.Err(&h, err)
	}
	return a, nil
}

// UnmarshalText opens the number that text, of MarshalText, names. It opens the
// number's segment once a process, and waits at most 10 seconds.
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

// Load returns the number.
func (a *Atomic[T]) Load() T {
	var x T
	object.Inline(a.use, func(u *object.Use) {
		if u != nil {
			if m := u.Memory().Load(); m != nil {
				x = mem.LoadNumber(&a.cell.Number)
				if race.Enabled {
					a.cell.Sync.Acquire()
				}
				runtime.KeepAlive(a)
				runtime.KeepAlive(m) // not Void: what the processor waits for here is loads
				return
			}
		}
		panic(errClosed)
	})
	return x
}

// Store sets the number to x.
func (a *Atomic[T]) Store(x T) {
	object.Inline(a.rw, func(u *object.Use) {
		if u != nil {
			if m := u.Memory().Load(); m != nil {
				w := a.cell.Words
				if race.Enabled {
					a.cell.Sync.Release()
				}
				mem.StoreNumber(&w.Number, x)
				if cell.Flagged(&w.Event) {
					cell.Notify(&w.Event)
				}
				runtime.KeepAlive(a)
				if !m.Void() {
					return
				}
			}
		}
		panic((*unwritable)(a.use))
	})
}

// Add adds delta to the number and returns the new one.
func (a *Atomic[T]) Add(delta T) T {
	var x T
	object.Inline(a.rw, func(u *object.Use) {
		if u != nil {
			if m := u.Memory().Load(); m != nil {
				w := a.cell.Words
				if race.Enabled {
					a.cell.Sync.Release()
				}
				if mem.IsFloat[T]() {
					x = mem.AddFloat(&w.Number, delta)
				} else {
					x = mem.AddInteger(&w.Number, delta)
				}
				if race.Enabled {
					a.cell.Sync.Acquire()
				}
				if cell.Flagged(&w.Event) {
					cell.Notify(&w.Event)
				}
				runtime.KeepAlive(a)
				if !m.Void() {
					return
				}
			}
		}
		panic((*unwritable)(a.use))
	})
	return x
}

// Swap sets the number to x and returns the old one.
func (a *Atomic[T]) Swap(x T) T {
	var old T
	object.Inline(a.rw, func(u *object.Use) {
		if u != nil {
			if m := u.Memory().Load(); m != nil {
				w := a.cell.Words
				if race.Enabled {
					a.cell.Sync.Release()
				}
				old = mem.SwapNumber(&w.Number, x)
				if race.Enabled {
					a.cell.Sync.Acquire()
				}
				if cell.Flagged(&w.Event) {
					cell.Notify(&w.Event)
				}
				runtime.KeepAlive(a)
				if !m.Void() {
					return
				}
			}
		}
		panic((*unwritable)(a.use))
	})
	return old
}

// CompareAndSwap sets the number to new if it is old, and reports whether it was.
// Floating-point numbers are compared bit by bit: NaN is NaN, and 0 is not -0.
func (a *Atomic[T]) CompareAndSwap(old, new T) bool {
	var swapped bool
	object.Inline(a.rw, func(u *object.Use) {
		if u != nil {
			if m := u.Memory().Load(); m != nil {
				w := a.cell.Words
				if race.Enabled {
					a.cell.Sync.Release()
				}
				swapped = mem.CompareAndSwapNumber(&w.Number, old, new)
				if race.Enabled {
					a.cell.Sync.Acquire()
				}
				if cell.Flagged(&w.Event) {
					cell.Notify(&w.Event)
				}
				runtime.KeepAlive(a)
				if !m.Void() {
					return
				}
			}
		}
		panic((*unwritable)(a.use))
	})
	return swapped
}

// And sets the number of a to the bits that it and mask have both, and returns
// the old one.
func And[T Integer](a *Atomic[T], mask T) T {
	m := pin(a.rw)
	if m == nil {
		panic((*unwritable)(a.use))
	}
	a.cell.Sync.Release()
	old := mem.AndNumber(&a.cell.Number, mask)
	a.cell.Sync.Acquire()
	if old&mask != old {
		cell.Notify(&a.cell.Event)
	}
	a.unpin(m)
	return old
}

// Or sets the number of a to the bits that it or mask has, and returns the old one.
func Or[T Integer](a *Atomic[T], mask T) T {
	m := pin(a.rw)
	if m == nil {
		panic((*unwritable)(a.use))
	}
	a.cell.Sync.Release()
	old := mem.OrNumber(&a.cell.Number, mask)
	a.cell.Sync.Acquire()
	if old|mask != old {
		cell.Notify(&a.cell.Event)
	}
	a.unpin(m)
	return old
}

// Wait returns the number as soon as ok(number) is true. ok runs at once, and
// then after changes; a number that came and went may not be seen. Others are not
// held up while ok runs. Wait ends with ctx.Err(), also if ctx is done before, and
// with fs.ErrClosed by Segment.Close. On a read-only segment it looks every few
// milliseconds.
func (a *Atomic[T]) Wait(ctx context.Context, ok func(T) bool) (T, error) {
	var x T
	m := pin(a.use)
	defer a.unpin(m)
	changed := func() bool { return true }
	for m != nil {
		if err := a.cell.Watcher.Await(ctx, a.use, changed); err != nil {
			var none T
			return none, handle.Err(&a.base, wrapClosed(err))
		}
		x = mem.LoadNumber(&a.cell.Number)
		a.cell.Sync.Acquire()
		if ok(x) {
			return x, nil
		}
		changed = func() bool { return !mem.SameNumber(mem.LoadNumber(&a.cell.Number), x) }
	}
	return x, errClosed
}

// unwritable is why nothing can be written: an error that looks for itself which
// of two it is, because a method that asked would be too large for its callers.
type unwritable object.Use

func (u *unwritable) Error() string { return u.Unwrap().Error() }

func (u *unwritable) Unwrap() error {
	if u != nil && u.ReadOnly && (*object.Use)(u).PinAnyway() != nil {
		return errReadOnly
	}
	return errClosed
}

// unpin ends an operation.
func (a *Atomic[T]) unpin(m *object.Mapping) {
	object.Unpin(m)
	runtime.KeepAlive(a)
}

// pin begins an operation: it returns nil if u was closed, or is nil as in a zero
// handle. Few operations here can tell of an error, so where the memory was lost
// they go on with zeros; those that can ask Closed, or wait.
func pin(u *object.Use) *object.Mapping {
	if u == nil {
		return nil
	}
	return u.PinAnyway()
}
