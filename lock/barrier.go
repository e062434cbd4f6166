package lock

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/shoal-ipc/shoal/internal/barrier"
	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// ErrBroken is returned by Barrier.Wait when not all parties will come.
var ErrBroken = barrier.ErrBroken

// BarrierSpec is the geometry of a Barrier. It is stored with it. A zero field
// means "any" at opening.
type BarrierSpec struct {
	Parties int // how many must come; at least 1 at creation, at most 32767
}

func (s BarrierSpec) request(name string) (object.Request, error) {
	if s.Parties < 0 {
		return object.Request{}, fmt.Errorf("lock: spec {Parties: %d}: %w", s.Parties, fs.ErrInvalid)
	}
	return object.Request{
		Name: name, Kind: barrier.Kind(), Spec: object.Spec{uint64(s.Parties)},
		Match: func(_ string, stored object.Spec) *object.Mismatch {
			if s.Parties == 0 || stored[0] == uint64(s.Parties) {
				return nil
			}
			return &object.Mismatch{Field: "Parties", Have: strconv.FormatUint(stored[0], 10), Want: strconv.Itoa(s.Parties)}
		},
	}, nil
}

// Barrier lets a fixed number of parties go on together, again and again. A party
// is a call of Wait, of any goroutine of any process. Its methods may be called at
// once by any number of goroutines and processes. A zero Barrier is a closed one;
// UnmarshalText makes it one to use.
//
// If one party cannot wait any longer, the others would wait in vain: so its
// giving up breaks the barrier for all that wait, as does its death while it
// waits, and a broken one stays so until Reset. The death of a process that does
// not wait breaks nothing: whether it was to come again only the program knows, so
// give Wait a ctx that ends where one may fail to come. Nobody who was let go
// learns of what happens to the next generation.
type Barrier struct {
	base
	core *barrier.Barrier
}

// CreateBarrier makes the barrier name in seg. It fails with fs.ErrExist if an
// object has that name, fs.ErrInvalid if the name or spec is impossible, or a
// *shm.SpaceError. It waits only for the segment's other structural changes.
func CreateBarrier(ctx context.Context, seg *shm.Segment, name string, spec BarrierSpec) (*Barrier, error) {
	return openBarrier(ctx, seg, name, spec, handle.Create)
}

// OpenBarrier opens the barrier name in seg. It fails with fs.ErrNotExist if there
// is none, or a *shm.IncompatibleError if the name is another kind of object's.
func OpenBarrier(ctx context.Context, seg *shm.Segment, name string) (*Barrier, error) {
	return openBarrier(ctx, seg, name, BarrierSpec{}, handle.Open)
}

// OpenOrCreateBarrier opens the barrier name in seg, whoever waits at it, or makes
// it. It fails with a *shm.IncompatibleError if there is one that differs in a
// field that spec names, and otherwise as CreateBarrier and OpenBarrier do.
func OpenOrCreateBarrier(ctx context.Context, seg *shm.Segment, name string, spec BarrierSpec) (*Barrier, error) {
	return openBarrier(ctx, seg, name, spec, handle.OpenOrCreate)
}

func openBarrier(ctx context.Context, seg *shm.Segment, name string, spec BarrierSpec, how verb) (*Barrier, error) {
	req, err := spec.request(name)
	if err != nil {
		return nil, err
	}
	h, err := how(ctx, seg, req)
	if err != nil {
		return nil, err
	}
	core, err := barrier.New(handle.UseOf(&h), handle.ObjectOf(&h))
	if err != nil {
		return nil, fmt.Errorf("lock: open %q: %w", h.Name(), handle.Err(&h, err))
	}
	return &Barrier{base: h, core: core}, nil
}

// UnmarshalText makes b the barrier that text, from MarshalText of any process,
// names. It opens the segment once a process, and waits for that at most ten
// seconds. Nobody may use b meanwhile.
func (b *Barrier) UnmarshalText(text []byte) error {
	opened, err := openText(text, OpenBarrier)
	if err != nil {
		return err
	}
	*b = *opened
	return nil
}

// Spec returns the geometry of the barrier.
func (b *Barrier) Spec() BarrierSpec { return BarrierSpec{Parties: b.Parties()} }

// Wait waits until all parties have come. rank is 0 for the one that came first,
// up to Parties-1 for the last. What each party did before is seen by all after.
//
// It fails with ErrBroken if another party gave up or died meanwhile, or the
// barrier was broken before, or Reset. A ctx that ends breaks the barrier: the
// error is ctx.Err() and ErrBroken both; so does one that is done already, which
// never comes to wait. Segment.Close breaks it too, with fs.ErrClosed. On a
// read-only segment it fails with fs.ErrPermission, and with a *shm.CorruptError
// if the barrier's memory is damaged. If the process dies inside, the barrier is
// broken, unless all had come.
func (b *Barrier) Wait(ctx context.Context) (rank int, err error) {
	if b.core == nil {
		return 0, errClosed()
	}
	rank, err = b.core.Wait(ctx)
	return rank, public(&b.base, err)
}

// Abort breaks the barrier until Reset: those who wait, and those who come, get
// ErrBroken. It never blocks. It panics after Segment.Close, and on a read-only
// segment, with an error that is fs.ErrClosed or fs.ErrPermission.
func (b *Barrier) Abort() {
	if b.core == nil {
		panic(errClosed())
	}
	if err := b.core.Abort(); err != nil {
		complain(&b.base, err)
	}
}

// Reset makes the barrier as new: those who wait get ErrBroken, those who come
// wait for all parties. It never blocks, and panics as Abort does. If the process
// dies inside, the barrier is as before, broken, or as new.
func (b *Barrier) Reset() {
	if b.core == nil {
		panic(errClosed())
	}
	if err := b.core.Reset(); err != nil {
		complain(&b.base, err)
	}
}

// Parties returns how many must come.
func (b *Barrier) Parties() int {
	if b.core == nil {
		return 0
	}
	return b.core.Parties()
}

// Waiting returns how many wait now: a hint, it may change at once. It is zero if
// the barrier is broken, and after Segment.Close.
func (b *Barrier) Waiting() int {
	if b.core == nil {
		return 0
	}
	n, _ := b.core.Now()
	return n
}

// Broken reports whether the barrier is broken; false after Segment.Close.
func (b *Barrier) Broken() bool {
	if b.core == nil {
		return false
	}
	_, broken := b.core.Now()
	return broken
}
