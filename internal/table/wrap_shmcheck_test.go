//go:build shmcheck

package table_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/stage"
)

// TestRecoverOfAnother stops who is about to repair a poisoned mutex, before each of
// its steps, until the turns have come round and the same number is poisoned again, as
// another one's. It may take that one for an instant, but not keep or repair it.
func TestRecoverOfAnother(t *testing.T) {
	for name, recovers := range map[string]func(m *robust.Mutex, repair func() error) error{
		"Recover":         func(m *robust.Mutex, repair func() error) error { return m.Recover(t.Context(), repair) },
		"LockRepaired":    func(m *robust.Mutex, repair func() error) error { return m.LockRepaired(t.Context(), repair) },
		"TryLockRepaired": (*robust.Mutex).TryLockRepaired,
	} {
		t.Run(name, func(t *testing.T) {
			n := 1
			for comesRound(t, n, recovers) {
				n++
			}
			if n < 4 {
				t.Errorf("only %d steps before it has the mutex", n-1)
			}
		})
	}
}

// comesRound stops a repair before step n, and reports whether it came to that and
// did not have the mutex by then.
func comesRound(t *testing.T, n int, recovers func(m *robust.Mutex, repair func() error) error) bool {
	t.Helper()
	w := newWorld(1, robust.Poison)
	p, other := w.join(1), w.join(4)
	poisons := func(slot uint32) {
		mustAlloc(t, other, 0)
		stage.Want(t, "Lock", lock(w.join(slot).at(0)), nil)
		w.Bury([]uint32{slot})
	}
	poisons(2)
	m, steps, round := p.at(0), 0, false
	satomic.SetHookBefore(func() {
		if steps++; steps != n {
			return
		}
		satomic.SetHook(nil)
		if err := other.Free(0); err != nil {
			stage.Want(t, "Free", err, robust.ErrLocked)
			return
		}
		w.set(0, 1<<14)
		poisons(3)
		round = true
	})
	err := recovers(m, func() error {
		if round {
			t.Errorf("before step %d: repairs another one's mutex", n)
		}
		return nil
	})
	satomic.SetHook(nil)
	if !round {
		return false
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before step %d: %v, want that it is gone", n, err)
	}
	if slot, _, dead := other.at(0).Holder(); !dead {
		t.Fatalf("before step %d: the other one's mutex is held by %d", n, slot)
	}
	stage.Want(t, "Recover of the other", other.at(0).Recover(t.Context(), func() error { return nil }), nil)
	stage.Want(t, "Lock of the other", other.at(0).TryLock(), nil)
	return true
}
