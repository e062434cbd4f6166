package lock_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
	"github.com/shoal-ipc/shoal/value"
)

func createBarrier(tb testing.TB, seg *shm.Segment, parties int) *lock.Barrier {
	tb.Helper()
	b, err := lock.CreateBarrier(tb.Context(), seg, "b", lock.BarrierSpec{Parties: parties})
	want(tb, "CreateBarrier", err, nil)
	return b
}

type barrierArgs struct {
	Barrier *lock.Barrier
	Before  *value.Atomic[int64] // counts who comes
	After   *value.Atomic[int64] // counts who passed
	Ranks   *value.Atomic[int64] // sums up the ranks
	Rounds  int
	Limit   time.Duration // of each wait; 0: none
}

var (
	// barrierSteps goes through Rounds generations in step with the others.
	barrierSteps = process.Func("lock-barrier-steps", func(ctx context.Context, a barrierArgs) error {
		parties := int64(a.Barrier.Parties())
		for i := range int64(a.Rounds) {
			if n := a.Before.Add(1); n <= i*parties || n > (i+1)*parties {
				return fmt.Errorf("in round %d it is number %d: %w", i, n, errStep)
			}
			rank, err := a.Barrier.Wait(ctx)
			if err != nil {
				return err
			}
			if n := a.Before.Load(); n < (i+1)*parties {
				return fmt.Errorf("passed round %d when %d had come: %w", i, n, errStep)
			}
			a.Ranks.Add(int64(rank))
			a.After.Add(1)
			if _, err := a.Barrier.Wait(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	// barrierBreaks waits, and must find the barrier broken.
	barrierBreaks = process.Func("lock-barrier-breaks", func(ctx context.Context, a barrierArgs) error {
		a.Before.Add(1)
		if a.Limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, a.Limit)
			defer cancel()
		}
		if _, err := a.Barrier.Wait(ctx); !errors.Is(err, lock.ErrBroken) {
			return fmt.Errorf("got %w, %w", err, errStep)
		}
		if a.Limit == 0 {
			return nil
		}
		if _, err := a.Barrier.Wait(ctx); !errors.Is(err, lock.ErrBroken) {
			return fmt.Errorf("afterwards got %w, %w", err, errStep)
		}
		return nil
	})
)

var errStep = errors.New("not in step")

// crowd is a barrier and what its parties count.
type crowd struct {
	t   *testing.T
	seg *shm.Segment
	barrierArgs
}

func newCrowd(t *testing.T, parties int) *crowd {
	seg := shmtest.Segment(t, shm.Spec{})
	return &crowd{t: t, seg: seg, barrierArgs: barrierArgs{
		Barrier: createBarrier(t, seg, parties), Rounds: 1,
		Before: createCount(t, seg, "before"), After: createCount(t, seg, "after"), Ranks: createCount(t, seg, "ranks"),
	}}
}

func (c *crowd) start(f *process.Function[barrierArgs], n int) []*process.Child {
	c.t.Helper()
	var children []*process.Child
	for range n {
		child, err := f.Start(c.t.Context(), c.barrierArgs)
		want(c.t, "Start", err, nil)
		children = append(children, child)
	}
	return children
}

func (c *crowd) end(children []*process.Child) {
	c.t.Helper()
	want(c.t, "children", process.Wait(c.t.Context(), children...), nil)
}

// gathered waits until n parties wait.
func (c *crowd) gathered(n int) {
	c.t.Helper()
	until(c.t, fmt.Sprint(n, " wait"), func() bool { return c.Barrier.Waiting() == n })
}

func (c *crowd) is(broken bool, waiting int) {
	c.t.Helper()
	if b := c.Barrier; b.Broken() != broken || b.Waiting() != waiting {
		c.t.Errorf("broken %v, %d waiting; want %v, %d", b.Broken(), b.Waiting(), broken, waiting)
	}
}

// all has parties goroutines of this process pass.
func (c *crowd) all() {
	c.t.Helper()
	var done []<-chan error
	for range c.Barrier.Parties() {
		done = append(done, async(func() error { return second(c.Barrier.Wait(c.t.Context())) }))
	}
	for _, d := range done {
		want(c.t, "Wait", await(c.t, "a party", d), nil)
	}
}

func second[T any](_ T, err error) error { return err }

// TestConformanceBarrier has a subtest for each thing that users of barriers rely
// on.
func TestConformanceBarrier(t *testing.T) {
	for name, f := range map[string]func(t *testing.T){
		"BAR-01": func(t *testing.T) { inStep(t, 5, 1) },
		"BAR-02": func(t *testing.T) { inStep(t, 5, 10) },
		"BAR-03": barrierRanks, "BAR-04": barrierAbort, "BAR-05": barrierReset, "BAR-06": barrierTimeout,
		"BAR-08": barrierAlone, "BAR-09": barrierStaysBroken, "BAR-10": barrierAttributes, "BAR-11": barrierIdle,
		"BAR-12": barrierExpired, "RBR-01": func(t *testing.T) { inStep(t, 2, 30) }, "RBR-02": barrierMadeAnew,
		"RBR-03": barrierAbsent,
	} {
		t.Run(name, f)
	}
}

func inStep(t *testing.T, parties, rounds int) {
	c := newCrowd(t, parties)
	c.Rounds = rounds
	c.end(c.start(barrierSteps, parties))
	if n := c.After.Load(); n != int64(parties*rounds) {
		t.Errorf("%d passed", n)
	}
	if n := c.Ranks.Load(); n != int64(rounds*parties*(parties-1)/2) {
		t.Errorf("the ranks sum up to %d", n)
	}
	c.is(false, 0)
}

func barrierRanks(t *testing.T) {
	const parties = 5
	c := newCrowd(t, parties)
	ranks := make(chan int, parties)
	for range parties {
		go func() {
			rank, err := c.Barrier.Wait(t.Context())
			if err != nil {
				rank = -1
			}
			ranks <- rank
		}()
	}
	var seen [parties]bool
	for range parties {
		rank := <-ranks
		if rank < 0 || rank >= parties || seen[rank] {
			t.Fatalf("rank %d", rank)
		}
		seen[rank] = true
	}
}

func barrierAbort(t *testing.T) {
	const parties = 5
	c := newCrowd(t, parties)
	children := c.start(barrierBreaks, parties-1)
	c.gathered(parties - 1)
	c.Barrier.Abort()
	c.end(children)
	c.is(true, 0)
	if c.After.Load() != 0 {
		t.Error("somebody passed")
	}
}

func barrierReset(t *testing.T) {
	const parties = 4
	c := newCrowd(t, parties)
	children := c.start(barrierBreaks, parties-1)
	c.gathered(parties - 1)
	c.Barrier.Reset()
	c.end(children)
	c.is(false, 0)
	c.Before.Store(0)
	c.end(c.start(barrierSteps, parties))
	if n := c.After.Load(); n != parties {
		t.Errorf("%d passed", n)
	}
}

func barrierTimeout(t *testing.T) {
	const parties = 4
	c := newCrowd(t, parties)
	c.Limit = 50 * time.Millisecond
	c.end(c.start(barrierBreaks, parties-1))
	_, err := c.Barrier.Wait(t.Context())
	want(t, "the late one", err, lock.ErrBroken)
	c.is(true, 0)
	c.Barrier.Reset()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), c.Limit)
	defer cancel()
	_, err = c.Barrier.Wait(ctx)
	want(t, "alone", err, lock.ErrBroken)
	want(t, "alone", err, context.DeadlineExceeded)
	if took := time.Since(start); took < c.Limit {
		t.Errorf("ended after %v of %v", took, c.Limit)
	}
}

func barrierAlone(t *testing.T) {
	c := newCrowd(t, 1)
	for range 10 {
		rank, err := c.Barrier.Wait(t.Context())
		if rank != 0 || err != nil {
			t.Errorf("rank %d, %v", rank, err)
		}
	}
}

func barrierStaysBroken(t *testing.T) {
	c := newCrowd(t, 2)
	c.Barrier.Abort()
	for range 3 {
		_, err := c.Barrier.Wait(t.Context())
		want(t, "Wait", err, lock.ErrBroken)
		c.is(true, 0)
	}
	c.Barrier.Reset()
	c.is(false, 0)
	c.all()
}

func barrierAttributes(t *testing.T) {
	const parties = 3
	c := newCrowd(t, parties)
	if n := c.Barrier.Parties(); n != parties {
		t.Errorf("%d parties", n)
	}
	c.is(false, 0)
	children := c.start(barrierSteps, 1)
	c.gathered(1)
	children = append(children, c.start(barrierSteps, 1)...)
	c.gathered(2)
	c.is(false, 2)
	children = append(children, c.start(barrierSteps, 1)...)
	c.end(children)
	c.is(false, 0)
}

func barrierIdle(t *testing.T) {
	c := newCrowd(t, 2)
	for range 2 {
		c.Barrier.Abort()
		c.is(true, 0)
	}
	for range 2 {
		c.Barrier.Reset()
		c.is(false, 0)
	}
	c.all()
}

func barrierExpired(t *testing.T) {
	c := newCrowd(t, 2)
	waiting := async(func() error { return second(c.Barrier.Wait(t.Context())) })
	c.gathered(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Barrier.Wait(ctx)
	want(t, "Wait", err, context.Canceled)
	want(t, "Wait", err, lock.ErrBroken)
	want(t, "the other one", await(t, "the other one", waiting), lock.ErrBroken)
	c.is(true, 0)
}

// barrierMadeAnew has who comes first put another barrier in this one's place,
// while the others may still leave it.
func barrierMadeAnew(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	const parties = 20
	b := createBarrier(t, seg, parties)
	for range 30 {
		var done []<-chan error
		for range parties {
			done = append(done, async(func() error {
				rank, err := b.Wait(t.Context())
				if err == nil && rank == 0 {
					err = seg.Remove(t.Context(), "b")
				}
				return err
			}))
		}
		for _, d := range done {
			want(t, "Wait", await(t, "a party", d), nil)
		}
		b = createBarrier(t, seg, parties)
	}
}

// barrierAbsent has one party die before it comes.
func barrierAbsent(t *testing.T) {
	const parties = 3
	c := newCrowd(t, parties)
	absent, out := start(t, holds, args{})
	line(t, out)
	c.Limit = 100 * time.Millisecond
	children := c.start(barrierBreaks, parties-1)
	shmtest.Kill(t, absent)
	c.end(children)
	c.is(true, 0)
	c.Barrier.Reset()
	c.all()
}

// TestBarrierPartyIsKilled kills a party that waits.
func TestBarrierPartyIsKilled(t *testing.T) {
	const parties = 3
	c := newCrowd(t, parties)
	for range 5 {
		mine := async(func() error { return second(c.Barrier.Wait(t.Context())) })
		victim := c.start(barrierSteps, 1)
		c.gathered(2)
		shmtest.Kill(t, victim[0])
		want(t, "who waits", await(t, "who waits", mine), lock.ErrBroken)
		c.is(true, 0)
		c.Barrier.Reset()
		c.Before.Store(0)
	}
	c.all()
}

// TestBarrierLeaverIsKilled kills a party that was let go.
func TestBarrierLeaverIsKilled(t *testing.T) {
	c := newCrowd(t, 2)
	children := c.start(barrierSteps, 1)
	c.Before.Add(1)
	want(t, "Wait", second(c.Barrier.Wait(t.Context())), nil)
	want(t, "Wait", second(c.Barrier.Wait(t.Context())), nil)
	mine := async(func() error { return second(c.Barrier.Wait(t.Context())) })
	c.gathered(1)
	shmtest.Kill(t, children[0])
	c.is(false, 1)
	want(t, "another party", second(c.Barrier.Wait(t.Context())), nil)
	want(t, "who waits", await(t, "who waits", mine), nil)
}

func TestBarrierClosed(t *testing.T) {
	seg := heap(t)
	b := createBarrier(t, seg, 2)
	other, err := lock.OpenBarrier(t.Context(), peer(t, seg), "b")
	want(t, "OpenBarrier", err, nil)
	done := async(func() error { return second(b.Wait(context.Background())) })
	until(t, "it waits", func() bool { return waiting(t, seg, 1) })
	want(t, "Close", seg.Close(), nil)
	want(t, "Wait", await(t, "Wait", done), fs.ErrClosed)
	_, err = other.Wait(t.Context())
	want(t, "the other party", err, lock.ErrBroken)
	if b.Parties() != 2 || b.Waiting() != 0 || b.Broken() {
		t.Errorf("after Close: %d parties, %d waiting, broken %v", b.Parties(), b.Waiting(), b.Broken())
	}
}
