//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// The values before an operation, after it, and what survivors store.
const (
	oldValue = 0x0101010101010101
	newValue = 0x0202020202020202
	ourValue = 0x0303030303030303
)

// pair and block are values that are whole if all their words are alike.
type (
	pair  [2]uint64
	block [40]uint64
)

type words interface{ pair | block }

func alike[T words](x uint64) (v T) {
	for i := range len(v) {
		v[i] = x
	}
	return v
}

// wordOf returns the word that v has everywhere.
func wordOf[T words](v T) (uint64, error) {
	for i := range len(v) {
		if v[i] != v[0] {
			return 0, fmt.Errorf("torn: %x", v)
		}
	}
	return v[0], nil
}

func valueOperations() []operation {
	return []operation{
		{name: "Value.Store", hot: true, open: storing[pair], lay: layValue[pair](false), full: 1},
		{name: "Value.Store/320 bytes", open: storing[block], lay: layValue[block](false), full: 1},
		{name: "Value.Store/wakes", open: storing[pair], lay: layValue[pair](true), full: 1},
		{name: "Value.Update", open: updating[pair], lay: layValue[pair](false), full: 1},
		{name: "Atomic.Add", hot: true, open: adding[int64], lay: layNumber[int64](false), full: 1},
		{name: "Atomic.Add/float32", open: adding[float32], lay: layNumber[float32](false), full: 1},
		{name: "Atomic.Add/wakes", open: adding[int64], lay: layNumber[int64](true), full: 1},
	}
}

func storing[T words](ctx context.Context, seg *shm.Segment) (deed, error) {
	v, err := value.Open[T](ctx, seg, "v")
	return deed{
		warm: func() error { return v.Store(ctx, alike[T](oldValue)) },
		do:   func() error { return v.Store(ctx, alike[T](newValue)) },
	}, err
}

func updating[T words](ctx context.Context, seg *shm.Segment) (deed, error) {
	v, err := value.Open[T](ctx, seg, "v")
	return deed{
		warm: func() error { return v.Update(ctx, func(x *T) error { *x = alike[T](oldValue); return nil }) },
		do: func() error {
			return v.Update(ctx, func(x *T) error {
				for i := range len(*x) {
					(*x)[i] += newValue - oldValue
				}
				return nil
			})
		},
	}, err
}

// valueBooks is a value that children store.
type valueBooks[T words] struct {
	empty
	v       *value.Value[T]
	waits   bool // the survivor waits for a change
	sleeper sleeper
}

func layValue[T words](waits bool) func(context.Context, *shm.Segment) (subject, error) {
	return func(ctx context.Context, seg *shm.Segment) (subject, error) {
		v, err := value.Create(ctx, seg, "v", alike[T](oldValue))
		return &valueBooks[T]{v: v, waits: waits}, err
	}
}

func (b *valueBooks[T]) meet(ctx context.Context) (err error) {
	if b.waits {
		b.sleeper, err = sleep(ctx, b.v.Segment(), func() error {
			_, err := b.v.Wait(ctx, func(x T) bool { return x[0] != oldValue })
			return err
		})
	}
	return err
}

func (b *valueBooks[T]) judge(ctx context.Context, _ shm.Death) (int, error) {
	x, err := wordOf(b.v.Load())
	if err != nil {
		return 0, err
	}
	if x != oldValue && x != newValue {
		return 0, fmt.Errorf("the value is %x", x)
	}
	if b.waits && x == newValue {
		if err := b.sleeper.end(ctx); err != nil {
			return 0, err
		}
	}
	if err := b.v.Store(ctx, alike[T](ourValue)); err != nil {
		return 0, err
	}
	if b.waits && x == oldValue {
		if err := b.sleeper.end(ctx); err != nil {
			return 0, err
		}
	}
	if now := b.v.Load(); now != alike[T](ourValue) {
		return 0, fmt.Errorf("a survivor stored, and loaded %x", now)
	}
	effect := 0
	if x == newValue {
		effect = 1
	}
	return effect, b.v.Store(ctx, alike[T](oldValue))
}

type number interface{ int64 | float32 }

func adding[T number](ctx context.Context, seg *shm.Segment) (deed, error) {
	n, err := value.OpenAtomic[T](ctx, seg, "n")
	return deed{
		warm: func() error { n.Add(1); n.Add(-1); return nil },
		do: func() error {
			if got := n.Add(2); got != 7 {
				return fmt.Errorf("5 and 2 are %v", got)
			}
			return nil
		},
	}, err
}

// numberBooks is a number that children add to.
type numberBooks[T number] struct {
	empty
	n       *value.Atomic[T]
	waits   bool // the survivor waits for a change
	sleeper sleeper
}

func layNumber[T number](waits bool) func(context.Context, *shm.Segment) (subject, error) {
	return func(ctx context.Context, seg *shm.Segment) (subject, error) {
		n, err := value.CreateAtomic[T](ctx, seg, "n", 5)
		return &numberBooks[T]{n: n, waits: waits}, err
	}
}

func (b *numberBooks[T]) meet(ctx context.Context) (err error) {
	if b.waits {
		b.sleeper, err = sleep(ctx, b.n.Segment(), func() error {
			_, err := b.n.Wait(ctx, func(x T) bool { return x > 6 })
			return err
		})
	}
	return err
}

func (b *numberBooks[T]) judge(ctx context.Context, _ shm.Death) (int, error) {
	x := b.n.Load()
	if x != 5 && x != 7 {
		return 0, fmt.Errorf("the number is %v, want 5 or 7", x)
	}
	if b.waits && x == 7 {
		if err := b.sleeper.end(ctx); err != nil {
			return 0, err
		}
	}
	if got := b.n.Add(10); got != x+10 {
		return 0, fmt.Errorf("%v and 10 are %v", x, got)
	}
	if b.waits && x == 5 {
		if err := b.sleeper.end(ctx); err != nil {
			return 0, err
		}
	}
	b.n.Store(5)
	if b.n.Load() != 5 {
		return 0, errors.New("a survivor cannot store")
	}
	return int(x-5) / 2, nil
}
