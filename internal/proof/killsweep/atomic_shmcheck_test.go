//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// The state of an atomic is its number.
type atomicWorld[T value.Number] struct{ a *value.Atomic[T] }

func atomicStages() []*stage {
	integer := atomicStage[int64]("atomic")
	integer.operations = append(integer.operations, bitOperations()...)
	return []*stage{integer, atomicStage[float32]("atomic float")}
}

func atomicStage[T value.Number](name string) *stage {
	type w = *atomicWorld[T]
	type c = context.Context
	say := func(x T) string { return strconv.FormatFloat(float64(x), 'f', -1, 64) }
	stored := &relief{moves: []move{sets("9")}, do: relieve(func(_ c, w w) error {
		w.a.Store(9)
		return nil
	})}
	waits := on(func(ctx c, w w) (string, error) {
		x, err := w.a.Wait(ctx, func(x T) bool { return x > 1 })
		return say(x), err
	})
	swapped := func(yes bool, state string) []turn { return []turn{{state: state, said: strconv.FormatBool(yes)}} }
	return &stage{
		name: name,
		make: func(ctx c, seg *shm.Segment) error {
			_, err := value.CreateAtomic(ctx, seg, "a", T(0))
			return err
		},
		open: func(ctx c, p place) (world, error) {
			a, err := value.OpenAtomic[T](ctx, p.seg, "a")
			return &atomicWorld[T]{a}, err
		},
		peers: []string{"Add", "CompareAndSwap"},
		operations: []*operation{
			{
				name: "Load", covers: names("value.Atomic.Load"), begin: "1", moves: []move{says},
				do: on(func(_ c, w w) (string, error) { return say(w.a.Load()), nil }),
			},
			{
				name: "Store", covers: names("value.Atomic.Store"), begin: "1", moves: []move{sets("2")},
				do: quietly(func(_ c, w w) error {
					w.a.Store(2)
					return nil
				}),
			},
			{
				name: "Store, another waits", covers: names("value.Atomic.Store"), begin: "1", moves: []move{sets("2")},
				beside: "Wait", relief: stored,
				do: quietly(func(_ c, w w) error {
					w.a.Store(2)
					return nil
				}),
			},
			{
				name: "Add", covers: names("value.Atomic.Add"), begin: "1", moves: []move{func(state, me string) []turn {
					next := adds(10)(state, me)[0].state
					return []turn{{state: next, said: next}}
				}},
				do: on(func(_ c, w w) (string, error) { return say(w.a.Add(10)), nil }),
			},
			{
				name: "Swap", covers: names("value.Atomic.Swap"), begin: "1",
				moves: []move{func(state, _ string) []turn { return []turn{{state: "2", said: state}} }},
				do:    on(func(_ c, w w) (string, error) { return say(w.a.Swap(2)), nil }),
			},
			{
				name: "CompareAndSwap", covers: names("value.Atomic.CompareAndSwap"), begin: "1",
				moves: []move{func(state, _ string) []turn {
					if state == "1" {
						return swapped(true, "3")
					}
					return swapped(false, state)
				}},
				do: on(func(_ c, w w) (string, error) { return strconv.FormatBool(w.a.CompareAndSwap(1, 3)), nil }),
			},
			{name: "Wait", covers: names("value.Atomic.Wait"), begin: "1", moves: []move{exceeds(1)}, relief: stored, do: waits},
			{name: "Wait, there already", covers: names("value.Atomic.Wait"), begin: "5", moves: []move{exceeds(1)}, do: waits},
		},
	}
}

func bitOperations() []*operation {
	type w = *atomicWorld[int64]
	bits := func(f func(x int) int) []move {
		return []move{func(state, _ string) []turn {
			return []turn{{state: strconv.Itoa(f(number(state))), said: state}}
		}}
	}
	return []*operation{
		{
			name: "And", covers: names("value.And"), begin: "7", moves: bits(func(x int) int { return x & 5 }),
			do: on(func(_ context.Context, w w) (string, error) { return fmt.Sprint(value.And(w.a, 5)), nil }),
		},
		{
			name: "Or", covers: names("value.Or"), begin: "1", moves: bits(func(x int) int { return x | 4 }),
			do: on(func(_ context.Context, w w) (string, error) { return fmt.Sprint(value.Or(w.a, 4)), nil }),
		},
	}
}

func (w *atomicWorld[T]) begin(_ context.Context, state string) error {
	w.a.Store(T(number(state)))
	return nil
}

func (w *atomicWorld[T]) state(context.Context) (string, error) {
	return strconv.FormatFloat(float64(w.a.Load()), 'f', -1, 64), nil
}

func (w *atomicWorld[T]) work(ctx context.Context) error {
	w.a.Store(3)
	if w.a.Add(4) != 7 || w.a.Swap(2) != 7 || !w.a.CompareAndSwap(2, 8) || w.a.Load() != 8 {
		return errors.New("the atomic does not count")
	}
	x, err := w.a.Wait(ctx, func(x T) bool { return x == 8 })
	if err == nil && x != 8 {
		return fmt.Errorf("waited for 8 and got %v", x)
	}
	return err
}
