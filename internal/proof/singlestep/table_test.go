//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

func tableOperations() []operation {
	open := func(before, do func(t *lock.Table) error) func(context.Context, *shm.Segment) (deed, error) {
		return func(ctx context.Context, seg *shm.Segment) (deed, error) {
			t, err := lock.OpenTable(ctx, seg, "table")
			return deed{
				warm: func() error {
					i, err := t.Alloc()
					m := t.At(i)
					return errors.Join(err, m.Lock(ctx), m.Unlock(), t.Free(i))
				},
				before: func() error { return before(t) },
				do:     func() error { return do(t) },
			}, err
		}
	}
	none := func(*lock.Table) error { return nil }
	takes := func(t *lock.Table) error { return t.AllocAt(1) }
	frees := func(t *lock.Table) error { return t.Free(1) }
	var m *lock.Mutex // of the child
	return []operation{
		{name: "Table.Alloc", lay: layTable(tableBooks{}), full: 1, open: open(none, func(t *lock.Table) error { _, err := t.Alloc(); return err })},
		{name: "Table.AllocAt", lay: layTable(tableBooks{}), full: 1, open: open(none, takes)},
		{name: "Table.Free", lay: layTable(tableBooks{frees: true}), full: 1, open: open(takes, frees)},
		{
			name: "Table.At.Lock", lay: layTable(tableBooks{locks: true}), full: 1,
			open: open(func(t *lock.Table) error { err := t.AllocAt(1); m = t.At(1); return err }, func(*lock.Table) error { return m.Lock(context.Background()) }),
		},
	}
}

// tableBooks is a table of which children take and free numbers.
type tableBooks struct {
	empty
	t     *lock.Table
	frees bool // what the operation does
	locks bool
}

func layTable(b tableBooks) func(context.Context, *shm.Segment) (subject, error) {
	return func(ctx context.Context, seg *shm.Segment) (subject, error) {
		t, err := lock.CreateTable(ctx, seg, "table", lock.TableSpec{Len: 3})
		b := b
		b.t = t
		return &b, err
	}
}

func (b *tableBooks) meet(context.Context) error { return nil }

func (b *tableBooks) judge(ctx context.Context, d shm.Death) (int, error) {
	taken := maps.Collect(b.t.All())
	effect := len(taken)
	switch {
	case effect > 1:
		return 0, fmt.Errorf("numbers %v are taken", taken)
	case b.locks:
		effect = held(d, "lock")
	case b.frees:
		effect = 1 - effect
	}
	for i, m := range taken {
		if err := m.TryLock(); errors.Is(err, lock.ErrPoisoned) != (held(d, "lock") == 1) {
			return 0, fmt.Errorf("it held %v, and then: %w", d.Held, err)
		} else if err == nil {
			if err := m.Unlock(); err != nil {
				return 0, err
			}
		}
		if err := errors.Join(m.Recover(ctx, func() error { return nil }), m.Lock(ctx), m.Unlock(), b.t.Free(i)); err != nil {
			return 0, err
		}
		if err := m.TryLock(); !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("locking a mutex that was freed: %w", err)
		}
	}
	var errs []error
	for range b.t.Len() {
		i, err := b.t.Alloc()
		errs = append(errs, err, b.t.At(i).TryLock(), b.t.At(i).Unlock())
	}
	for i := range b.t.Len() {
		errs = append(errs, b.t.Free(i))
	}
	return effect, errors.Join(errs...)
}
