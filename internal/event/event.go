package event

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
)

var errReadOnly = fmt.Errorf("lock: segment is open read-only: %w", fs.ErrPermission)

// Event is this process's side of an event. Its methods may be called at once by
// any number of goroutines; they pin the mapping themselves.
type Event struct {
	words   *words
	use     *object.Use
	sync    *race.Token
	watcher *cell.Watcher
}

// New returns the process's side of the event obj.
func New(use *object.Use, obj *object.Object) (*Event, error) {
	core, err := Attach(obj.Region, obj.Shape)
	if err != nil {
		return nil, err
	}
	return &Event{words: core.words, use: use, sync: obj.Sync, watcher: cell.NewWatcher(obj, &core.words.bell)}, nil
}

// Set puts the flag up and wakes all who wait. It fails with fs.ErrClosed or
// fs.ErrPermission, and never blocks.
func (e *Event) Set() error {
	m := e.use.Pin()
	if m == nil || e.use.ReadOnly {
		return e.unusable()
	}
	e.sync.Release()
	for {
		x := e.words.state.Load()
		if x&up != 0 || e.words.state.CompareAndSwap(x, x+oneRound|up) { // commit; pairs with: event.state (Wait)
			break
		}
	}
	// Also if the flag was up: who put it there may be stopped before it wakes anybody.
	if cell.Flagged(&e.words.bell) {
		cell.Notify(&e.words.bell)
	}
	object.Unpin(m)
	return nil
}

// Clear takes the flag down. It fails as Set does, and never blocks.
func (e *Event) Clear() error {
	m := e.use.Pin()
	if m == nil || e.use.ReadOnly {
		return e.unusable()
	}
	e.words.state.And(^uint64(up))
	object.Unpin(m)
	return nil
}

// IsSet reports whether the flag is up. It fails with fs.ErrClosed.
func (e *Event) IsSet() (bool, error) {
	m := e.use.Pin()
	if m == nil {
		return false, fs.ErrClosed
	}
	is := e.words.state.Load()&up != 0
	if is {
		e.sync.Acquire()
	}
	object.Unpin(m)
	return is, nil
}

// Wait waits until the flag is up, or was put up since Wait began. It fails with
// ctx.Err() or fs.ErrClosed.
func (e *Event) Wait(ctx context.Context) error {
	m := e.use.Pin()
	if m == nil {
		return fs.ErrClosed
	}
	begin := round(e.words.state.Load())
	err := e.watcher.Await(ctx, e.use, func() bool {
		x := e.words.state.Load() // pairs with: event.state (Set)
		return x&up != 0 || round(x) != begin
	})
	if err == nil {
		e.sync.Acquire()
	}
	object.Unpin(m)
	return err
}

// unusable says why nothing can be changed.
func (e *Event) unusable() error {
	if e.use.Closed() {
		return fs.ErrClosed
	}
	return errReadOnly
}
