package value

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

type base = handle.Handle

// Value is a T that many processes read without a lock, and that no reader ever
// sees half written. T has a fixed layout: see shm.Layout.
//
// Its methods may be called at once by any number of goroutines and processes.
// What was done before a Store or Update is seen by whoever reads the value that
// it published. A zero Value is a closed one.
type Value[T any] struct {
	base
	use     *object.Use
	cell    *cell.Value
	layout  *mem.Layout
	scratch *atomic.Pointer[T] // where Update works; whoever holds the cell's lock uses it
}

// Create makes a value that holds initial. A name that is taken is fs.ErrExist;
// a T without a fixed layout is a *shm.TypeError; no room is a *shm.SpaceError.
// If the process dies inside, the value is there as a whole, or not at all.
func Create[T any](ctx context.Context, seg *shm.Segment, name string, initial T) (*Value[T], error) {
	return open(ctx, seg, name, initial, handle.Create)
}

// Open opens a value that exists, else fs.ErrNotExist. An object of another kind
// or type is a *shm.IncompatibleError that shows both types.
func Open[T any](ctx context.Context, seg *shm.Segment, name string) (*Value[T], error) {
	var none T
	return open(ctx, seg, name, none, handle.Open)
}

// OpenOrCreate opens the value, which keeps what it holds, or makes one that
// holds initial. It fails as Open and Create do.
func OpenOrCreate[T any](ctx context.Context, seg *shm.Segment, name string, initial T) (*Value[T], error) {
	return open(ctx, seg, name, initial, handle.OpenOrCreate)
}

type verb func(ctx context.Context, seg *shm.Segment, req object.Request) (handle.Handle, error)

func open[T any](ctx context.Context, seg *shm.Segment, name string, initial T, how verb) (*Value[T], error) {
	layout, err := handle.Layout[T]()
	if err != nil {
		return nil, err
	}
	h, err := how(ctx, seg, object.Request{
		Name: name, Kind: cell.Kind(), Type: layout.Text,
		Spec:  object.Spec{uint64(layout.Size)},
		Init:  func(r mem.Region, shape object.Shape) error { return cell.InitValue(r, shape, &initial) },
		Match: func(stored string, _ object.Spec) *object.Mismatch { return handle.MatchType(stored, layout.Text) },
	})
	if err != nil {
		return nil, err
	}
	v := &Value[T]{base: h, use: handle.UseOf(&h), layout: layout, scratch: new(atomic.Pointer[T])}
	v.cell, err = cell.OpenValue(v.use, handle.ObjectOf(&h), layout.Size)
	if err != nil {
		return nil, handle.Err(&h, err)
	}
	return v, nil
}

// UnmarshalText opens the value that text, of MarshalText, names. It opens the
// value's segment once a process, and waits at most 10 seconds.
func (v *Value[T]) UnmarshalText(text []byte) error {
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
	*v = *opened
	return nil
}

const unmarshalWait = 10 * time.Second

// Load returns the value last stored, never half of one. It takes no lock, does
// not wait for writers, not even for one that was stopped or killed half way,
// and does not allocate. It panics after Segment.Close.
func (v *Value[T]) Load() T {
	var x T
	m := pin(v.use)
	if m == nil {
		panic(errClosed)
	}
	cell.Load(v.cell, &x)
	if v.layout.HasBools() {
		v.layout.Normalize(mem.BytesOf(&x))
	}
	object.Unpin(m)
	runtime.KeepAlive(v)
	return x
}

// Store publishes x. It waits while another goroutine or process stores or
// updates, which ctx.Err() or, by Segment.Close, fs.ErrClosed ends; then the
// value is as it was. On a read-only segment it fails with fs.ErrPermission, and
// with a *shm.CorruptError if the lock's word is damaged. If this process dies
// inside, readers see the old value or x, and other writers go on at once.
func (v *Value[T]) Store(ctx context.Context, x T) error {
	if v.use == nil || v.use.ReadOnly {
		return v.writable(ctx)
	}
	err := cell.Store(ctx, v.cell, &x)
	runtime.KeepAlive(v)
	if err != nil {
		return handle.Err(&v.base, wrapClosed(err))
	}
	return nil
}

// Update calls f with a copy of the value, alone among the writers, and publishes
// what f leaves there if f returns nil. If f returns an error, which is then
// Update's, or panics, or the process dies, or the segment is closed, the value
// is as it was. It waits as Store does, and other writers wait for f; readers do
// not. f must not store or update the same value, and not keep the pointer.
func (v *Value[T]) Update(ctx context.Context, f func(*T) error) error {
	if err := v.writable(ctx); err != nil {
		return err
	}
	tmp := v.scratch.Load()
	if tmp == nil {
		v.scratch.CompareAndSwap(nil, new(T))
		tmp = v.scratch.Load()
	}
	err := handle.Err(&v.base, cell.Update(ctx, v.cell, v.layout, tmp, f))
	runtime.KeepAlive(v)
	return err
}

// writable says why nothing can be stored, if so.
func (v *Value[T]) writable(ctx context.Context) error {
	switch err := ctx.Err(); {
	case v.use == nil || v.use.Closed():
		return handle.Err(&v.base, errClosed)
	case v.use.ReadOnly:
		return errReadOnly
	default:
		return err
	}
}

// Wait returns the value as soon as ok(value) is true. ok runs at once, and then
// after each change; when values follow each other quickly it sees the newest and
// not all. Other goroutines and processes are not held up while ok runs. Wait
// ends with ctx.Err(), and with fs.ErrClosed by Segment.Close.
func (v *Value[T]) Wait(ctx context.Context, ok func(T) bool) (T, error) {
	for x, err := range v.Watch(ctx) {
		if err != nil || ok(x) {
			return x, err
		}
	}
	panic("value: Watch ended without an error")
}

// Watch yields the value now and after each change: the newest one, so that who
// is slow skips those that were overtaken. It yields one error at the end, with
// the zero T: ctx.Err(), or fs.ErrClosed after Segment.Close. On a read-only
// segment it looks every few milliseconds.
func (v *Value[T]) Watch(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		m := pin(v.use)
		defer object.Unpin(m)
		defer runtime.KeepAlive(v)
		var seen uint64
		changed := func() bool { return true }
		for m != nil {
			if err := v.cell.Await(ctx, v.use, changed); err != nil {
				yield(none, handle.Err(&v.base, wrapClosed(err)))
				return
			}
			var x T
			seen = cell.Load(v.cell, &x)
			v.layout.Normalize(mem.BytesOf(&x))
			if !yield(x, nil) {
				return
			}
			changed = func() bool { return v.cell.Version() != seen }
		}
		yield(none, errClosed)
	}
}

var (
	errClosed   = fmt.Errorf("value: segment is closed: %w", fs.ErrClosed)
	errReadOnly = fmt.Errorf("value: segment is open read-only: %w", fs.ErrPermission)
)

// wrapClosed says of which package a bare fs.ErrClosed is.
func wrapClosed(err error) error {
	if err == fs.ErrClosed { //nolint:errorlint // what is wrapped already says more
		return errClosed
	}
	return err
}
