//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// The state of a read-write mutex is who writes ("free" nobody, "poisoned", "r"
// the survivor, or the name of another process), and how often the victim, the
// other process and the survivor read.
type rwState struct {
	writer  string
	v, p, r int
}

func (s rwState) String() string { return fmt.Sprint(s.writer, " ", s.v, " ", s.p, " ", s.r) }

func parseRW(state string) (s rwState) {
	if _, err := fmt.Sscan(state, &s.writer, &s.v, &s.p, &s.r); err != nil {
		panic(err) // a fault of the table
	}
	return s
}

func (s *rwState) reads(who string) *int {
	switch who {
	case "v":
		return &s.v
	case "p":
		return &s.p
	}
	return &s.r
}

// rwMove is a move of f, unless the mutex is poisoned or f has to wait.
func rwMove(f func(s *rwState, me string) (ok bool)) move {
	return func(state, me string) []turn {
		s := parseRW(state)
		if s.writer == "poisoned" {
			return []turn{{state: state, said: "poisoned", over: true}}
		}
		if !f(&s, me) {
			return nil
		}
		return []turn{{state: s.String()}}
	}
}

// orLocked is the move of who does not wait.
func orLocked(m move) move {
	return func(state, me string) []turn {
		if t := m(state, me); t != nil {
			return t
		}
		return []turn{{state: state, said: "locked", over: true}}
	}
}

func rwDies(state, me string) []turn {
	s := parseRW(state)
	if s.writer == me {
		s.writer = "poisoned"
	}
	*s.reads(me) = 0
	return []turn{{state: s.String()}}
}

type rwWorld struct{ m *lock.RWMutex }

func rwStage() *stage {
	return &stage{
		name: "rwmutex",
		make: func(ctx context.Context, seg *shm.Segment) error {
			_, err := lock.CreateRWMutex(ctx, seg, "m", lock.Spec{})
			return err
		},
		open: func(ctx context.Context, p place) (world, error) {
			m, err := lock.OpenRWMutex(ctx, p.seg, "m")
			return &rwWorld{m}, err
		},
		peers:      []string{"Do", "RDo"},
		operations: rwOperations(),
	}
}

func rwOperations() []*operation {
	type w = *rwWorld
	type c = context.Context
	const free, written, read = "free 0 0 0", "r 0 0 0", "free 0 0 1"
	lockIt := rwMove(func(s *rwState, me string) bool {
		ok := s.writer == "free" && s.v+s.p+s.r == 0
		if ok {
			s.writer = me
		}
		return ok
	})
	unlockIt := rwMove(func(s *rwState, _ string) bool {
		s.writer = "free"
		return true
	})
	readIt := rwMove(func(s *rwState, me string) bool {
		if s.writer != "free" {
			return false
		}
		*s.reads(me)++
		return true
	})
	leaveIt := rwMove(func(s *rwState, me string) bool {
		*s.reads(me)--
		return true
	})
	unlocked := &relief{moves: []move{unlockIt}, do: relieve(func(_ c, w w) error { return w.m.Unlock() })}
	left := &relief{
		moves: []move{func(state, _ string) []turn { return leaveIt(state, "r") }},
		do:    relieve(func(_ c, w w) error { return w.m.RUnlock() }),
	}
	nothing := func() error { return nil }
	locks := on(func(ctx c, w w) (string, error) { return refusal(w.m.Lock(ctx)) })
	reads := on(func(ctx c, w w) (string, error) { return refusal(w.m.RLock(ctx)) })
	holding := prior(func(ctx c, w w) error { return w.m.Lock(ctx) })
	reading := prior(func(ctx c, w w) error { return w.m.RLock(ctx) })
	unlock := quietly(func(_ c, w w) error { return w.m.Unlock() })
	runlock := quietly(func(_ c, w w) error { return w.m.RUnlock() })
	return []*operation{
		{name: "Lock", covers: names("lock.RWMutex.Lock"), begin: free, moves: []move{lockIt}, dies: rwDies, do: locks},
		{name: "Lock, held", covers: names("lock.RWMutex.Lock"), begin: written, moves: []move{lockIt}, dies: rwDies, relief: unlocked, do: locks},
		{name: "Lock, read", covers: names("lock.RWMutex.Lock"), begin: read, moves: []move{lockIt}, dies: rwDies, relief: left, do: locks},
		{
			name: "TryLock and Unlock", covers: names("lock.RWMutex.TryLock"), begin: free, moves: []move{orLocked(lockIt), unlockIt}, dies: rwDies,
			do: on(func(_ c, w w) (string, error) {
				if said, err := refusal(w.m.TryLock()); said != "" || err != nil {
					return said, err
				}
				return "", w.m.Unlock()
			}),
		},
		{name: "Unlock", covers: names("lock.RWMutex.Unlock"), begin: free, before: holding, from: "v 0 0 0", moves: []move{unlockIt}, dies: rwDies, do: unlock},
		{name: "Unlock, another waits", covers: names("lock.RWMutex.Unlock"), begin: free, before: holding, from: "v 0 0 0", moves: []move{unlockIt}, dies: rwDies, beside: "Do", do: unlock},
		{name: "Unlock, a reader waits", covers: names("lock.RWMutex.Unlock"), begin: free, before: holding, from: "v 0 0 0", moves: []move{unlockIt}, dies: rwDies, beside: "RDo", do: unlock},
		{
			name: "Do", covers: names("lock.RWMutex.Do"), begin: free, moves: []move{lockIt, unlockIt}, dies: rwDies,
			do: on(func(ctx c, w w) (string, error) { return refusal(w.m.Do(ctx, nothing)) }),
		},
		{name: "RLock", covers: names("lock.RWMutex.RLock"), begin: free, moves: []move{readIt}, dies: rwDies, do: reads},
		{name: "RLock, held", covers: names("lock.RWMutex.RLock"), begin: written, moves: []move{readIt}, dies: rwDies, relief: unlocked, do: reads},
		{
			name: "TryRLock and RUnlock", covers: names("lock.RWMutex.TryRLock"), begin: free, moves: []move{orLocked(readIt), leaveIt}, dies: rwDies,
			do: on(func(_ c, w w) (string, error) {
				if said, err := refusal(w.m.TryRLock()); said != "" || err != nil {
					return said, err
				}
				return "", w.m.RUnlock()
			}),
		},
		{name: "RUnlock", covers: names("lock.RWMutex.RUnlock"), begin: free, before: reading, from: "free 1 0 0", moves: []move{leaveIt}, dies: rwDies, do: runlock},
		{name: "RUnlock, a writer waits", covers: names("lock.RWMutex.RUnlock"), begin: free, before: reading, from: "free 1 0 0", moves: []move{leaveIt}, dies: rwDies, beside: "Do", do: runlock},
		{
			name: "RDo", covers: names("lock.RWMutex.RDo"), begin: free, moves: []move{readIt, leaveIt}, dies: rwDies,
			do: on(func(ctx c, w w) (string, error) { return refusal(w.m.RDo(ctx, nothing)) }),
		},
		{
			name: "Recover", covers: names("lock.RWMutex.Recover"), begin: free, first: "Lock", from: "poisoned 0 0 0",
			moves: []move{becomes("poisoned 0 0 0", "v 0 0 0"), unlockIt}, dies: rwDies,
			do: quietly(func(ctx c, w w) error { return w.m.Recover(ctx, nothing) }),
		},
	}
}

func (w *rwWorld) begin(ctx context.Context, state string) error {
	if err := w.m.Recover(ctx, func() error { return nil }); err != nil {
		return err
	}
	switch s := parseRW(state); {
	case s.writer == "r":
		return w.m.Lock(ctx)
	case s.r > 0:
		return w.m.RLock(ctx)
	}
	return nil
}

func (w *rwWorld) state(context.Context) (string, error) {
	switch said, err := refusal(w.m.TryLock()); {
	case err != nil:
		return "", err
	case said != "":
		return rwState{writer: said}.String(), nil
	}
	return rwState{writer: "free"}.String(), w.m.Unlock()
}

func (w *rwWorld) work(ctx context.Context) error {
	nothing := func() error { return nil }
	if err := w.m.Recover(ctx, nothing); err != nil {
		return err
	}
	err := w.m.RDo(ctx, func() error {
		if err := w.m.TryLock(); !errors.Is(err, lock.ErrLocked) {
			return fmt.Errorf("a mutex that is read: TryLock returns %w", err)
		}
		return nil
	})
	return errors.Join(err, w.m.Do(ctx, nothing))
}

func rwKind() kind {
	var spec lock.Spec
	return kind{
		name: "lock.%sRWMutex", unmarshal: "lock.RWMutex.UnmarshalText", light: true,
		create: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(lock.CreateRWMutex(ctx, seg, objectName, spec))
		},
		open: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(lock.OpenRWMutex(ctx, seg, objectName))
		},
		openOrCreate: func(ctx context.Context, seg *shm.Segment) (handle, error) {
			return some(lock.OpenOrCreateRWMutex(ctx, seg, objectName, spec))
		},
		zero: func() handle { return new(lock.RWMutex) },
		probe: func(ctx context.Context, h handle) error {
			m, err := as[lock.RWMutex](h)
			if err != nil {
				return err
			}
			return (&rwWorld{m}).work(ctx)
		},
	}
}
