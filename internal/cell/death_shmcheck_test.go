//go:build shmcheck

package cell_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/mem"
)

func store(t *testing.T, v *cell.Value, n uint64) {
	t.Helper()
	if err := cell.Store(t.Context(), v, &pair{n, n}); err != nil {
		t.Error(err)
	}
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
		changed := func() bool { return mem.LoadNumber(&waiter.Number) != 0 }
		go func() { done <- waiter.Watcher.Await(t.Context(), p.use, changed) }()
		until(t, p.asleep)
		before := cell.EventOf(w.core)
		died := explore.KillAt(n, func() {
			mem.AddInteger(&victim.Number, 1)
			if cell.Flagged(&victim.Event) {
				cell.Notify(&victim.Event)
			}
		})
		for k := 1; explore.KillAt(k, func() { w.die(2) }); k++ {
		}
		w.die(2)
		if changed() && cell.EventOf(w.core) == before {
			t.Errorf("step %d: the word that the waiter sleeps on did not change", n)
		}
		if !changed() {
			mem.AddInteger(&victim.Number, 1)
			cell.Notify(&victim.Event)
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
