package pool

import (
	"context"
	"errors"
	"sync"

	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/remote"
	"github.com/shoal-ipc/shoal/shm"
)

// Function is a function that can run in a worker; Func and FuncWith make one. It
// is safe for concurrent use, and may run in any number of pools.
type Function[In, Out any] struct {
	entry *entry
	in    func() (*codec.Codec[In], error) // made at the first use
	out   func() (*codec.Codec[Out], error)
}

// Func registers f under name, as process.Func does, and returns the Function.
// Call it in a package-level var: a worker is a new process of this executable
// that finds f by its name. It panics if the name is taken, or after process.Main.
//
// A worker runs one task at a time. The ctx of f ends when that of the call does,
// when the pool is closed, and when the process that made the pool dies; that f
// returns does not end it.
//
// In and Out are encoded as a queue encodes them; a type that cannot be is a
// *shm.TypeError of each call. Handles and segments travel in an In.
func Func[In, Out any](name string, f func(ctx context.Context, in In) (Out, error)) *Function[In, Out] {
	fn := &Function[In, Out]{in: sync.OnceValues(codecFor[In]), out: sync.OnceValues(codecFor[Out])}
	fn.entry = &entry{name: name, source: remote.Inside().Source(name, f)}
	fn.entry.run = func(x *execution) { runAll(fn, x, f) }
	functions.add(fn.entry)
	return fn
}

// FuncWith registers f with a state that setup makes once in each worker, before
// the first task there. An error of setup, or a panic, fails that task, and the
// next one tries again. The ctx of setup is that of the task.
func FuncWith[S, In, Out any](name string, setup func(ctx context.Context) (S, error), f func(ctx context.Context, state S, in In) (Out, error)) *Function[In, Out] {
	fn := &Function[In, Out]{in: sync.OnceValues(codecFor[In]), out: sync.OnceValues(codecFor[Out])}
	fn.entry = &entry{name: name, source: remote.Inside().Source(name, f)}
	var state S
	ready := false // a worker runs one task at a time
	withState := func(ctx context.Context, in In) (Out, error) {
		if !ready {
			s, err := setup(ctx)
			if err != nil {
				var none Out
				return none, err
			}
			state, ready = s, true
		}
		return f(ctx, state, in)
	}
	fn.entry.run = func(x *execution) { runAll(fn, x, withState) }
	functions.add(fn.entry)
	return fn
}

func codecFor[T any]() (*codec.Codec[T], error) {
	c, err := codec.For[T]()
	if e, ok := errors.AsType[*mem.LayoutError](err); ok {
		return nil, &shm.TypeError{Type: e.Type, Path: e.Path, Reason: e.Reason}
	}
	return c, err
}

// codecs returns how arguments and results travel.
func (f *Function[In, Out]) codecs() (*codec.Codec[In], *codec.Codec[Out], error) {
	in, err := f.in()
	if err != nil {
		return nil, nil, err
	}
	out, err := f.out()
	return in, out, err
}

// sizeOf returns the size of all elements of c, or -1 if they differ.
func sizeOf[T any](c *codec.Codec[T]) int {
	if l := c.Layout(); l != nil {
		return int(l.Size)
	}
	return -1
}
