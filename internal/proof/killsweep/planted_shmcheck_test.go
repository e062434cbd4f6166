//go:build linux && shmcheck

package killsweep

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/shm"
)

// planted returns a stage whose operations are wrong, each in its own way. The
// machine has to find all but the last one.
func planted() []*stage {
	type w = *numbersWorld
	type c = context.Context
	s := numbersStage()
	s.name = "planted"
	s.peers = []string{"Store 7"}
	s.open = func(ctx c, p place) (world, error) {
		a, err := array.OpenAtomic[int32](ctx, p.seg, "a")
		return &numbersWorld{a}, err
	}
	s.make = func(ctx c, seg *shm.Segment) error {
		_, err := array.CreateAtomic[int32](ctx, seg, "a", array.Spec{Len: items})
		return err
	}
	const zeros = "0 0 0"
	s.operations = []*operation{
		{ // two numbers that belong together, by two stores: a death between them leaves half
			name: "half", begin: zeros, moves: []move{becomes(zeros, "1 1 0")},
			do: quietly(func(_ c, w w) error {
				w.a.Store(0, 1)
				w.a.Store(1, 1)
				return nil
			}),
		},
		{ // a lock that no repair gives back
			name: "no repair", begin: zeros, moves: []move{becomes(zeros, "0 0 1"), becomes("0 0 1", zeros)}, dies: sets(zeros),
			do: quietly(func(_ c, w w) error {
				w.a.Store(2, 1)
				w.a.Store(2, 0)
				return nil
			}),
		},
		{ // it says that it has done what it has not
			name: "nothing", begin: zeros, moves: []move{becomes(zeros, "5 0 0")},
			do: quietly(func(c, w) error { return nil }),
		},
		{ // an addition that is lost if another process changes the number meanwhile
			name: "lost", begin: zeros, moves: puts(0, 1, 5, false),
			do: quietly(func(_ c, w w) error {
				second := w.a.Load(1)
				w.a.Store(0, 5)
				w.a.Store(1, second)
				return nil
			}),
		},
		{
			name: "Store 7", begin: zeros, moves: puts(1, 1, 7, false),
			do: quietly(func(_ c, w w) error {
				w.a.Store(1, 7)
				return nil
			}),
		},
	}
	return []*stage{s}
}

// TestSweepFindsPlantedFaults proves that the machine sees what it is for.
func TestSweepFindsPlantedFaults(t *testing.T) {
	s := part(len(tables()) - 1)[0]
	for _, name := range []string{"half", "no repair", "nothing"} {
		op, err := s.operation(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raise(t, s).sweep(t.Context(), op, every); err == nil || !strings.Contains(err.Error(), "do not balance") {
			t.Errorf("%s: the sweep found %v", name, err)
		}
	}
	op, err := s.operation("half")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raise(t, s).killRepairers(t.Context(), op, 3, 1); err == nil || !strings.Contains(err.Error(), "do not balance") {
		t.Errorf("half: after killing who repairs, %v was found", err)
	}
	lost, err1 := s.operation("lost")
	seven, err2 := s.operation("Store 7")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	h := raise(t, s)
	if _, err := h.sweep(t.Context(), seven, every); err != nil {
		t.Errorf("an operation that is right: %v", err)
	}
	if _, err := h.sweep(t.Context(), lost, every); err != nil {
		t.Errorf("an operation that is right when alone: %v", err)
	}
	// The other way round: the one whose store can be undone stands still after it has loaded.
	err = nil
	for pause := 1; pause <= 6 && err == nil; pause++ {
		_, _, err = h.once(t.Context(), take{op: seven, other: &other{op: lost, pause: pause}})
	}
	if err == nil || !strings.Contains(err.Error(), "do not balance") {
		t.Errorf("lost: beside another operation, %v was found", err)
	}
}

// TestGapsAreFound proves that an operation nobody sweeps is missed.
func TestGapsAreFound(t *testing.T) {
	swept := covered(stages())
	exported := []string{"lock.Mutex.Steal"}
	for name := range swept {
		exported = append(exported, name)
	}
	if got := gaps(exported, swept); len(got) != 1 || !strings.HasPrefix(got[0], "lock.Mutex.Steal is not swept") {
		t.Errorf("found %q", got)
	}
	slices.Sort(exported)
	if got := gaps(exported[1:], swept); len(got) != 2 { // and one that does not exist any more
		t.Errorf("found %q", got)
	}
}

// TestBooks pins what the model says of two that lock a mutex.
func TestBooks(t *testing.T) {
	s := scene{from: "free", actors: []actor{
		{name: "v", moves: []move{takes, lets}, dies: leaves("poisoned"), killed: true},
		{name: "p", moves: []move{takes, lets}},
	}}
	want := []outcome{{state: "free"}, {state: "poisoned"}, {state: "poisoned", peers: [2]string{"poisoned"}}}
	if got := s.outcomes(); !slices.Equal(got, want) {
		t.Errorf("the outcomes are %v", got)
	}
	if s.endless() {
		t.Error("somebody waits for ever")
	}
	s.from = "held"
	if !s.endless() {
		t.Error("nobody waits for one who never unlocks")
	}
}
