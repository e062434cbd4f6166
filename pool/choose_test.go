package pool

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// crowd returns a pool of workers without processes, that have so many chunks.
func crowd(chunks ...int) *Pool {
	p := &Pool{longest: longMessage}
	for i, n := range chunks {
		p.members = append(p.members, &member{
			index: i, child: new(process.Child), ready: true, assigned: make([]*chunk, n),
		})
		for j := range n {
			p.members[i].assigned[j] = new(chunk)
		}
	}
	return p
}

// tasks returns a chunk of n tasks of a function that takes so long.
func tasks(n int, each time.Duration) *chunk {
	e := new(entry)
	e.pace.Store(int64(each))
	return &chunk{job: &job{entry: e, limit: -1}, count: n}
}

// Chunks as short as their messages go to a worker that is busy, as long as it has
// room; others go to one that has nothing to do, and so do short ones where the
// busy one is silent or is to end.
func TestShortChunksKeepOneWorkerBusy(t *testing.T) {
	short, long, unseen := tasks(1, handTime), tasks(1, 2*handTime), tasks(1, 0)
	many := tasks(3, handTime/2)
	for _, c := range []struct {
		name   string
		chunk  *chunk
		have   []int
		change func(m *member) // the first one
		want   int
	}{
		{"short", short, []int{5, 0, 0}, nil, 0},
		{"short, the busiest", short, []int{5, 7, 0}, nil, 1},
		{"short, nobody busy", short, []int{0, 0, 0}, nil, 0},
		{"short, no room", short, []int{inboxCap, 0, 0}, nil, 1},
		{"short, silent", short, []int{5, 0, 0}, func(m *member) { m.recalled = 1 }, 1},
		{"short, retiring", short, []int{5, 0, 0}, func(m *member) { m.retiring = true }, 1},
		{"short, dead", short, []int{5, 0, 0}, func(m *member) { m.child = nil }, 1},
		{"long", long, []int{1, 0, 0}, nil, 1},
		{"long together", many, []int{1, 0, 0}, nil, 1},
		{"never seen", unseen, []int{1, 0, 0}, nil, 1},
	} {
		p := crowd(c.have...)
		if c.change != nil {
			c.change(p.members[0])
		}
		if m := p.choose(c.chunk); m == nil || m.index != c.want {
			t.Errorf("%s: went to %+v, want worker %d", c.name, m, c.want)
		}
	}
}

// If something was taken back from all of them, the next is the one of which that is
// the longest ago, not the one that was heard last: that one may be stopped, and the
// others only slow.
func TestSilentWorkersTakeTurns(t *testing.T) {
	p := crowd(0, 0, 0)
	for i, m := range p.members {
		m.heard = uint64(10 - i) // the first was heard last
	}
	var got []int
	for range 7 {
		m := p.choose(tasks(1, time.Millisecond))
		got = append(got, m.index)
		p.recalls++
		m.recalled = p.recalls
	}
	if want := []int{0, 1, 2, 0, 1, 2, 0}; !slices.Equal(got, want) {
		t.Errorf("they got it in the order %v, want %v", got, want)
	}
}

// A worker that is at work on what it got later is done with what is to be stopped:
// to kill it then would cost another task.
func TestWhoHasGoneOnIsNotKilled(t *testing.T) {
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	p := crowd(3)
	if p.progress, err = array.CreateAtomic[uint64](t.Context(), seg, "progress", array.Spec{Len: wordsPerWorker}); err != nil {
		t.Fatal(err)
	}
	m := p.members[0]
	for i, c := range m.assigned {
		c.id = uint64(i + 1)
	}
	stopped := m.assigned[1]
	for at, want := range []bool{false, false, false, true, false} { // none, before, it, after, one that has ended
		p.progress.Store(wordChunk, uint64(at))
		if got := p.past(m, stopped); got != want {
			t.Errorf("at work on chunk %d it is past chunk %d: %v", at, stopped.id, got)
		}
	}
	p.progress.Store(wordChunk, 3)
	if p.past(m, new(chunk)) {
		t.Error("it is past a chunk that it does not have")
	}
}

// Who lingers gets what comes, and every error; and gives up if nothing comes.
func TestLinger(t *testing.T) {
	fault := errors.New("a fault")
	for _, want := range []error{nil, fault, queue.ErrShutdown} {
		calls := 0
		got := linger(func() error {
			if calls++; calls < 3 && mayLinger() {
				return queue.ErrEmpty
			}
			return want
		})
		if got != want { //nolint:errorlint // as it is, not wrapped
			t.Errorf("it returned %v, want %v", got, want)
		}
	}
	if err := linger(func() error { return queue.ErrEmpty }); err != queue.ErrEmpty { //nolint:errorlint // never wrapped
		t.Errorf("without anything to come it returned %v", err)
	}
}

// A collector whose ctx is done takes nothing, although messages are there: else it
// would not notice as long as others' results come.
func TestCollectorHeedsItsContext(t *testing.T) {
	p, err := New(t.Context(), &Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	for !p.tryCollect() { // the pool's own goroutine may be there
		runtime.Gosched()
	}
	defer p.endCollect()
	p.nudge()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := p.results.Len()
	if err := p.collect(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("it returned %v", err)
	}
	if n := p.results.Len(); before < 1 || n < before {
		t.Errorf("there were %d messages, and are %d", before, n)
	}
}
