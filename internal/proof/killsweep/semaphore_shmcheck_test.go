//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
)

// permits is all permits of the semaphore.
const permits = 4

// The state of a semaphore is who has how many permits: nobody, the victim, the
// other process, the survivor.
type permitState struct{ free, v, p, r int }

func (s permitState) String() string {
	return fmt.Sprintf("%d free, v %d, p %d, r %d", s.free, s.v, s.p, s.r)
}

func parsePermits(state string) (s permitState) {
	if _, err := fmt.Sscanf(state, "%d free, v %d, p %d, r %d", &s.free, &s.v, &s.p, &s.r); err != nil {
		panic(err) // a fault of the table
	}
	return s
}

func (s *permitState) of(who string) *int {
	switch who {
	case "v":
		return &s.v
	case "p":
		return &s.p
	}
	return &s.r
}

// acquires is a move of who takes n permits, as soon as they are there; signals
// have no holder.
func acquires(n int, kind semaphore.Kind) move {
	return func(state, me string) []turn {
		s := parsePermits(state)
		if s.free < n {
			return nil
		}
		s.free -= n
		if kind == semaphore.Bounded {
			*s.of(me) += n
		}
		return []turn{{state: s.String()}}
	}
}

func triesToAcquire(n int, kind semaphore.Kind) move {
	return func(state, me string) []turn {
		if t := acquires(n, kind)(state, me); t != nil {
			return t
		}
		return []turn{{state: state, said: "none", over: true}}
	}
}

// releases is a move of who gives n permits back.
func releases(n int, kind semaphore.Kind) move {
	return func(state, me string) []turn {
		s := parsePermits(state)
		s.free += n
		if kind == semaphore.Bounded {
			*s.of(me) -= n
		}
		return []turn{{state: s.String()}}
	}
}

// drops is what the death of a holder does.
func drops(state, me string) []turn {
	s := parsePermits(state)
	s.free += *s.of(me)
	*s.of(me) = 0
	return []turn{{state: s.String()}}
}

type semaphoreWorld struct {
	seg  *shm.Segment
	s    *semaphore.Semaphore
	kind semaphore.Kind
}

func semaphoreStages() []*stage {
	bounded := semaphoreStage("semaphore", semaphore.Bounded)
	bounded.operations = append(bounded.operations, holderOperations()...)
	return []*stage{bounded, semaphoreStage("signal semaphore", semaphore.Signal)}
}

func semaphoreStage(name string, kind semaphore.Kind) *stage {
	return &stage{
		name: name,
		make: func(ctx context.Context, seg *shm.Segment) error {
			_, err := semaphore.Create(ctx, seg, "s", semaphore.Spec{Permits: permits, Kind: kind})
			return err
		},
		open: func(ctx context.Context, p place) (world, error) {
			s, err := semaphore.Open(ctx, p.seg, "s")
			return &semaphoreWorld{p.seg, s, kind}, err
		},
		peers:      []string{"Do", "TryAcquire"},
		operations: semaphoreOperations(kind),
	}
}

func semaphoreOperations(kind semaphore.Kind) []*operation {
	type w = *semaphoreWorld
	type c = context.Context
	all := permitState{free: permits}.String()
	few := permitState{free: 1, r: permits - 1}.String()
	gives := permits - 1
	if kind == semaphore.Signal {
		few = permitState{free: 1}.String()
	}
	back := &relief{
		moves: []move{releases(gives, kind)},
		do:    relieve(func(_ c, w w) error { return w.s.Release(gives) }),
	}
	acquired := prior(func(ctx c, w w) error { return w.s.Acquire(ctx, 3) })
	having := acquires(3, kind)(all, "v")[0].state
	var forOthers *relief // whom no death gives anything
	if kind == semaphore.Signal {
		forOthers = back
	}
	release := quietly(func(_ c, w w) error { return w.s.Release(2) })
	return []*operation{
		{
			name: "Acquire", covers: names("semaphore.Semaphore.Acquire"), begin: all, moves: []move{acquires(2, kind)}, dies: drops,
			do: quietly(func(ctx c, w w) error { return w.s.Acquire(ctx, 2) }),
		},
		{
			name: "Acquire, too few", covers: names("semaphore.Semaphore.Acquire"), begin: few, moves: []move{acquires(3, kind)}, dies: drops, relief: back,
			do: quietly(func(ctx c, w w) error { return w.s.Acquire(ctx, 3) }),
		},
		{
			name: "TryAcquire", covers: names("semaphore.Semaphore.TryAcquire"), begin: all,
			moves: []move{triesToAcquire(2, kind), releases(2, kind)}, dies: drops,
			do: on(func(_ c, w w) (string, error) {
				err := w.s.TryAcquire(2)
				if errors.Is(err, semaphore.ErrNoPermit) {
					return "none", nil
				}
				return "", errors.Join(err, w.s.Release(2))
			}),
		},
		{
			name: "Release", covers: names("semaphore.Semaphore.Release"), begin: all, before: acquired, from: having,
			moves: []move{releases(2, kind)}, dies: drops, do: release,
		},
		{
			name: "Release, another waits", covers: names("semaphore.Semaphore.Release"), begin: all, before: acquired, from: having,
			moves: []move{releases(2, kind)}, dies: drops, beside: "Do", relief: forOthers, do: release,
		},
		{
			name: "Do", covers: names("semaphore.Semaphore.Do"), begin: all, moves: []move{acquires(2, kind), releases(2, kind)}, dies: drops,
			do: quietly(func(ctx c, w w) error { return w.s.Do(ctx, 2, func() error { return nil }) }),
		},
		{
			name: "Available", covers: names("semaphore.Semaphore.Available semaphore.Semaphore.Held"), begin: all, moves: []move{stays},
			do: quietly(func(_ c, w w) error {
				if n, held := w.s.Available(), w.s.Held(); n > permits || held != 0 {
					return fmt.Errorf("%d are free, %d held", n, held)
				}
				return nil
			}),
		},
	}
}

func holderOperations() []*operation {
	return []*operation{{
		name: "Close, holding", covers: names("shm.Segment.Close"), begin: permitState{free: permits}.String(),
		before: prior(func(ctx context.Context, w *semaphoreWorld) error { return w.s.Acquire(ctx, 3) }),
		from:   permitState{free: permits - 3, v: 3}.String(), moves: []move{drops}, dies: drops, everywhere: true, light: true,
		do: quietly(func(_ context.Context, w *semaphoreWorld) error { return w.seg.Close() }),
	}}
}

func (w *semaphoreWorld) begin(ctx context.Context, state string) error {
	s := parsePermits(state)
	if n := w.s.Available(); w.kind == semaphore.Signal && n != s.free {
		if n > s.free {
			return w.s.Acquire(ctx, n-s.free)
		}
		return w.s.Release(s.free - n)
	}
	if s.r > 0 && w.kind == semaphore.Bounded {
		return w.s.Acquire(ctx, s.r)
	}
	return nil
}

func (w *semaphoreWorld) state(context.Context) (string, error) {
	return permitState{free: w.s.Available(), r: w.s.Held()}.String(), nil
}

func (w *semaphoreWorld) work(ctx context.Context) error {
	n := w.s.Available()
	for i := range n {
		if err := w.s.Acquire(ctx, 1); err != nil {
			return fmt.Errorf("permit %d of %d: %w", i+1, n, err)
		}
	}
	if err := w.s.TryAcquire(1); !errors.Is(err, semaphore.ErrNoPermit) {
		return fmt.Errorf("with none free TryAcquire returns %w", err)
	}
	if n == 0 {
		return nil
	}
	if err := w.s.Release(n); err != nil {
		return err
	}
	return w.s.Do(ctx, n, func() error { return nil })
}
