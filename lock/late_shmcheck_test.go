//go:build shmcheck

package lock_test

import (
	"io/fs"
	"testing"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/lock"
)

// TestClosedJustBeforeTaking closes the segment between the look whether it is open
// and the taking of the mutex, or its unlocking: whoever closes looks at the mutex
// before it is taken, so that the one that takes it has to give it back.
func TestClosedJustBeforeTaking(t *testing.T) {
	seg := heap(t)
	stays := create(t, seg, lock.Spec{})
	for name, take := range map[string]func(m *lock.Mutex) error{
		"Lock":    func(m *lock.Mutex) error { return m.Lock(t.Context()) },
		"TryLock": (*lock.Mutex).TryLock,
	} {
		other := peer(t, seg)
		m := open(t, other)
		closed := false
		satomic.SetHookBefore(func() {
			if !closed {
				closed = true
				want(t, "Close", other.Close(), nil)
			}
		})
		err := take(m)
		satomic.SetHook(nil)
		if !closed {
			t.Fatalf("%s made no step", name)
		}
		want(t, name+" while Close", err, fs.ErrClosed)
		want(t, "TryLock of another one after "+name, stays.TryLock(), nil)
		want(t, "Unlock", stays.Unlock(), nil)
	}

	other := peer(t, seg)
	m := open(t, other)
	want(t, "Lock", m.Lock(t.Context()), nil)
	closed := false
	satomic.SetHookBefore(func() {
		if !closed {
			closed = true
			want(t, "Close", other.Close(), nil)
		}
	})
	err := m.Unlock() // Close has found it locked
	satomic.SetHook(nil)
	want(t, "Unlock while Close", err, fs.ErrClosed)
	want(t, "TryLock of another one after Unlock", stays.TryLock(), lock.ErrPoisoned)
}
