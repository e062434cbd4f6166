package rw

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// Mutex is this process's side of a lock for readers and writers. Its methods
// may be called at once by any number of goroutines; they pin the mapping
// themselves. No error of any method means that the lock is held.
type Mutex struct {
	core  *Core
	use   *object.Use
	mutex *robust.Mutex
	point *wait.Point // of the bell
	sync  *race.Token // what writers leave to all
	left  *race.Token // what readers leave to writers
}

// New returns the process's side of the lock obj.
func New(use *object.Use, obj *object.Object) (*Mutex, error) {
	core, err := Attach(obj.Region, obj.Shape)
	if err != nil {
		return nil, err
	}
	l := &Mutex{
		core: core, use: use, point: obj.Point(&core.head.bell), sync: obj.Sync,
		mutex: robust.NewMarked(&core.head.lock, core.policy, use, obj),
	}
	if obj.Sync != nil {
		token, ok := obj.Local("rw.left", func() any { return new(race.Token) }).(*race.Token)
		if !ok {
			panic("rw: another package took the token's place")
		}
		l.left = token
	}
	return l, nil
}

// Policy returns what becomes of the lock if a writer dies.
func (l *Mutex) Policy() robust.Policy { return l.core.policy }

// pin returns the mapping, or why nothing can be done.
func (l *Mutex) pin() (*object.Mapping, error) {
	m := l.use.Pin()
	switch {
	case m == nil:
		return nil, fs.ErrClosed
	case l.use.ReadOnly || int(l.use.Slot) >= len(l.core.reads):
		return nil, fmt.Errorf("lock: segment is open read-only: %w", fs.ErrPermission)
	}
	return m, nil
}

// Lock waits until this process alone holds the lock, which it gets by lock: the
// mutex's Lock, or a way that repairs. It fails with lock's errors, ctx.Err() and
// fs.ErrClosed.
func (l *Mutex) Lock(ctx context.Context, lock func(*robust.Mutex) error) error {
	m, err := l.pin()
	if err != nil {
		return err
	}
	defer object.Unpin(m)
	if err := lock(l.mutex); err != nil {
		return err
	}
	if err := l.mutex.Mark(robust.Shut); err != nil {
		return err
	}
	if err := l.drain(ctx); err != nil {
		l.mutex.UnlockMarked(robust.Shut)
		return err
	}
	return l.enter()
}

// enter begins to write, when all readers have left.
func (l *Mutex) enter() error {
	if err := l.mutex.Mark(robust.Inside); err != nil {
		return err
	}
	if l.use.Closed() {
		l.mutex.UnlockMarked(robust.Inside) // Close may have given it back already
		return fs.ErrClosed
	}
	l.left.Acquire()
	return nil
}

// drain waits until nobody reads. The caller has shut the lock.
func (l *Mutex) drain(ctx context.Context) error {
	if !l.core.read() {
		return nil
	}
	if err := l.point.Enter(ctx, l.use.Party); err != nil {
		return err
	}
	defer l.point.Leave()
	for {
		bell := cell.Register(&l.core.head.bell)
		if !l.core.read() {
			return nil
		}
		if err := l.point.Sleep(ctx, l.use.Party, bell, wait.Slice); err != nil {
			return err
		}
	}
}

// Unlock ends Lock. It fails with robust.ErrNotOwner if this process does not hold
// the lock for writing.
func (l *Mutex) Unlock() error {
	m, err := l.pin()
	if err != nil {
		return err
	}
	defer object.Unpin(m)
	if !l.mutex.UnlockMarked(robust.Inside) {
		return robust.ErrNotOwner
	}
	return nil
}

// Drop is Unlock for who has pinned the mapping since before Lock, also after the
// segment was closed.
func (l *Mutex) Drop() { l.mutex.UnlockMarked(robust.Inside) }

// Recover clears poison, as robust.Mutex.Recover does.
func (l *Mutex) Recover(ctx context.Context, fn func() error) error {
	return l.mutex.Recover(ctx, fn)
}
