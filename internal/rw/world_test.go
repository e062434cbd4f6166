package rw_test

import (
	"context"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/rw"
	"github.com/shoal-ipc/shoal/internal/stage"
)

const slots = 70 // so that a set has two words

type world struct{ *stage.Stage }

func newWorld(p robust.Policy) world {
	s, err := stage.Build(rw.Kind(), object.Spec{uint64(p)}, slots)
	if err != nil {
		panic(err)
	}
	return world{s}
}

// party is one participant.
type party struct {
	core *rw.Mutex
	stage.Party
}

func (w world) join(slot uint32) party {
	p := w.Join(slot)
	l, err := rw.New(p.Use, p.Obj)
	if err != nil {
		panic(err)
	}
	return party{l, p}
}

func locks(ctx context.Context) func(*robust.Mutex) error {
	return func(m *robust.Mutex) error { return m.Lock(ctx) }
}

func (p party) lock(ctx context.Context) error  { return p.core.Lock(ctx, locks(ctx)) }
func (p party) rlock(ctx context.Context) error { return p.core.RLock(ctx, locks(ctx)) }
func (p party) tryLock() error                  { return p.core.TryLock((*robust.Mutex).TryLock) }
func (p party) tryRLock() error                 { return p.core.TryRLock((*robust.Mutex).TryLock) }
