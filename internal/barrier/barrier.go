package barrier

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
)

var errReadOnly = fmt.Errorf("lock: segment is open read-only: %w", fs.ErrPermission)

// Barrier is this process's side of a barrier. Its methods may be called at once
// by any number of goroutines; they pin the mapping themselves.
type Barrier struct {
	core    *Core
	use     *object.Use
	sync    *race.Token
	watcher *cell.Watcher
}

// New returns the process's side of the barrier obj.
func New(use *object.Use, obj *object.Object) (*Barrier, error) {
	core, err := Attach(obj.Region, obj.Shape)
	if err != nil {
		return nil, err
	}
	return &Barrier{core: core, use: use, sync: obj.Sync, watcher: cell.NewWatcher(obj, &core.head.bell)}, nil
}

// Parties returns how many must come.
func (b *Barrier) Parties() int { return b.core.parties }

// Wait waits until all parties have come, and returns how many came before this
// one. It fails with ErrBroken, or, having broken the barrier, with an error that
// is both ErrBroken and ctx.Err(); and with fs.ErrClosed, fs.ErrPermission or a
// *mem.Corruption.
func (b *Barrier) Wait(ctx context.Context) (int, error) {
	m := b.use.Pin()
	if m == nil || b.use.ReadOnly {
		return 0, b.unusable()
	}
	rank, err := b.wait(ctx)
	object.Unpin(m)
	return rank, err
}

func (b *Barrier) wait(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		b.core.abort()
		return 0, gaveUp(err)
	}
	b.sync.Release()
	g, rank, err := b.core.arrive(b.use.Slot)
	if err != nil {
		return 0, err
	}
	if b.use.Closed() {
		err = fs.ErrClosed
	} else {
		err = b.await(ctx, g)
	}
	if err != nil {
		switch outcome := b.core.shatter(g); {
		case outcome == nil && !b.use.Closed(): // passed while it gave up
		case errors.Is(err, ErrBroken) || errors.Is(err, fs.ErrClosed):
			return 0, err
		default:
			return 0, gaveUp(err)
		}
	}
	b.sync.Acquire()
	return rank, nil
}

// await waits for the end of generation g, and returns its outcome or why it did
// not wait for that.
func (b *Barrier) await(ctx context.Context, g generation) error {
	outcome := b.core.outcome(g)
	if outcome != errGathers { //nolint:errorlint // itself
		return outcome
	}
	err := b.watcher.Await(ctx, b.use, func() bool {
		outcome = b.core.outcome(g)
		return outcome != errGathers //nolint:errorlint // itself
	})
	if err != nil {
		return err
	}
	return outcome
}

// gaveUp is the error of who broke the barrier because of err.
func gaveUp(err error) error { return fmt.Errorf("%w: %w", ErrBroken, err) }

// Abort breaks the barrier until Reset. It fails with fs.ErrClosed or
// fs.ErrPermission, and never blocks.
func (b *Barrier) Abort() error { return b.change((*Core).abort) }

// Reset makes the barrier as new: those who wait get ErrBroken. It fails as Abort
// does, and never blocks.
func (b *Barrier) Reset() error { return b.change((*Core).reset) }

func (b *Barrier) change(f func(*Core)) error {
	m := b.use.Pin()
	if m == nil || b.use.ReadOnly {
		return b.unusable()
	}
	f(b.core)
	object.Unpin(m)
	return nil
}

// Now returns how many wait and whether the barrier is broken; nothing after Close.
func (b *Barrier) Now() (waiting int, broken bool) {
	m := b.use.Pin()
	if m == nil {
		return 0, false
	}
	p := b.core.load()
	object.Unpin(m)
	if p.broken() {
		return 0, true
	}
	return min(p.arrived(), b.core.parties), false
}

// unusable says why nothing can be changed.
func (b *Barrier) unusable() error {
	if b.use.Closed() {
		return fs.ErrClosed
	}
	return errReadOnly
}
