package table_test

import (
	"context"
	"testing"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/stage"
	"github.com/shoal-ipc/shoal/internal/table"
)

const slots = 9

type world struct{ *stage.Stage }

func newWorld(n int, policy robust.Policy) world {
	s, err := stage.Build(table.Kind(), object.Spec{uint64(n), uint64(policy)}, slots)
	if err != nil {
		panic(err)
	}
	return world{s}
}

// party is one participant.
type party struct {
	*table.Table
	stage.Party
}

func (w world) join(slot uint32) party {
	p := w.Join(slot)
	t, err := table.New(p.Use, p.Obj)
	if err != nil {
		panic(err)
	}
	return party{t, p}
}

// at returns the mutex of number i as it is now.
func (p party) at(i int) *robust.Mutex {
	a, err := p.Allotment(i)
	if err != nil {
		panic(err)
	}
	return p.Mutex(i, a)
}

// Where the words of number i lie.
func wordAt(i int) int64   { return 64 + 64*int64(i) }
func roundsAt(i int) int64 { return wordAt(i) + 24 }

// set makes number i free, after it was taken and freed so often.
func (w world) set(i int, times uint64) {
	word, err := mem.At[satomic.Uint32](w.Region, wordAt(i))
	if err != nil {
		panic(err)
	}
	rounds, err := mem.At[satomic.Uint64](w.Region, roundsAt(i))
	if err != nil {
		panic(err)
	}
	a := 2 * times
	word.Store(uint32(a) & (1<<15 - 1) << 14)
	rounds.Store((a - 1) >> 14) // as who freed it last has left it
}

// taken returns which numbers are.
func (p party) taken() (all []int) {
	for i := range p.Len() {
		if a, err := p.Allotment(i); err == nil && a.Taken() {
			all = append(all, i)
		}
	}
	return all
}

func mustAlloc(tb testing.TB, p party, i int) {
	tb.Helper()
	stage.Want(tb, "AllocAt", p.AllocAt(i), nil)
}

func lock(m *robust.Mutex) error { return m.Lock(context.Background()) }
