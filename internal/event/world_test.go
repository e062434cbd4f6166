package event_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/internal/event"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/stage"
)

const slots = 7

type world struct{ *stage.Stage }

func newWorld() world {
	s, err := stage.Build(event.Kind(), object.Spec{}, slots)
	if err != nil {
		panic(err)
	}
	return world{s}
}

// party is one participant.
type party struct {
	*event.Event
	stage.Party
}

func (w world) join(slot uint32) party {
	p := w.Join(slot)
	e, err := event.New(p.Use, p.Obj)
	if err != nil {
		panic(err)
	}
	return party{e, p}
}

func (p party) is(tb testing.TB, up bool) {
	tb.Helper()
	if is, err := p.IsSet(); is != up || err != nil {
		tb.Errorf("IsSet: %v, %v, want %v", is, err, up)
	}
}
