//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// cells is how many elements the arrays have.
const cells = 5

func arrayOperations() []operation {
	return []operation{
		{name: "Array.Set", full: 1, lay: layArray, open: func(ctx context.Context, seg *shm.Segment) (deed, error) {
			a, err := array.Open[uint64](ctx, seg, "a")
			return deed{
				warm: func() error { a.Set(0, oldValue); return nil },
				do:   func() error { a.Set(0, newValue); return nil },
			}, err
		}},
		{name: "Array.CopyIn", full: cells, lay: layArray, open: func(ctx context.Context, seg *shm.Segment) (deed, error) {
			a, err := array.Open[uint64](ctx, seg, "a")
			before, after := row(oldValue), row(newValue)
			return deed{
				warm: func() error { a.CopyIn(0, before[:]); return nil },
				do:   func() error { a.CopyIn(0, after[:]); return nil },
			}, err
		}},
		{name: "Array.Do", full: cells, lay: layArray, open: func(ctx context.Context, seg *shm.Segment) (deed, error) {
			a, err := array.Open[uint64](ctx, seg, "a")
			return deed{
				warm: func() error { return a.Do(ctx, fill(oldValue)) },
				do:   func() error { return a.Do(ctx, fill(newValue)) },
			}, err
		}},
		{name: "Array.Atomic.Add", full: 1, lay: layCounters, open: func(ctx context.Context, seg *shm.Segment) (deed, error) {
			a, err := array.OpenAtomic[uint32](ctx, seg, "c")
			return deed{
				warm: func() error { a.Add(2, 0); return nil },
				do:   func() error { a.Add(2, 1); return nil },
			}, err
		}},
	}
}

// counterBooks is an array of numbers, of which children add 1 to the third.
type counterBooks struct {
	empty
	c *array.Atomic[uint32]
}

func layCounters(ctx context.Context, seg *shm.Segment) (subject, error) {
	c, err := array.CreateAtomic[uint32](ctx, seg, "c", array.Spec{Len: cells})
	return &counterBooks{c: c}, err
}

func (b *counterBooks) meet(context.Context) error { return nil }

func (b *counterBooks) judge(context.Context, shm.Death) (int, error) {
	n := b.c.Swap(2, 0)
	for i, x := range b.c.All() {
		if x != 0 || n > 1 {
			return 0, fmt.Errorf("%d was added, and number %d is %d", n, i, x)
		}
	}
	return int(n), nil
}

func row(x uint64) (r [cells]uint64) {
	_ = fill(x)(r[:])
	return r
}

func fill(x uint64) func([]uint64) error {
	return func(view []uint64) error {
		for i := range view {
			view[i] = x
		}
		return nil
	}
}

// arrayBooks is an array that children store to, from its beginning.
type arrayBooks struct {
	empty
	a *array.Array[uint64]
}

func layArray(ctx context.Context, seg *shm.Segment) (subject, error) {
	a, err := array.Create[uint64](ctx, seg, "a", array.Spec{Len: cells})
	if err == nil {
		err = a.Do(ctx, fill(oldValue))
	}
	return &arrayBooks{a: a}, err
}

func (b *arrayBooks) meet(context.Context) error { return nil }

func (b *arrayBooks) judge(ctx context.Context, d shm.Death) (int, error) {
	n := 0
	for i, x := range b.a.All() {
		switch {
		case x == newValue && n == i:
			n++
		case x != oldValue:
			return 0, fmt.Errorf("element %d is %x after %d new ones", i, x, n)
		}
	}
	err := b.a.Do(ctx, fill(oldValue))
	if held(d, "lock") == 1 {
		if !errors.Is(err, lock.ErrPoisoned) {
			return 0, fmt.Errorf("it held %v, and then: %w", d.Held, err)
		}
		err = b.a.Mutex().Recover(ctx, func() error { return nil })
		err = errors.Join(err, b.a.Do(ctx, fill(oldValue)))
	}
	return n, err
}
