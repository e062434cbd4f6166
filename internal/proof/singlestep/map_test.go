//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/kv"
	"github.com/shoal-ipc/shoal/shm"
)

// mapRoom is how many entries the map has.
const mapRoom = 3

const changedKey = "changed"

func mapOperations() []operation {
	type m = *kv.Map[string, pair]
	bg := context.Background()
	open := func(do func(m) error) func(context.Context, *shm.Segment) (deed, error) {
		return func(ctx context.Context, seg *shm.Segment) (deed, error) {
			x, err := kv.Open[string, pair](ctx, seg, "map")
			return deed{
				warm: func() error {
					return errors.Join(x.Store(ctx, "warm", alike[pair](1)), x.Store(ctx, "warm", alike[pair](2)), add(ctx, x, "warm"), x.Delete(ctx, "warm"))
				},
				do: func() error { return do(x) },
			}, err
		}
	}
	return []operation{
		{
			name: "Map.Store", lay: layMap(mapBooks{before: oldValue, after: newValue}), full: 1,
			open: open(func(x m) error { return x.Store(bg, changedKey, alike[pair](newValue)) }),
		},
		{
			name: "Map.Store/new", lay: layMap(mapBooks{after: newValue}), full: 1,
			open: open(func(x m) error { return x.Store(bg, changedKey, alike[pair](newValue)) }),
		},
		{
			name: "Map.Update", lay: layMap(mapBooks{before: oldValue, after: newValue}), full: 1,
			open: open(func(x m) error { return add(bg, x, changedKey) }),
		},
		{
			name: "Map.Delete", lay: layMap(mapBooks{before: oldValue}), full: 1,
			open: open(func(x m) error { return x.Delete(bg, changedKey) }),
		},
	}
}

// add makes what is oldValue newValue.
func add(ctx context.Context, m *kv.Map[string, pair], key string) error {
	return m.Update(ctx, key, func(x *pair, _ bool) error {
		for i := range x {
			x[i] += newValue - oldValue
		}
		return nil
	})
}

// mapBooks is a map of which children change one key. 0 stands for no entry.
type mapBooks struct {
	m             *kv.Map[string, pair]
	before, after uint64
}

func layMap(b mapBooks) func(context.Context, *shm.Segment) (subject, error) {
	return func(ctx context.Context, seg *shm.Segment) (subject, error) {
		m, err := kv.Create[string, pair](ctx, seg, "map", kv.Spec{Cap: mapRoom, KeySize: 16})
		b := b
		b.m = m
		return &b, err
	}
}

func (b *mapBooks) meet(context.Context) error { return nil }

func (b *mapBooks) fill(ctx context.Context) error {
	if b.before == 0 {
		return nil
	}
	return b.m.Store(ctx, changedKey, alike[pair](b.before))
}

func (b *mapBooks) judge(ctx context.Context, _ shm.Death) (int, error) {
	now, err := b.number()
	if err != nil {
		return 0, err
	}
	effect, there := 0, 0
	switch now {
	case b.after:
		effect = 1
	case b.before:
	default:
		return 0, fmt.Errorf("the number is %x", now)
	}
	if now != 0 {
		there = 1
	}
	if n := b.m.Len(); n != there {
		return 0, fmt.Errorf("%d entries by Len, want %d", n, there)
	}
	return effect, errors.Join(b.m.Delete(ctx, changedKey), b.use(ctx))
}

// number returns what the key has.
func (b *mapBooks) number() (uint64, error) {
	x, err := b.m.Load(changedKey)
	if errors.Is(err, kv.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return wordOf(x)
}

// use fills the empty map, and empties it: it has as much room as at first.
func (b *mapBooks) use(ctx context.Context) error {
	var errs []error
	key := func(i int) string { return fmt.Sprint("filler ", i) }
	for i := range mapRoom {
		errs = append(errs, b.m.Store(ctx, key(i), alike[pair](ourValue)))
	}
	if err := b.m.Store(ctx, key(mapRoom), alike[pair](ourValue)); !errors.Is(err, shm.ErrNoSpace) {
		errs = append(errs, fmt.Errorf("storing one more than there is room for: %w", err))
	}
	for i := range mapRoom {
		errs = append(errs, b.m.Delete(ctx, key(i)))
	}
	if n := b.m.Len(); n != 0 {
		errs = append(errs, fmt.Errorf("%d entries are left", n))
	}
	return errors.Join(errs...)
}
