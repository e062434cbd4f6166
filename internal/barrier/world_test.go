package barrier_test

import (
	"github.com/shoal-ipc/shoal/internal/barrier"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/stage"
)

const slots = 7

type world struct{ *stage.Stage }

func newWorld(parties int) world {
	s, err := stage.Build(barrier.Kind(), object.Spec{uint64(parties)}, slots)
	if err != nil {
		panic(err)
	}
	return world{s}
}

// party is one participant.
type party struct {
	*barrier.Barrier
	stage.Party
}

func (w world) join(slot uint32) party {
	p := w.Join(slot)
	b, err := barrier.New(p.Use, p.Obj)
	if err != nil {
		panic(err)
	}
	return party{b, p}
}

func (p party) waiting() int {
	n, _ := p.Now()
	return n
}

func (p party) broken() bool {
	_, broken := p.Now()
	return broken
}
