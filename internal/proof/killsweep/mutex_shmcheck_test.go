//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// The states of a mutex are "free", "poisoned", "held" by the survivor, and the
// name of another process that holds it.
type mutexWorld struct {
	seg *shm.Segment
	m   *lock.Mutex
}

func mutexStages() []*stage {
	return []*stage{mutexStage("mutex", lock.Poison), mutexStage("releasing mutex", lock.Release)}
}

func mutexStage(name string, onDeath lock.OnDeath) *stage {
	s := &stage{
		name: name,
		make: func(ctx context.Context, seg *shm.Segment) error {
			_, err := lock.CreateMutex(ctx, seg, "m", lock.Spec{OnDeath: onDeath})
			return err
		},
		open: func(ctx context.Context, p place) (world, error) {
			m, err := lock.OpenMutex(ctx, p.seg, "m")
			return &mutexWorld{p.seg, m}, err
		},
		peers: []string{"Do", "TryLock and Unlock"},
	}
	s.deep = onDeath == lock.Poison
	leaves := "poisoned"
	if onDeath == lock.Release {
		leaves = "free"
	}
	s.operations = mutexOperations(leaves)
	if onDeath == lock.Poison {
		s.operations = append(s.operations, recoverOperations()...)
	}
	return s
}

// takes is a move of who locks the mutex, or is told that it is poisoned.
func takes(state, me string) []turn {
	switch state {
	case "free":
		return []turn{{state: me}}
	case "poisoned":
		return []turn{{state: state, said: "poisoned", over: true}}
	}
	return nil
}

// tries is takes for who does not wait.
func tries(state, me string) []turn {
	if t := takes(state, me); t != nil {
		return t
	}
	return []turn{{state: state, said: "locked", over: true}}
}

// lets is a move of who unlocks the mutex.
func lets(state, me string) []turn {
	if state == me {
		return []turn{{state: "free"}}
	}
	return nil
}

// leaves is what the death of a holder does.
func leaves(next string) move {
	return func(state, me string) []turn {
		if state == me {
			return []turn{{state: next}}
		}
		return []turn{{state: state}}
	}
}

func mutexOperations(left string) []*operation {
	dies := leaves(left)
	freed := &relief{moves: []move{becomes("held", "free")}, do: relieve(func(_ context.Context, w *mutexWorld) error { return w.m.Unlock() })}
	locked := prior(func(ctx context.Context, w *mutexWorld) error { return w.m.Lock(ctx) })
	do := on(func(ctx context.Context, w *mutexWorld) (string, error) {
		return refusal(w.m.Do(ctx, func() error { return nil }))
	})
	return []*operation{
		{
			name: "Lock", covers: names("lock.Mutex.Lock"), begin: "free", moves: []move{takes}, dies: dies,
			do: on(func(ctx context.Context, w *mutexWorld) (string, error) { return refusal(w.m.Lock(ctx)) }),
		},
		{
			name: "Lock, held", covers: names("lock.Mutex.Lock"), begin: "held", moves: []move{takes}, dies: dies, relief: freed,
			do: on(func(ctx context.Context, w *mutexWorld) (string, error) { return refusal(w.m.Lock(ctx)) }),
		},
		{
			name: "TryLock and Unlock", covers: names("lock.Mutex.TryLock"), begin: "free", moves: []move{tries, lets}, dies: dies,
			do: on(func(_ context.Context, w *mutexWorld) (string, error) {
				if said, err := refusal(w.m.TryLock()); said != "" || err != nil {
					return said, err
				}
				return "", w.m.Unlock()
			}),
		},
		{
			name: "Unlock", covers: names("lock.Mutex.Unlock"), begin: "free", before: locked, from: "v", moves: []move{lets}, dies: dies,
			do: quietly(func(_ context.Context, w *mutexWorld) error { return w.m.Unlock() }),
		},
		{
			name: "Unlock, another waits", covers: names("lock.Mutex.Unlock"), begin: "free", before: locked, from: "v",
			moves: []move{lets}, dies: dies, beside: "Do",
			do: quietly(func(_ context.Context, w *mutexWorld) error { return w.m.Unlock() }),
		},
		{name: "Do", covers: names("lock.Mutex.Do"), begin: "free", moves: []move{takes, lets}, dies: dies, do: do},
		{
			name: "Holder", covers: names("lock.Mutex.Holder"), begin: "held", moves: []move{stays}, relief: freed,
			do: quietly(func(_ context.Context, w *mutexWorld) error {
				if p, held := w.m.Holder(); held && !p.Alive {
					return errors.New("a living holder is said to be dead")
				}
				return nil
			}),
		},
		{
			name: "Close, holding", covers: names("shm.Segment.Close"), begin: "free", before: locked, from: "v",
			moves: []move{becomes("v", left)}, dies: dies, everywhere: true,
			do: quietly(func(_ context.Context, w *mutexWorld) error { return w.seg.Close() }),
		},
	}
}

func recoverOperations() []*operation {
	dies := leaves("poisoned")
	nothing := func() error { return nil }
	recover := quietly(func(ctx context.Context, w *mutexWorld) error { return w.m.Recover(ctx, nothing) })
	return []*operation{
		{
			name: "Recover", covers: names("lock.Mutex.Recover"), begin: "free", first: "Lock", from: "poisoned",
			moves: []move{becomes("poisoned", "v"), lets}, dies: dies, do: recover,
		},
		{name: "Recover, not poisoned", covers: names("lock.Mutex.Recover"), begin: "free", moves: []move{stays}, do: recover},
		{
			name: "Lock with Repair", covers: names("lock.Mutex.Lock"), begin: "free", first: "Lock", from: "poisoned",
			moves: []move{becomes("poisoned", "v"), lets}, dies: dies,
			do: quietly(func(ctx context.Context, w *mutexWorld) error {
				w.m.Repair = nothing
				return errors.Join(w.m.Lock(ctx), w.m.Unlock())
			}),
		},
	}
}

// refusal makes of an answer that is no fault what an operation said.
func refusal(err error) (string, error) {
	switch {
	case errors.Is(err, lock.ErrPoisoned):
		return "poisoned", nil
	case errors.Is(err, lock.ErrLocked):
		return "locked", nil
	}
	return "", err
}

func (w *mutexWorld) begin(ctx context.Context, state string) error {
	if err := w.m.Recover(ctx, func() error { return nil }); err != nil {
		return err
	}
	if state == "held" {
		return w.m.Lock(ctx)
	}
	return nil
}

func (w *mutexWorld) state(context.Context) (string, error) {
	switch said, err := refusal(w.m.TryLock()); {
	case err != nil:
		return "", err
	case said != "":
		return said, nil
	}
	return "free", w.m.Unlock()
}

func (w *mutexWorld) work(ctx context.Context) error {
	if err := w.m.Recover(ctx, func() error { return nil }); err != nil {
		return err
	}
	for range 3 {
		if err := w.m.Lock(ctx); err != nil {
			return err
		}
		if err := w.m.TryLock(); !errors.Is(err, lock.ErrLocked) {
			return fmt.Errorf("a held mutex: TryLock returns %w", err)
		}
		if err := w.m.Unlock(); err != nil {
			return err
		}
	}
	return w.m.Do(ctx, func() error { return nil })
}
