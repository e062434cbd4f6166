//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/shm"
)

// planted returns operations that a death breaks. They are not the library's.
func planted() []operation {
	return []operation{
		{name: "planted/pair", full: 1, lay: layPlanted, open: openPlanted(func(words []uint64) error {
			words[0], words[1] = 1, 1 // nobody protects the two
			return nil
		})},
		{name: "planted/lock", full: 1, lay: layPlanted, open: openPlanted(func(words []uint64) error {
			words[2] = 1 // taken, but by whom?
			words[0]++
			words[1]++
			words[2] = 0
			return nil
		})},
	}
}

func openPlanted(do func(words []uint64) error) func(ctx context.Context, seg *shm.Segment) (deed, error) {
	return func(ctx context.Context, seg *shm.Segment) (deed, error) {
		a, err := array.Open[uint64](ctx, seg, "a")
		if err != nil {
			return deed{}, err
		}
		words := a.View()
		return deed{
			warm: func() error { return nil },
			do:   func() error { return do(words) },
		}, nil
	}
}

func layPlanted(ctx context.Context, seg *shm.Segment) (subject, error) {
	a, err := array.Create[uint64](ctx, seg, "a", array.Spec{Len: 3})
	return plantedBooks{a: a}, err
}

// plantedBooks are two words that are always alike, and a lock.
type plantedBooks struct {
	empty
	a *array.Array[uint64]
}

func (b plantedBooks) meet(context.Context) error {
	for i := range b.a.Len() {
		b.a.Set(i, 0)
	}
	return nil
}

var (
	errTorn = errors.New("torn")
	errHung = errors.New("locked for ever")
)

func (b plantedBooks) judge(context.Context, shm.Death) (int, error) {
	x, y := b.a.At(0), b.a.At(1)
	switch {
	case b.a.At(2) != 0:
		return 0, errHung
	case x != y:
		return 0, fmt.Errorf("%w: %d and %d", errTorn, x, y)
	}
	return int(x), nil
}

// TestPlanted verifies that a sweep finds operations that a death breaks.
func TestPlanted(t *testing.T) {
	wants := []error{errTorn, errHung}
	for i, op := range planted() {
		t.Run(op.name, func(t *testing.T) {
			s := &sweep{op: op}
			err := s.run(t.Context(), func(total int) (all []int) {
				for n := range total {
					all = append(all, n)
				}
				return all
			})
			if errors.Is(err, errRefused) || errors.Is(err, errors.ErrUnsupported) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Log(s.faults)
			if !strings.Contains(strings.Join(s.faults, "\n"), wants[i].Error()) {
				t.Errorf("no kill shows %q", wants[i])
			}
		})
	}
}
