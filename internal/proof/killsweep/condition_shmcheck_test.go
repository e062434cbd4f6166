//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

type condWorld struct {
	seg  *shm.Segment
	m    *lock.Mutex
	c    *lock.Cond
	flag *value.Atomic[int32]
}

func condStage() *stage {
	return &stage{
		name: "condition",
		make: func(ctx context.Context, seg *shm.Segment) error {
			m, err := lock.CreateMutex(ctx, seg, "m", lock.Spec{})
			if err != nil {
				return err
			}
			_, err1 := lock.CreateCond(ctx, m, "c")
			_, err2 := value.CreateAtomic[int32](ctx, seg, "flag", 0)
			return errors.Join(err1, err2)
		},
		open: func(ctx context.Context, p place) (world, error) {
			m, err := lock.OpenMutex(ctx, p.seg, "m")
			if err != nil {
				return nil, err
			}
			c, err1 := lock.OpenCond(ctx, m, "c")
			flag, err2 := value.OpenAtomic[int32](ctx, p.seg, "flag")
			return &condWorld{p.seg, m, c, flag}, errors.Join(err1, err2)
		},
		peers:      []string{"Signal", "Broadcast", "Wait in vain"},
		operations: append(condWaits(), condWakes()...),
	}
}

// condReliefs return what ends the waiting: one who raises the flag and wakes all,
// one who does so and wakes one only, and one who dies holding the mutex.
func condReliefs() (all, one, death *relief) {
	type w = *condWorld
	type c = context.Context
	raised := []move{func(state, _ string) []turn {
		s := parseCond(state)
		switch s.owner {
		case "free":
			s.flag = "up"
		case "poisoned": // then those that wait are told so
		default:
			return nil
		}
		return []turn{{state: s.String()}}
	}}
	raise := func(wake func(w) error) func(c, world, *hand) error {
		return relieve(func(ctx c, w w) error {
			_, err := w.raise(ctx, func() error { return wake(w) })
			return err
		})
	}
	all = &relief{moves: raised, do: raise(func(w w) error { return w.c.Broadcast() })}
	one = &relief{moves: raised, do: raise(func(w w) error { return w.c.Signal() })}
	death = &relief{
		moves: []move{func(state, _ string) []turn {
			s := parseCond(state)
			if s.owner == "v" {
				return nil
			}
			s.owner = "poisoned"
			return []turn{{state: s.String()}}
		}},
		do: func(ctx c, _ world, h *hand) error { return h.sacrifice(ctx, "Lock") },
	}
	return all, one, death
}

// condWaits are the operations of those that wait. Who is woken by Signal passes it
// on: so nobody may lose one, whoever dies.
func condWaits() []*operation {
	type w = *condWorld
	type c = context.Context
	m := movesOfCond()
	all, one, death := condReliefs()
	waits := []move{m.locks, m.waits, m.wakes, m.unlocks}
	wait := on(func(ctx c, w w) (string, error) { return w.wait(ctx) })
	waitFor := on(func(ctx c, w w) (string, error) { return w.waitFor(ctx, w.c.Signal) })
	const down = "free down"
	return []*operation{
		{
			name: "Wait in vain", covers: names("lock.Cond.Wait lock.Cond.WaitFor"), begin: down, dies: condDies,
			moves: []move{m.locks, lateOr(m.waits), lateOr(m.wakes), m.unlocks},
			do:    on(func(ctx c, w w) (string, error) { return w.waitBriefly(ctx) }),
		},
		{name: "Wait", covers: names("lock.Cond.Wait"), begin: down, moves: waits, dies: condDies, relief: all, do: wait},
		{name: "Wait, another waits", covers: names("lock.Cond.Wait"), begin: down, moves: waits, dies: condDies, beside: "Wait", relief: all, do: wait},
		{name: "WaitFor and Signal", covers: names("lock.Cond.WaitFor"), begin: down, moves: waits, dies: condDies, relief: one, do: waitFor},
		{
			name: "WaitFor and Signal, another waits", covers: names("lock.Cond.WaitFor lock.Cond.Signal"), begin: down,
			moves: waits, dies: condDies, beside: "WaitFor and Signal", relief: one, do: waitFor,
		},
		{name: "WaitFor, up already", covers: names("lock.Cond.WaitFor"), begin: "free up", moves: waits, dies: condDies, do: waitFor},
		{name: "Wait, the owner dies", covers: names("lock.Cond.Wait"), begin: down, moves: waits, dies: condDies, relief: death, do: wait},
		{
			name: "Wait, the owner dies, Repair", covers: names("lock.Cond.Wait"), begin: down, dies: condDies, relief: death,
			moves: condRepairs(), do: on(func(ctx c, w w) (string, error) {
				w.m.Repair = func() error {
					w.flag.Store(1)
					return nil
				}
				return w.wait(ctx)
			}),
		},
		{
			name: "Two wait", covers: names("lock.Cond.WaitFor"), begin: down, dies: condDies, relief: all, variant: true,
			moves: []move{m.locks, m.unlocks, m.locks, m.unlocks, m.wakes, m.unlocks, m.wakes, m.unlocks},
			do:    on(func(ctx c, w w) (string, error) { return w.waitTwice(ctx) }),
		},
		{ // which is what another one waits for
			name: "Lock", covers: names("lock.Mutex.Lock"), begin: down, moves: []move{m.locks}, dies: condDies, variant: true,
			do: on(func(ctx c, w w) (string, error) { return refusal(w.m.Lock(ctx)) }),
		},
	}
}

// condWakes are the operations of those that wake.
func condWakes() []*operation {
	type w = *condWorld
	type c = context.Context
	m := movesOfCond()
	all, one, _ := condReliefs()
	const down = "free down"
	moves := []move{m.locks, m.raises, m.unlocks}
	by := func(wake func(w) error) func(c, world) (string, error) {
		return on(func(ctx c, w w) (string, error) { return w.raise(ctx, func() error { return wake(w) }) })
	}
	signal := by(func(w w) error { return w.c.Signal() })
	signalN := by(func(w w) error { return w.c.SignalN(2) })
	closeHolding := on(func(ctx c, w w) (string, error) {
		if said, err := refusal(w.m.Lock(ctx)); said != "" || err != nil {
			return said, err
		}
		return "", w.seg.Close()
	})
	broadcast := by(func(w w) error { return w.c.Broadcast() })
	return []*operation{
		{name: "Signal", covers: names("lock.Cond.Signal"), begin: down, moves: moves, dies: condDies, do: signal},
		{name: "Signal, another waits", covers: names("lock.Cond.Signal"), begin: down, moves: moves, dies: condDies, beside: "WaitFor and Signal", relief: one, do: signal},
		{name: "SignalN, two wait", covers: names("lock.Cond.SignalN"), begin: down, moves: moves, dies: condDies, beside: "Two wait", relief: all, do: signalN},
		{name: "Broadcast", covers: names("lock.Cond.Broadcast"), begin: down, moves: moves, dies: condDies, light: true, do: broadcast},
		{name: "Broadcast, two wait", covers: names("lock.Cond.Broadcast"), begin: down, moves: moves, dies: condDies, beside: "Two wait", relief: all, do: broadcast},
		{ // of two processes one is rung by the victim, the other one by the first
			name: "Broadcast, two others wait", covers: names("lock.Cond.Broadcast"), begin: down, moves: moves, dies: condDies,
			beside: "Wait", two: true, relief: all, do: broadcast,
		},
		{
			name: "Close, holding, two others wait", covers: names("shm.Segment.Close"), begin: down, dies: condDies, beside: "Wait", two: true,
			relief: all, moves: []move{m.locks, condDies}, everywhere: true, variant: true, do: closeHolding,
		},
		{
			name: "Close, holding, another waits", covers: names("shm.Segment.Close"), begin: down, dies: condDies, beside: "Wait", relief: all,
			moves: []move{m.locks, condDies}, everywhere: true, variant: true, do: closeHolding,
		},
		{
			name: "Close, waiting, another waits", covers: names("shm.Segment.Close"), begin: down, dies: condDies,
			beside: "WaitFor and Signal", relief: one, moves: condCloses(), everywhere: true, variant: true,
			do: on(func(ctx c, w w) (string, error) { return w.closeWaiting(ctx) }),
		},
	}
}

func (w *condWorld) up() bool { return w.flag.Load() == 1 }

// wait waits by Wait until the flag is up.
func (w *condWorld) wait(ctx context.Context) (string, error) {
	if said, err := refusal(w.m.Lock(ctx)); said != "" || err != nil {
		return said, err
	}
	for !w.up() {
		if said, err := refusal(w.c.Wait(ctx)); said != "" || err != nil {
			return said, err
		}
	}
	return "", w.m.Unlock()
}

// waitFor waits by WaitFor until the flag is up, and then calls next.
func (w *condWorld) waitFor(ctx context.Context, next func() error) (string, error) {
	return refusal(w.m.Do(ctx, func() error {
		if err := w.c.WaitFor(ctx, w.up); err != nil {
			return err
		}
		return next()
	}))
}

// waitBriefly waits for no longer than a moment.
func (w *condWorld) waitBriefly(ctx context.Context) (string, error) {
	late := false
	said, err := refusal(w.m.Do(ctx, func() error {
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		err := w.c.WaitFor(short, w.up)
		if errors.Is(err, context.DeadlineExceeded) {
			late, err = true, ctx.Err()
		}
		return err
	}))
	if late {
		said = "late"
	}
	return said, err
}

// waitTwice has two goroutines wait.
func (w *condWorld) waitTwice(ctx context.Context) (string, error) {
	type end struct {
		said string
		err  error
	}
	second := make(chan end, 1)
	waits := make(chan struct{}, 1)
	go func() {
		said, err := refusal(w.m.Do(ctx, func() error {
			waits <- struct{}{} // holding the mutex, which is let go of by WaitFor
			return w.c.WaitFor(ctx, w.up)
		}))
		second <- end{said, err}
	}()
	select {
	case <-waits:
	case e := <-second:
		return e.said, e.err
	}
	said, err := w.waitFor(ctx, func() error { return nil })
	e := <-second
	if e.said != "" {
		said = e.said
	}
	return said, errors.Join(err, e.err)
}

// closeWaiting closes the segment while a goroutine waits, which passes on what
// wakes it.
func (w *condWorld) closeWaiting(ctx context.Context) (string, error) {
	waits, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- w.m.Do(ctx, func() error {
			waits <- struct{}{} // holding the mutex, which is let go of by WaitFor
			if err := w.c.WaitFor(ctx, w.up); err != nil {
				return err
			}
			return w.c.Signal()
		})
	}()
	select {
	case <-waits:
	case err := <-ended:
		return refusal(err)
	}
	said, err := refusal(w.m.Do(ctx, func() error { return nil }))
	err = errors.Join(err, w.seg.Close())
	if e := <-ended; !errors.Is(e, fs.ErrClosed) {
		err = errors.Join(err, e)
	}
	return said, err
}

// raise raises the flag, and wakes.
func (w *condWorld) raise(ctx context.Context, wake func() error) (string, error) {
	if said, err := refusal(w.m.Lock(ctx)); said != "" || err != nil {
		return said, err
	}
	w.flag.Store(1)
	return "", errors.Join(wake(), w.m.Unlock())
}

func (w *condWorld) begin(ctx context.Context, state string) error {
	if err := w.m.Recover(ctx, func() error { return nil }); err != nil {
		return err
	}
	return w.m.Do(ctx, func() error {
		w.flag.Store(0)
		if parseCond(state).flag == "up" {
			w.flag.Store(1)
		}
		return nil
	})
}

// state also finds out whether the condition still counts anybody.
func (w *condWorld) state(context.Context) (string, error) {
	objects, err := w.seg.Objects()
	if err != nil {
		return "", err
	}
	for _, o := range objects {
		if o.Kind == "cond" && o.State != "nobody waits" {
			return "", fmt.Errorf("the condition says: %s", o.State)
		}
	}
	s := condState{"free", "down"}
	if w.up() {
		s.flag = "up"
	}
	switch said, err := refusal(w.m.TryLock()); {
	case err != nil:
		return "", err
	case said != "":
		s.owner = said
		return s.String(), nil
	}
	return s.String(), w.m.Unlock()
}

func (w *condWorld) work(ctx context.Context) error {
	if err := w.m.Recover(ctx, func() error { return nil }); err != nil {
		return err
	}
	return wakeOne(ctx, w.c)
}

// wakeOne wakes a goroutine that waits, in each way that there is.
func wakeOne(ctx context.Context, c *lock.Cond) error {
	for _, wake := range []func() error{c.Signal, c.Broadcast, func() error { return c.SignalN(2) }} {
		up := false // guarded by the mutex
		waits, done := make(chan struct{}, 1), make(chan error, 1)
		go func() {
			done <- c.Mutex().Do(ctx, func() error {
				waits <- struct{}{}
				return c.WaitFor(ctx, func() bool { return up })
			})
		}()
		select {
		case <-waits:
		case err := <-done:
			return err
		}
		err := c.Mutex().Do(ctx, func() error {
			up = true
			return wake()
		})
		if err := errors.Join(err, <-done); err != nil {
			return err
		}
	}
	return nil
}

func condKind() kind {
	with := func(f func(ctx context.Context, m *lock.Mutex, name string) (*lock.Cond, error)) func(context.Context, *shm.Segment) (handle, error) {
		return func(ctx context.Context, seg *shm.Segment) (handle, error) {
			m, err := lock.OpenOrCreateMutex(ctx, seg, "mutex", lock.Spec{})
			if err != nil {
				return nil, err
			}
			return some(f(ctx, m, objectName))
		}
	}
	return kind{
		name: "lock.%sCond", unmarshal: "lock.Cond.UnmarshalText", light: true,
		create: with(lock.CreateCond), open: with(lock.OpenCond), openOrCreate: with(lock.OpenOrCreateCond),
		zero: func() handle { return new(lock.Cond) },
		probe: func(ctx context.Context, h handle) error {
			c, err := as[lock.Cond](h)
			if err != nil {
				return err
			}
			return wakeOne(ctx, c)
		},
	}
}
