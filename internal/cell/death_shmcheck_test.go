//go:build shmcheck

package cell_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/mem"
)

// TestSchedulesOfStoreAndLoad tries every order, with a few switches, of the
// steps of one writer that stores twice and one reader.
func TestSchedulesOfStoreAndLoad(t *testing.T) {
	n := explore.All(explore.Limits{Switches: 3}, func() explore.Play {
		w := newWorld(t, cell.Kind(), 16)
		writer, reader := w.value(1), w.value(3)
		var x pair
		return explore.Play{
			Actors: []func(){
				func() { store(t, writer, 1); store(t, writer, 2) },
				func() { cell.Load(reader, &x) },
			},
			Verify: func([]int) {
				if x[0] != x[1] || x[0] > 2 {
					t.Errorf("torn: %v", x)
				}
				w.check()
			},
		}
	})
	t.Logf("%d schedules", n)
}

func store(t *testing.T, v *cell.Value, n uint64) {
	t.Helper()
	if err := cell.Store(t.Context(), v, &pair{n, n}); err != nil {
		t.Error(err)
	}
}

// TestSchedulesOfADeadWriter adds the death of the writer at every step, and of
// nobody else; its heir repairs while the reader goes on.
func TestSchedulesOfADeadWriter(t *testing.T) {
	n := explore.All(explore.Limits{Switches: 2, Kills: 1}, func() explore.Play {
		w := newWorld(t, cell.Kind(), 16)
		store(t, w.value(1), 1)
		writer, reader, next := w.value(2), w.value(3), w.value(4)
		var seen pair
		return explore.Play{
			Actors: []func(){
				func() { store(t, writer, 2) },
				func() { cell.Load(reader, &seen) },
			},
			Heir: func() { w.die(2) },
			Verify: func(dead []int) {
				readerDied := len(dead) > 0 && dead[0] == 1
				if !readerDied && (seen[0] != seen[1] || seen[0] < 1 || seen[0] > 2) {
					t.Errorf("the reader saw %v", seen)
				}
				var x pair
				if cell.Load(next, &x); x[0] != x[1] || x[0] < 1 || x[0] > 2 {
					t.Errorf("survivors see %v", x)
				}
				if readerDied && x[0] != 2 {
					t.Errorf("the store was lost: %v", x)
				}
				store(t, next, 9)
				if cell.Load(reader, &x); x != (pair{9, 9}) {
					t.Errorf("the next store left %v", x)
				}
				w.check()
			},
		}
	})
	t.Logf("%d schedules", n)
}

// TestWriterDiesWithWaiters kills a writer at each step while another process
// waits for its change, and the repairer at each of its steps.
func TestWriterDiesWithWaiters(t *testing.T) {
	ops := map[string]func(v *cell.Value){
		"Store": func(v *cell.Value) { _ = cell.Store(t.Context(), v, &pair{2, 2}) },
		"Update": func(v *cell.Value) {
			var tmp pair
			_ = cell.Update(t.Context(), v, cell.NoLayout(), &tmp, func(x *pair) error { x[0], x[1] = 2, 2; return nil })
		},
	}
	for name, op := range ops {
		t.Run(name, func(t *testing.T) {
			for n := 1; ; n++ {
				if !writerDies(t, n, op) {
					t.Logf("%d steps", n-1)
					return
				}
			}
		})
	}
}

func writerDies(t *testing.T, n int, op func(*cell.Value)) bool {
	w := newWorld(t, cell.Kind(), 16)
	p := w.join(3)
	waiter, err := cell.OpenValue(p.use, p.obj, 16)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- waiter.Await(t.Context(), p.use, func() bool { return waiter.Version() != 0 }) }()
	until(t, p.asleep)
	before := cell.EventOf(w.core)

	died := explore.KillAt(n, func() { op(w.value(2)) })
	for k := 1; explore.KillAt(k, func() { w.die(2) }); k++ {
	}
	w.die(2)

	if waiter.Version() != 0 {
		if cell.EventOf(w.core) == before {
			t.Errorf("step %d: the word that the waiter sleeps on did not change", n)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	store(t, w.value(4), 5)
	if waiter.Version() == 1 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	var x pair
	if cell.Load(waiter, &x); x != (pair{5, 5}) {
		t.Errorf("step %d: the next store left %v", n, x)
	}
	w.check()
	return died
}

// TestNumberChangesWithWaiters kills who changes a number at each step while
// another process waits for the change.
func TestNumberChangesWithWaiters(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t, cell.AtomicKind(), 8)
		p, q := w.join(3), w.join(2)
		waiter, err := cell.OpenAtomic[int64](p.obj)
		if err != nil {
			t.Fatal(err)
		}
		victim, err := cell.OpenAtomic[int64](q.obj)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		changed := func() bool { return mem.LoadNumber(waiter.Number) != 0 }
		go func() { done <- waiter.Watcher.Await(t.Context(), p.use, changed) }()
		until(t, p.asleep)
		before := cell.EventOf(w.core)
		died := explore.KillAt(n, func() {
			mem.AddInteger(victim.Number, 1)
			if cell.Flagged(victim.Event) {
				cell.Notify(victim.Event)
			}
		})
		for k := 1; explore.KillAt(k, func() { w.die(2) }); k++ {
		}
		w.die(2)
		if changed() && cell.EventOf(w.core) == before {
			t.Errorf("step %d: the word that the waiter sleeps on did not change", n)
		}
		if !changed() {
			mem.AddInteger(victim.Number, 1)
			cell.Notify(victim.Event)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if !died {
			t.Logf("%d steps", n-1)
			return
		}
	}
}
