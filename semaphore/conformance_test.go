package semaphore_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/semaphore"
)

// TestConformanceSemaphore has a subtest for each thing that users of semaphores
// rely on and that no other test here shows. Those that bear an id in their
// comment show the rest.
func TestConformanceSemaphore(t *testing.T) {
	for name, f := range map[string]func(t *testing.T){
		"SEM-01": valueFollows, "SEM-02": signalGrows, "SEM-04": inVain, "SEM-06": releaseOfMany, "SEM-07": fiveTry,
		"ROS-01": wakesTheOther, "ROS-03": doneTakesNothing, "RTF-01": neverEarly, "RTF-04": exactSum,
	} {
		t.Run(name, f)
	}
}

func created(t *testing.T, spec semaphore.Spec) *semaphore.Semaphore {
	t.Helper()
	return must(semaphore.Create(t.Context(), named(t), "s", spec))(t)
}

func valueFollows(t *testing.T) {
	for _, kind := range []semaphore.Kind{semaphore.Bounded, semaphore.Signal} {
		s := created(t, semaphore.Spec{Permits: 2, Kind: kind})
		wantFree(t, s, 2)
		acquire(t, s, 1)
		wantFree(t, s, 1)
		acquire(t, s, 1)
		wantFree(t, s, 0)
		wantErr(t, "TryAcquire", s.TryAcquire(1), semaphore.ErrNoPermit)
		wantFree(t, s, 0)
		release(t, s, 1)
		wantFree(t, s, 1)
		release(t, s, 1)
		wantFree(t, s, 2)
	}
}

// A Signal semaphore has no bound; a Bounded one has, and says so.
func signalGrows(t *testing.T) {
	s := created(t, semaphore.Spec{Permits: 2, Kind: semaphore.Signal})
	release(t, s, 1)
	wantFree(t, s, 3)
	release(t, s, 1)
	wantFree(t, s, 4)
	bounded := created(t, semaphore.Spec{Permits: 2})
	wantErr(t, "Release of a free one", bounded.Release(1), semaphore.ErrNotHeld)
	wantFree(t, bounded, 2)
}

// notBefore checks that Acquire ends by its deadline, and not before.
func notBefore(t *testing.T, s *semaphore.Semaphore, n int, d time.Duration) {
	t.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	err := s.Acquire(ctx, n)
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took < d {
		t.Errorf("Acquire(%d): %v after %v, want the deadline after %v", n, err, took, d)
	}
}

// Conformance: ROS-04.
func inVain(t *testing.T) {
	s := created(t, semaphore.Spec{Permits: 1})
	acquire(t, s, 1)
	wantErr(t, "TryAcquire", s.TryAcquire(1), semaphore.ErrNoPermit)
	for _, d := range []time.Duration{-time.Second, 0, 20 * time.Millisecond} {
		notBefore(t, s, 1, d)
	}
	release(t, s, 1)
	wantFree(t, s, 1) // who gave up left nothing behind
	acquire(t, s, 1)
	release(t, s, 1)
}

func releaseOfMany(t *testing.T) {
	s := created(t, semaphore.Spec{Kind: semaphore.Signal})
	for _, n := range []int{0, -1} {
		wantErr(t, fmt.Sprintf("Release(%d)", n), s.Release(n), fs.ErrInvalid)
		wantErr(t, fmt.Sprintf("TryAcquire(%d)", n), s.TryAcquire(n), fs.ErrInvalid)
		wantFree(t, s, 0)
	}
	release(t, s, 5)
	wantFree(t, s, 5)
}

func fiveTry(t *testing.T) {
	s := created(t, semaphore.Spec{Permits: 4})
	acquire(t, s, 1)
	got := 0
	var crew []*child
	for range 5 {
		crew = append(crew, ready(t, s))
	}
	for range 2 {
		for _, c := range crew {
			c.tell("try", 1)
		}
		for _, c := range crew {
			switch line := c.line(); line {
			case "try 1 <nil>":
				got++
			case "try 1 " + semaphore.ErrNoPermit.Error():
			default:
				t.Error(line)
			}
		}
	}
	if got != 3 {
		t.Errorf("%d of 10 tries got a permit, want 3", got)
	}
	for _, c := range crew {
		c.kill()
		c.repaired()
	}
	release(t, s, 1)
	wantFree(t, s, 4)
}

// A permit that another process adds wakes who waits for it.
func wakesTheOther(t *testing.T) {
	s := created(t, semaphore.Spec{Permits: 1, Kind: semaphore.Signal})
	acquire(t, s, 1)
	c := ready(t, s)
	c.tell("try", 1)
	c.want("try 1 " + semaphore.ErrNoPermit.Error())
	done := make(chan error, 1)
	go func() { done <- s.Acquire(t.Context(), 1) }()
	c.does("release", 1)
	wantErr(t, "Acquire", soon(t, done), nil)
	wantFree(t, s, 0)
}

// A context that is done is an error, and takes no permit, even if one is free.
func doneTakesNothing(t *testing.T) {
	s := created(t, semaphore.Spec{Permits: 2})
	for _, d := range []time.Duration{-time.Second, 0} {
		notBefore(t, s, 1, d)
		notBefore(t, s, 2, d)
		wantFree(t, s, 2)
		if s.Held() != 0 {
			t.Errorf("holds %d", s.Held())
		}
	}
}

func neverEarly(t *testing.T) {
	bounded := created(t, semaphore.Spec{Permits: 3})
	acquire(t, bounded, 2)
	signal := created(t, semaphore.Spec{Permits: 1, Kind: semaphore.Signal})
	for range 40 {
		notBefore(t, bounded, 2, 3*time.Millisecond)
		notBefore(t, signal, 2, 3*time.Millisecond)
	}
	wantFree(t, bounded, 1)
	wantFree(t, signal, 1)
	release(t, bounded, 2)
}

// adds counts in plain shared memory, which nothing but the semaphore protects.
var adds = registerChild("adds", func(p *parent) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	rounds, err := strconv.Atoi(p.hear())
	if err != nil {
		return err
	}
	sums, err := array.Open[int64](context.Background(), s.Segment(), "sums")
	if err != nil {
		return err
	}
	view := sums.View()
	for range rounds {
		err := s.Do(context.Background(), 1, func() error {
			view[0]++
			view[1]--
			return nil
		})
		if err != nil {
			return err
		}
	}
	p.say("done")
	return nil
})

func exactSum(t *testing.T) {
	rounds := 100_000
	if testing.Short() {
		rounds = 1000
	}
	s := created(t, semaphore.Spec{Permits: 1})
	sums := must(array.Create[int64](t.Context(), s.Segment(), "sums", array.Spec{Len: 2, OnDeath: lock.Release}))(t)
	var crew []*child
	for range 4 {
		c := start(t, adds, s)
		c.tell(rounds)
		crew = append(crew, c)
	}
	for _, c := range crew {
		c.want("done")
	}
	if a, b := sums.At(0), sums.At(1); a != int64(4*rounds) || b != -a {
		t.Errorf("sums %d and %d, want %d", a, b, 4*rounds)
	}
}
