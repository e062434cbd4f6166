package scribble_test

import (
	"context"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

func tableSteps(ctx context.Context, seg *shm.Segment) ([]step, error) {
	t, err := lock.OpenOrCreateTable(ctx, seg, "table", lock.TableSpec{Len: 5})
	if err != nil {
		return nil, err
	}
	nothing := func() error { return nil }
	return []step{
		{"table.Alloc", func(context.Context) error { return drop(t.Alloc()) }},
		{"table.AllocAt", func(context.Context) error { return t.AllocAt(1) }},
		{"table.At.Lock", func(ctx context.Context) error { return t.At(1).Lock(ctx) }},
		{"table.At.Do", func(ctx context.Context) error { return t.At(0).Do(ctx, nothing) }},
		{"table.At.Unlock", func(context.Context) error { return t.At(1).Unlock() }},
		{"table.At.TryLock", func(context.Context) error { return t.At(2).TryLock() }},
		{"table.At.Recover", func(ctx context.Context) error { return t.At(1).Recover(ctx, nothing) }},
		{"table.Free", func(context.Context) error { return t.Free(1) }},
		{"table.Free of 0", func(context.Context) error { return t.Free(0) }},
		{"table.All", func(ctx context.Context) error {
			for _, m := range t.All() {
				if err := m.Do(ctx, nothing); err != nil {
					return err
				}
			}
			return nil
		}},
	}, nil
}
