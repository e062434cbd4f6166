//go:build linux

package queue_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

// fileOf returns a descriptor of seg.
func fileOf(t *testing.T, seg *shm.Segment) *os.File {
	t.Helper()
	f, err := seg.File()
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestConformanceManyProcesses lets processes put and get at the same time.
func TestConformanceManyProcesses(t *testing.T) {
	for name, f := range map[string]func(t *testing.T){
		"RQU-01": oneToOne, "RQU-02": manyToMany, "QUE-13": manyToOne, "RQU-07": throughOnePlace,
	} {
		t.Run(name, f)
	}
}

// fewer is n, or less where every step costs more.
func fewer(n int) int {
	switch {
	case race.Enabled:
		return n / 50
	case testing.Short():
		return n / 20
	}
	return n
}

type numbered struct{ From, N int }

// end is the number of a message that ends one consumer.
const end = -1

// crowd is what all processes have: consumers count in Seen how often they got
// message From*N of a producer.
type crowd struct {
	Q    *queue.Queue[numbered]
	Seen *array.Atomic[uint32]
	From int
	N    int
}

var (
	crowdPuts = process.Func("queue-crowd-puts", func(ctx context.Context, c crowd) error {
		for n := range c.N {
			if l := c.Q.Len(); l < 0 || l > c.Q.Cap() {
				return fmt.Errorf("length %d of %d", l, c.Q.Cap())
			}
			if err := c.Q.Put(ctx, numbered{c.From, n}); err != nil {
				return err
			}
		}
		return nil
	})
	crowdGets = process.Func("queue-crowd-gets", func(ctx context.Context, c crowd) error { return c.gets(ctx) })
)

var errOrder = errors.New("out of order")

// gets takes messages until one ends it or the queue is shut down. Of each
// producer they must come in order.
func (c crowd) gets(ctx context.Context) error {
	last := map[int]int{}
	for m, err := range c.Q.All(ctx) {
		if err != nil {
			return err
		}
		if m.N == end {
			return nil
		}
		if before, any := last[m.From]; any && m.N <= before {
			return fmt.Errorf("message %d of %d comes after %d: %w", m.N, m.From, before, errOrder)
		}
		last[m.From] = m.N
		c.Seen.Add(m.From*c.N+m.N, 1)
	}
	return nil
}

func newCrowd(t *testing.T, producers, n int, spec queue.Spec) crowd {
	t.Helper()
	seg := shmtest.Segment(t, shm.Spec{})
	seen, err := array.CreateAtomic[uint32](t.Context(), seg, "seen", array.Spec{Len: producers * n})
	must(t, err)
	return crowd{Q: mustCreate[numbered](t, seg, spec), Seen: seen, N: n}
}

func (c crowd) start(t *testing.T, f *process.Function[crowd], n int) []*process.Child {
	t.Helper()
	var children []*process.Child
	for i := range n {
		c.From = i
		child, err := f.Start(ample(t), c)
		must(t, err)
		children = append(children, child)
	}
	return children
}

// once checks that every message was seen once, and none is left.
func (c crowd) once(t *testing.T) {
	t.Helper()
	for i := range c.Seen.Len() {
		if n := c.Seen.Load(i); n != 1 {
			t.Fatalf("message %d of %d was seen %d times", i%c.N, i/c.N, n)
		}
	}
	if c.Q.Len() != 0 {
		t.Errorf("%d messages are left", c.Q.Len())
	}
	must(t, c.Q.Segment().Check())
}

func oneToOne(t *testing.T) {
	for _, mode := range []queue.Mode{queue.SPSC, queue.MPMC} {
		c := newCrowd(t, 1, fewer(100_000), queue.Spec{Cap: 3, Mode: mode})
		children := c.start(t, crowdPuts, 1)
		consumer := c.start(t, crowdGets, 1)
		must(t, process.Wait(ample(t), children...))
		must(t, c.Q.Shutdown())
		must(t, process.Wait(ample(t), consumer...))
		c.once(t)
	}
}

// Conformance: RQU-03, RQU-04.
func manyToMany(t *testing.T) {
	const producers, consumers = 4, 4
	c := newCrowd(t, producers, fewer(25_000), queue.Spec{Cap: 50})
	from, to := c.start(t, crowdPuts, producers), c.start(t, crowdGets, consumers)
	must(t, process.Wait(ample(t), from...))
	must(t, c.Q.Shutdown())
	must(t, process.Wait(ample(t), to...))
	c.once(t)
}

func manyToOne(t *testing.T) {
	const producers = 4
	c := newCrowd(t, producers, fewer(2000), queue.Spec{Cap: 64})
	children := c.start(t, crowdPuts, producers)
	consumed := mustBlockOrEnd(t, func() error { return c.gets(ample(t)) })
	must(t, process.Wait(ample(t), children...))
	must(t, c.Q.Shutdown())
	must(t, consumed())
	c.once(t)
}

// throughOnePlace has ten producers and ten consumers share one place.
func throughOnePlace(t *testing.T) {
	const parties = 10
	c := newCrowd(t, parties, fewer(10_000), queue.Spec{Cap: 1})
	from, to := c.start(t, crowdPuts, parties), c.start(t, crowdGets, parties)
	must(t, process.Wait(ample(t), from...))
	for range parties {
		must(t, c.Q.Put(ample(t), numbered{N: end}))
	}
	must(t, process.Wait(ample(t), to...))
	c.once(t)
}

// mustBlockOrEnd starts f, and returns what waits for its end.
func mustBlockOrEnd(t *testing.T, f func() error) (wait func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	return func() error {
		select {
		case err := <-done:
			return err
		case <-ample(t).Done():
			return errors.New("hangs")
		}
	}
}
