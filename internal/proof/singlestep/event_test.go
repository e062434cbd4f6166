//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

func eventOperations() []operation {
	setting := func(ctx context.Context, seg *shm.Segment) (deed, error) {
		e, err := lock.OpenEvent(ctx, seg, "e")
		return deed{
			warm: func() error { e.Set(); e.Clear(); return nil },
			do:   func() error { e.Set(); return nil },
		}, err
	}
	clearing := func(ctx context.Context, seg *shm.Segment) (deed, error) {
		e, err := lock.OpenEvent(ctx, seg, "e")
		return deed{
			warm:   func() error { e.Set(); e.Clear(); return nil },
			before: func() error { e.Set(); return nil },
			do:     func() error { e.Clear(); return nil },
		}, err
	}
	return []operation{
		{name: "Event.Set", open: setting, lay: layFlag(flagBooks{}), full: 1},
		{name: "Event.Set/wakes", open: setting, lay: layFlag(flagBooks{waits: true}), full: 1},
		{name: "Event.Clear", open: clearing, lay: layFlag(flagBooks{clears: true}), full: 1},
	}
}

// flagBooks is an event that children set or clear.
type flagBooks struct {
	empty
	e       *lock.Event
	clears  bool // what the operation does
	waits   bool // the survivor waits for it to be set
	sleeper sleeper
}

func layFlag(b flagBooks) func(context.Context, *shm.Segment) (subject, error) {
	return func(ctx context.Context, seg *shm.Segment) (subject, error) {
		e, err := lock.CreateEvent(ctx, seg, "e")
		b := b
		b.e = e
		return &b, err
	}
}

func (b *flagBooks) meet(ctx context.Context) (err error) {
	if b.waits {
		b.sleeper, err = sleep(ctx, b.e.Segment(), func() error { return b.e.Wait(ctx) })
	}
	return err
}

func (b *flagBooks) judge(ctx context.Context, _ shm.Death) (int, error) {
	set := b.e.IsSet()
	if b.waits {
		if !set {
			b.e.Set()
		}
		if err := b.sleeper.end(ctx); err != nil {
			return 0, err
		}
	}
	b.e.Set()
	if err := b.e.Wait(ctx); err != nil || !b.e.IsSet() {
		return 0, errors.Join(err, errors.New("a survivor cannot set it"))
	}
	b.e.Clear()
	if b.e.IsSet() {
		return 0, errors.New("a survivor cannot clear it")
	}
	if set != b.clears {
		return 1, nil
	}
	return 0, nil
}
