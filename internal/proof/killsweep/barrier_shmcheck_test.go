//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// The state of a barrier of two is whether it is "whole" or "broken", and what
// the victim and the other process do there: "-" nothing, "waits", "goes" (it was
// let go), or "fails" (it was told that the barrier is broken).
type barrierState struct{ is, v, p string }

func (s barrierState) String() string { return s.is + " " + s.v + " " + s.p }

func parseBarrier(state string) (s barrierState) {
	if _, err := fmt.Sscan(state, &s.is, &s.v, &s.p); err != nil {
		panic(err) // a fault of the table
	}
	return s
}

// of returns what who does, and what the other one does.
func (s *barrierState) of(who string) (mine, others *string) {
	if who == "v" {
		return &s.v, &s.p
	}
	return &s.p, &s.v
}

// breaks makes those who wait fail.
func (s *barrierState) breaks() {
	for _, x := range []*string{&s.v, &s.p} {
		if *x == "waits" {
			*x = "fails"
		}
	}
}

const quietBarrier = "whole - -"

// arrives and departs are the moves of who waits at the barrier.
func arrives(state, me string) []turn {
	s := parseBarrier(state)
	mine, other := s.of(me)
	switch {
	case s.is == "broken":
		return []turn{{state: state, said: "broken", over: true}}
	case *other == "waits":
		*other = "goes"
		return []turn{{state: s.String(), said: "rank 1", over: true}}
	}
	*mine = "waits"
	return []turn{{state: s.String()}}
}

func departs(state, me string) []turn {
	s := parseBarrier(state)
	mine, _ := s.of(me)
	said := map[string]string{"goes": "rank 0", "fails": "broken"}[*mine]
	if said == "" {
		return nil
	}
	*mine = "-"
	return []turn{{state: s.String(), said: said}}
}

// vanishes is what the death of a party does.
func vanishes(state, me string) []turn {
	s := parseBarrier(state)
	mine, _ := s.of(me)
	if *mine == "waits" {
		s.is = "broken"
		s.breaks()
	}
	*mine = "-"
	return []turn{{state: s.String()}}
}

// aborts and resets are the moves of Abort and Reset.
func aborts(state, _ string) []turn {
	s := parseBarrier(state)
	s.is = "broken"
	s.breaks()
	return []turn{{state: s.String()}}
}

func resets(state, _ string) []turn {
	s := parseBarrier(state)
	s.is = "whole"
	s.breaks()
	return []turn{{state: s.String()}}
}

type barrierWorld struct{ b *lock.Barrier }

func barrierStage() *stage {
	return &stage{
		name: "barrier",
		make: func(ctx context.Context, seg *shm.Segment) error {
			_, err := lock.CreateBarrier(ctx, seg, "b", lock.BarrierSpec{Parties: 2})
			return err
		},
		open: func(ctx context.Context, p place) (world, error) {
			b, err := lock.OpenBarrier(ctx, p.seg, "b")
			return &barrierWorld{b}, err
		},
		peers:      []string{"Abort", "Reset"},
		operations: barrierOperations(),
	}
}

func barrierOperations() []*operation {
	type w = *barrierWorld
	type c = context.Context
	over := &relief{moves: []move{aborts}, do: relieve(func(_ c, w w) error {
		w.b.Abort()
		return nil
	})}
	wait := on(func(ctx c, w w) (string, error) {
		rank, err := w.b.Wait(ctx)
		if errors.Is(err, lock.ErrBroken) {
			return "broken", ctx.Err()
		}
		return fmt.Sprint("rank ", rank), err
	})
	abort := quietly(func(_ c, w w) error {
		w.b.Abort()
		return nil
	})
	reset := quietly(func(_ c, w w) error {
		w.b.Reset()
		return nil
	})
	waits := []move{arrives, departs}
	return []*operation{
		{name: "Wait", covers: names("lock.Barrier.Wait"), begin: quietBarrier, moves: waits, dies: vanishes, relief: over, do: wait},
		{
			name: "Wait, another waits", covers: names("lock.Barrier.Wait"), begin: quietBarrier, moves: waits, dies: vanishes,
			beside: "Wait", relief: over, do: wait,
		},
		{name: "Wait, broken", covers: names("lock.Barrier.Wait"), begin: "broken - -", moves: waits, dies: vanishes, do: wait},
		{name: "Abort", covers: names("lock.Barrier.Abort"), begin: quietBarrier, moves: []move{aborts}, do: abort},
		{name: "Abort, another waits", covers: names("lock.Barrier.Abort"), begin: quietBarrier, moves: []move{aborts}, beside: "Wait", relief: over, do: abort},
		{name: "Reset", covers: names("lock.Barrier.Reset"), begin: "broken - -", moves: []move{resets}, do: reset},
		{name: "Reset, another waits", covers: names("lock.Barrier.Reset"), begin: quietBarrier, moves: []move{resets}, beside: "Wait", relief: over, do: reset},
		{
			name: "Waiting", covers: names("lock.Barrier.Waiting lock.Barrier.Broken lock.Barrier.Parties"), begin: quietBarrier, moves: []move{stays},
			do: quietly(func(_ c, w w) error {
				if n := w.b.Waiting(); n > w.b.Parties() {
					return fmt.Errorf("%d wait, broken: %v", n, w.b.Broken())
				}
				return nil
			}),
		},
	}
}

func (w *barrierWorld) begin(_ context.Context, state string) error {
	w.b.Reset()
	if parseBarrier(state).is == "broken" {
		w.b.Abort()
	}
	return nil
}

func (w *barrierWorld) state(context.Context) (string, error) {
	if n := w.b.Waiting(); n != 0 {
		return "", fmt.Errorf("%d are said to wait", n)
	}
	if w.b.Broken() {
		return "broken - -", nil
	}
	return quietBarrier, nil
}

func (w *barrierWorld) work(ctx context.Context) error {
	w.b.Reset()
	for range 2 {
		second := make(chan error, 1)
		go func() {
			_, err := w.b.Wait(ctx)
			second <- err
		}()
		_, err := w.b.Wait(ctx)
		if err := errors.Join(err, <-second); err != nil {
			return err
		}
	}
	return nil
}
