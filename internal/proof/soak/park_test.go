//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/kv"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// The segments. The parent has only the first one open while the children work:
// in the other nobody is left who repairs when all have died.
var segments = []string{"a", "b"}

const (
	permits  = 5
	slots    = 16 // of the arrays
	supplied = 3  // permits of the semaphore of events at the start
)

// The mutexes, and where their books begin: a pair of counters, equal while
// nobody is inside.
const (
	poisoned = iota // repaired by whoever meets the poison
	released
	owned // the array's own, with a Repair function
	mutexes

	written = mutexes // the read-write mutex has books as well
)

// park is all the objects of one segment that are there from the beginning.
type park struct {
	*gate
	seg     *shm.Segment
	value   *value.Value[chapter]
	number  *value.Atomic[int64]
	numbers *array.Atomic[int64]
	words   *array.Array[uint64] // each the same in both halves
	mutexes [mutexes]*lock.Mutex
	shared  *lock.RWMutex
	cond    *lock.Cond // of the second mutex
	event   *lock.Event
	barrier *lock.Barrier
	table   *lock.Table
	clerks  *array.Atomic[int64] // who has each number of the table
	books   *array.Array[int64]  // two for each mutex
	inside  *array.Atomic[int64] // who is, for each mutex
	permits *semaphore.Semaphore
	holders *array.Atomic[int64] // who has each permit
	events  *semaphore.Semaphore
	entries *kv.Map[string, chapter]
	offers  *queue.Queue[[]byte]  // of ends of pipes
	said    *array.Atomic[uint64] // through them, by each child
	lanes   []lane
}

// chapter is a value: words that all follow from the first one.
type chapter struct {
	Seq   uint64
	Words [15]uint64
}

func chapterOf(seq uint64) chapter {
	c := chapter{Seq: seq}
	for i := range c.Words {
		c.Words[i] = seq*0x9e3779b97f4a7c15 + uint64(i)
	}
	return c
}

func createPark(ctx context.Context, r *rand.Rand, seg *shm.Segment) error {
	_, e0 := value.Create(ctx, seg, "value", chapterOf(0))
	_, e1 := value.CreateAtomic[int64](ctx, seg, "number", 0)
	_, e2 := array.CreateAtomic[int64](ctx, seg, "numbers", array.Spec{Len: slots})
	_, e3 := array.Create[uint64](ctx, seg, "words", array.Spec{Len: slots})
	_, e4 := lock.CreateMutex(ctx, seg, "poisoned", lock.Spec{OnDeath: lock.Poison})
	m, e5 := lock.CreateMutex(ctx, seg, "released", lock.Spec{OnDeath: lock.Release})
	_, e6 := array.Create[int64](ctx, seg, "books", array.Spec{Len: 2 * (mutexes + 1)})
	_, e7 := array.CreateAtomic[int64](ctx, seg, "inside", array.Spec{Len: mutexes + 1})
	_, e8 := semaphore.Create(ctx, seg, "permits", semaphore.Spec{Permits: permits})
	_, e9 := array.CreateAtomic[int64](ctx, seg, "holders", array.Spec{Len: permits})
	_, e10 := semaphore.Create(ctx, seg, "events", semaphore.Spec{Permits: supplied, Kind: semaphore.Signal})
	_, e11 := lock.CreateRWMutex(ctx, seg, "shared", lock.Spec{})
	_, e12 := lock.CreateCond(ctx, m, "cond")
	_, e13 := lock.CreateEvent(ctx, seg, "event")
	_, e14 := lock.CreateBarrier(ctx, seg, "barrier", lock.BarrierSpec{Parties: 2})
	_, e15 := kv.Create[string, chapter](ctx, seg, "map", kv.Spec{Cap: mapRoom})
	_, noTable := lock.CreateTable(ctx, seg, "table", lock.TableSpec{Len: numbered})
	_, noClerks := array.CreateAtomic[int64](ctx, seg, "clerks", array.Spec{Len: numbered})
	_, noOffers := queue.Create[[]byte](ctx, seg, "offers", queue.Spec{Cap: 4, SlotSize: 512, MaxSize: 512})
	_, noSaid := array.CreateAtomic[uint64](ctx, seg, "said", array.Spec{Len: talkers})
	return errors.Join(noSaid, noOffers, noTable, noClerks, e11, e12, e13, e14, e15, e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, createLanes(ctx, r, seg))
}

func openPark(ctx context.Context, seg *shm.Segment) (*park, error) {
	p := &park{gate: new(gate), seg: seg, lanes: make([]lane, len(lanes))}
	var e [16]error
	p.value, e[0] = value.Open[chapter](ctx, seg, "value")
	p.number, e[1] = value.OpenAtomic[int64](ctx, seg, "number")
	p.numbers, e[2] = array.OpenAtomic[int64](ctx, seg, "numbers")
	p.words, e[3] = array.Open[uint64](ctx, seg, "words")
	p.mutexes[poisoned], e[4] = lock.OpenMutex(ctx, seg, "poisoned")
	p.mutexes[released], e[5] = lock.OpenMutex(ctx, seg, "released")
	p.books, e[6] = array.Open[int64](ctx, seg, "books")
	p.inside, e[7] = array.OpenAtomic[int64](ctx, seg, "inside")
	p.permits, e[8] = semaphore.Open(ctx, seg, "permits")
	p.holders, e[9] = array.OpenAtomic[int64](ctx, seg, "holders")
	p.events, e[10] = semaphore.Open(ctx, seg, "events")
	p.shared, e[11] = lock.OpenRWMutex(ctx, seg, "shared")
	if e[5] == nil {
		p.cond, e[12] = lock.OpenCond(ctx, p.mutexes[released], "cond")
	}
	p.event, e[13] = lock.OpenEvent(ctx, seg, "event")
	p.barrier, e[14] = lock.OpenBarrier(ctx, seg, "barrier")
	p.entries, e[15] = kv.Open[string, chapter](ctx, seg, "map")
	var noTable, noClerks, noOffers error
	p.table, noTable = lock.OpenTable(ctx, seg, "table")
	p.clerks, noClerks = array.OpenAtomic[int64](ctx, seg, "clerks")
	p.offers, noOffers = queue.Open[[]byte](ctx, seg, "offers")
	var noSaid error
	p.said, noSaid = array.OpenAtomic[uint64](ctx, seg, "said")
	err := errors.Join(noSaid, noOffers, noTable, noClerks, errors.Join(e[:]...))
	for i, l := range lanes {
		var failed error
		p.lanes[i], failed = l.lane.open(ctx, seg, "queue/"+l.name)
		err = errors.Join(err, failed)
	}
	if err != nil {
		return nil, err
	}
	p.mutexes[owned] = p.books.Mutex()
	p.mutexes[owned].Repair = func() error { return p.within(func() error { return p.mend(owned) }) }
	return p, nil
}

// gate keeps out, once a segment is about to be closed, those who would go on to
// use what they held of it.
type gate struct {
	mu   sync.RWMutex
	shut bool
}

// within runs f, which blocks on nothing, unless the gate is shut.
func (g *gate) within(f func() error) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.shut {
		return fmt.Errorf("the gate is shut: %w", fs.ErrClosed)
	}
	return f()
}

func (g *gate) closing() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.shut
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
}
