//go:build linux && shmcheck

package killsweep

import (
	"context"
	"fmt"
	"strconv"

	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// wide is a value of several words, which are equal unless it is torn.
type wide [12]uint64

func widen(n int) (x wide) {
	for i := range x {
		x[i] = uint64(n)
	}
	return x
}

func (x wide) String() string {
	if x != widen(int(x[0])) {
		return fmt.Sprintf("torn %d", [12]uint64(x))
	}
	return strconv.FormatUint(x[0], 10)
}

// The state of a value is the number that fills it.
type valueWorld struct{ v *value.Value[wide] }

func valueStage() *stage {
	type w = *valueWorld
	type c = context.Context
	stored := &relief{moves: []move{becomes("1", "9", "2", "9")}, do: relieve(func(ctx c, w w) error { return w.v.Store(ctx, widen(9)) })}
	above := func(n uint64) func(wide) bool { return func(x wide) bool { return x[0] > n } }
	return &stage{
		name: "value",
		make: func(ctx c, seg *shm.Segment) error {
			_, err := value.Create(ctx, seg, "v", wide{})
			return err
		},
		open: func(ctx c, p place) (world, error) {
			v, err := value.Open[wide](ctx, p.seg, "v")
			return &valueWorld{v}, err
		},
		peers: []string{"Update", "Load", "Store"},
		operations: []*operation{
			{
				name: "Store", covers: names("value.Value.Store"), begin: "1", moves: []move{sets("2")},
				do: quietly(func(ctx c, w w) error { return w.v.Store(ctx, widen(2)) }),
			},
			{
				name: "Store, another waits", covers: names("value.Value.Store"), begin: "1", moves: []move{becomes("1", "2", "9", "2")},
				beside: "Wait, more than 1", relief: stored,
				do: quietly(func(ctx c, w w) error { return w.v.Store(ctx, widen(2)) }),
			},
			{
				name: "Update", covers: names("value.Value.Update"), begin: "1", moves: []move{adds(10)},
				do: quietly(func(ctx c, w w) error {
					return w.v.Update(ctx, func(x *wide) error {
						*x = widen(int(x[0]) + 10)
						return nil
					})
				}),
			},
			{
				name: "Load", covers: names("value.Value.Load"), begin: "1", moves: []move{says},
				do: on(func(_ c, w w) (string, error) { return w.v.Load().String(), nil }),
			},
			{
				name: "Wait", covers: names("value.Value.Wait"), begin: "1", moves: []move{says},
				do: on(func(ctx c, w w) (string, error) {
					x, err := w.v.Wait(ctx, above(0))
					return x.String(), err
				}),
			},
			{
				name: "Wait, more than 1", covers: names("value.Value.Wait"), begin: "1", moves: []move{exceeds(1)}, relief: stored,
				do: on(func(ctx c, w w) (string, error) {
					x, err := w.v.Wait(ctx, above(1))
					return x.String(), err
				}),
			},
			{
				name: "Watch", covers: names("value.Value.Watch"), begin: "1", moves: []move{stays, exceeds(1)}, relief: stored,
				do: on(func(ctx c, w w) (string, error) {
					for x, err := range w.v.Watch(ctx) {
						if err != nil || x[0] > 1 {
							return x.String(), err
						}
					}
					return "", nil
				}),
			},
		},
	}
}

// sets is a move to a state from any other.
func sets(next string) move {
	return func(string, string) []turn { return []turn{{state: next}} }
}

// adds is a move of who adds n to a number.
func adds(n int) move {
	return func(state, _ string) []turn { return []turn{{state: strconv.Itoa(number(state) + n)}} }
}

// exceeds is a move of who waits until the number is more than n, and returns it.
func exceeds(n int) move {
	return func(state, me string) []turn {
		if number(state) > n {
			return says(state, me)
		}
		return nil
	}
}

// number returns the number of a state; a state that is none is a fault of the table.
func number(state string) int {
	n, err := strconv.Atoi(state)
	if err != nil {
		panic(err)
	}
	return n
}

func (w *valueWorld) begin(ctx context.Context, state string) error {
	return w.v.Store(ctx, widen(number(state)))
}

func (w *valueWorld) state(context.Context) (string, error) { return w.v.Load().String(), nil }

func (w *valueWorld) work(ctx context.Context) error {
	for n := range 3 {
		if err := w.v.Store(ctx, widen(n)); err != nil {
			return err
		}
	}
	err := w.v.Update(ctx, func(x *wide) error {
		*x = widen(int(x[0]) + 1)
		return nil
	})
	if err != nil {
		return err
	}
	if x, err := w.v.Wait(ctx, func(x wide) bool { return x[0] == 3 }); err != nil || x != widen(3) {
		return fmt.Errorf("after storing 3 there is %v, %w", x, err)
	}
	return nil
}
