//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// items is how many elements the arrays have.
const items = 3

// element is what an array of the sweep is of; all its bytes are equal, unless it
// is torn.
type element interface {
	[3]byte | [4]byte | [6]byte | [12]byte
}

func fill[T element](n byte) (x T) {
	for i := range len(x) {
		x[i] = n
	}
	return x
}

// show returns the number that fills an element, "x" if there are several.
func show[T element](x T) string {
	if x != fill[T](x[0]) {
		return "x"
	}
	return strconv.Itoa(int(x[0]))
}

// The state of an array is its elements, and of its mutex what of a mutex is.
type arrayWorld[T element] struct {
	a *array.Array[T]
	m *lock.Mutex
}

func arrayStages() []*stage {
	return []*stage{
		arrayStage[[4]byte]("array", false),
		arrayStage[[6]byte]("array of 6 bytes", false),
		arrayStage[[12]byte]("array of 12 bytes", true),
		numbersStage(),
	}
}

// puts are the moves of who makes elements from at on n: those that can tear
// pass through that.
func puts(at, count, n int, tears bool) []move {
	set := func(i int, text string) move {
		return func(state, _ string) []turn {
			list := strings.Fields(state)
			list[i] = text
			return []turn{{state: strings.Join(list, " ")}}
		}
	}
	var moves []move
	for i := at; i < at+count; i++ {
		if tears {
			moves = append(moves, set(i, "x"))
		}
		moves = append(moves, set(i, strconv.Itoa(n)))
	}
	return moves
}

// locking and unlocking are the moves of who uses the array's mutex.
func locking(state, me string) []turn {
	if elements, ok := strings.CutSuffix(state, " free"); ok {
		return []turn{{state: elements + " " + me}}
	}
	if strings.HasSuffix(state, " poisoned") {
		return []turn{{state: state, said: "poisoned", over: true}}
	}
	return nil
}

func unlocking(state, me string) []turn {
	return []turn{{state: strings.TrimSuffix(state, " "+me) + " free"}}
}

func poisons(state, me string) []turn {
	if elements, ok := strings.CutSuffix(state, " "+me); ok {
		return []turn{{state: elements + " poisoned"}}
	}
	return []turn{{state: state}}
}

func arrayStage[T element](name string, tears bool) *stage {
	return &stage{
		name: name,
		make: func(ctx context.Context, seg *shm.Segment) error {
			_, err := array.Create[T](ctx, seg, "a", array.Spec{Len: items})
			return err
		},
		open: func(ctx context.Context, p place) (world, error) {
			a, err := array.Open[T](ctx, p.seg, "a")
			if err != nil {
				return nil, err
			}
			return &arrayWorld[T]{a, a.Mutex()}, nil
		},
		peers:      []string{"Do", "CopyIn"},
		operations: arrayOperations[T](tears),
	}
}

func arrayOperations[T element](tears bool) []*operation {
	type w = *arrayWorld[T]
	type c = context.Context
	const zeros = "0 0 0 free"
	reads := func(f func(a *array.Array[T]) []T) func(context.Context, world) (string, error) {
		return on(func(_ c, w w) (string, error) {
			for _, x := range f(w.a) {
				if s := show(x); s == "x" && !tears {
					return "", errors.New("an element is torn")
				}
			}
			return "", nil
		})
	}
	inside := slices.Concat([]move{locking}, puts(2, 1, 6, true), []move{unlocking})
	return []*operation{
		{
			name: "Set", covers: names("array.Array.Set"), begin: zeros, moves: puts(1, 1, 5, tears),
			do: quietly(func(_ c, w w) error {
				w.a.Set(1, fill[T](5))
				return nil
			}),
		},
		{
			name: "CopyIn", covers: names("array.Array.CopyIn"), begin: zeros, moves: puts(0, 2, 7, tears),
			do: quietly(func(_ c, w w) error {
				w.a.CopyIn(0, slices.Repeat([]T{fill[T](7)}, 2))
				return nil
			}),
		},
		{
			name: "At", covers: names("array.Array.At"), begin: zeros, moves: []move{stays},
			do: reads(func(a *array.Array[T]) []T { return []T{a.At(0), a.At(1)} }),
		},
		{
			name: "CopyOut", covers: names("array.Array.CopyOut"), begin: zeros, moves: []move{stays},
			do: reads(func(a *array.Array[T]) []T {
				list := make([]T, items)
				a.CopyOut(0, list)
				return list
			}),
		},
		{
			name: "All", covers: names("array.Array.All array.Array.Len"), begin: zeros, moves: []move{stays},
			do: reads(func(a *array.Array[T]) []T {
				list := make([]T, a.Len())
				for i, x := range a.All() {
					list[i] = x
				}
				return list
			}),
		},
		{
			name: "Do", covers: names("array.Array.Do array.Array.View array.Array.Mutex"), begin: zeros, moves: inside, dies: poisons,
			do: on(func(ctx c, w w) (string, error) {
				return refusal(w.a.Do(ctx, func(view []T) error {
					store(&view[2], fill[T](6)) // which nobody else uses
					return nil
				}))
			}),
		},
	}
}

// store stores by ordinary stores, with steps between them.
func store[T element](at *T, x T) {
	to, from := mem.BytesOf(at), mem.BytesOf(&x)
	for i := range from {
		satomic.Step()
		to[i] = from[i]
	}
	satomic.Step()
}

func (w *arrayWorld[T]) begin(ctx context.Context, _ string) error {
	if err := w.m.Recover(ctx, func() error { return nil }); err != nil {
		return err
	}
	w.a.CopyIn(0, make([]T, items))
	return nil
}

func (w *arrayWorld[T]) state(context.Context) (string, error) {
	var list []string
	for _, x := range w.a.All() {
		list = append(list, show(x))
	}
	said, err := refusal(w.m.TryLock())
	if err == nil && said == "" {
		said, err = "free", w.m.Unlock()
	}
	return strings.Join(append(list, said), " "), err
}

func (w *arrayWorld[T]) work(ctx context.Context) error {
	if err := w.m.Recover(ctx, func() error { return nil }); err != nil {
		return err
	}
	for i := range items {
		w.a.Set(i, fill[T](byte(i)))
	}
	return w.a.Do(ctx, func(view []T) error {
		for i, x := range view {
			if x != fill[T](byte(i)) {
				return fmt.Errorf("element %d is %v", i, x)
			}
		}
		return nil
	})
}

// numbersWorld has an array of atomics; its state is the numbers.
type numbersWorld struct{ a *array.Atomic[int32] }

func numbersStage() *stage {
	type w = *numbersWorld
	type c = context.Context
	const zeros = "0 0 0"
	changes := func(f func(x int) (next int, said string)) []move {
		return []move{func(state, _ string) []turn {
			list := strings.Fields(state)
			next, said := f(number(list[1]))
			list[1] = strconv.Itoa(next)
			return []turn{{state: strings.Join(list, " "), said: said}}
		}}
	}
	return &stage{
		name: "array of atomics",
		make: func(ctx c, seg *shm.Segment) error {
			_, err := array.CreateAtomic[int32](ctx, seg, "a", array.Spec{Len: items})
			return err
		},
		open: func(ctx c, p place) (world, error) {
			a, err := array.OpenAtomic[int32](ctx, p.seg, "a")
			return &numbersWorld{a}, err
		},
		peers: []string{"Add"},
		operations: []*operation{
			{
				name: "Load", covers: names("array.Atomic.Load"), begin: zeros, moves: changes(func(x int) (int, string) { return x, strconv.Itoa(x) }),
				do: on(func(_ c, w w) (string, error) { return fmt.Sprint(w.a.Load(1)), nil }),
			},
			{
				name: "Store", covers: names("array.Atomic.Store"), begin: zeros, moves: changes(func(int) (int, string) { return 2, "" }),
				do: quietly(func(_ c, w w) error {
					w.a.Store(1, 2)
					return nil
				}),
			},
			{
				name: "Add", covers: names("array.Atomic.Add"), begin: zeros, moves: changes(func(x int) (int, string) { return x + 3, strconv.Itoa(x + 3) }),
				do: on(func(_ c, w w) (string, error) { return fmt.Sprint(w.a.Add(1, 3)), nil }),
			},
			{
				name: "Swap", covers: names("array.Atomic.Swap"), begin: zeros, moves: changes(func(x int) (int, string) { return 4, strconv.Itoa(x) }),
				do: on(func(_ c, w w) (string, error) { return fmt.Sprint(w.a.Swap(1, 4)), nil }),
			},
			{
				name: "CompareAndSwap", covers: names("array.Atomic.CompareAndSwap"), begin: zeros,
				moves: changes(func(x int) (int, string) {
					if x == 0 {
						return 5, "true"
					}
					return x, "false"
				}),
				do: on(func(_ c, w w) (string, error) { return strconv.FormatBool(w.a.CompareAndSwap(1, 0, 5)), nil }),
			},
			{
				name: "All", covers: names("array.Atomic.All array.Atomic.Len"), begin: zeros, moves: []move{stays},
				do: quietly(func(_ c, w w) error {
					n := 0
					for range w.a.All() {
						n++
					}
					if n != w.a.Len() {
						return fmt.Errorf("%d elements", n)
					}
					return nil
				}),
			},
		},
	}
}

func (w *numbersWorld) begin(context.Context, string) error {
	for i := range items {
		w.a.Store(i, 0)
	}
	return nil
}

func (w *numbersWorld) state(context.Context) (string, error) {
	var list []string
	for _, x := range w.a.All() {
		list = append(list, fmt.Sprint(x))
	}
	return strings.Join(list, " "), nil
}

func (w *numbersWorld) work(context.Context) error {
	w.a.Store(2, 1)
	if w.a.Add(2, 5) != 6 || w.a.Swap(2, 3) != 6 || !w.a.CompareAndSwap(2, 3, 4) || w.a.Load(2) != 4 {
		return errors.New("the atomics do not count")
	}
	return nil
}
