//go:build linux

package linear

import (
	"context"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// tableMutex is the number of the mutex that is looked at, between others.
const tableMutex = 1

// tableMutexKind is the mutex of a number of a table, of which the same is true as of
// any other.
func tableMutexKind() kind {
	k := mutexKind()
	k.name = "tablemutex"
	k.create = func(ctx context.Context, seg *shm.Segment, name string, variant int) error {
		t, err := lock.CreateTable(ctx, seg, name, lock.TableSpec{Len: 3, OnDeath: onDeathOf(variant)})
		if err != nil {
			return err
		}
		return t.AllocAt(tableMutex)
	}
	k.open = func(ctx context.Context, seg *shm.Segment, name string, variant int) (func(*lane) subject, error) {
		t, err := lock.OpenTable(ctx, seg, name)
		if err != nil {
			return nil, err
		}
		all := t.At(tableMutex)
		return func(l *lane) subject {
			own := func() (*lock.Mutex, error) { return t.At(tableMutex), nil }
			return newMutexSubject(l, all, own, variant)
		}, nil
	}
	return k
}
