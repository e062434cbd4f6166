//go:build shmcheck

package hashmap_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/proof"
	"github.com/shoal-ipc/shoal/internal/stage"
)

// change is an operation that may die, on a map that has the keys a, b and c of one
// chain, and d of another, with the values 1 to 4.
type change struct {
	name string
	do   func(w world, p party, key []string) error
	key  int    // which it changes
	old  uint64 // its value before, 0: none
	new  uint64 // and after
}

// The keys of a sweep: indexes into what keysOf returns.
const (
	first  = 2 // the last one that was stored begins the chain
	middle = 1
	last   = 0
	other  = 3
	fresh  = 4 // of the chain, not in the map
)

func changes() []change {
	return []change{
		{name: "Store of a new key", key: fresh, new: 9, do: func(w world, p party, k []string) error { return w.store(p, k[fresh], 9) }},
		{name: "Store of the first", key: first, old: 3, new: 9, do: func(w world, p party, k []string) error { return w.store(p, k[first], 9) }},
		{name: "Store of the last", key: last, old: 1, new: 9, do: func(w world, p party, k []string) error { return w.store(p, k[last], 9) }},
		{name: "Delete of the first", key: first, old: 3, do: func(w world, p party, k []string) error { return w.delete(p, k[first]) }},
		{name: "Delete of the middle", key: middle, old: 2, do: func(w world, p party, k []string) error { return w.delete(p, k[middle]) }},
		{name: "Delete of the last", key: last, old: 1, do: func(w world, p party, k []string) error { return w.delete(p, k[last]) }},
		{name: "Delete of the only one", key: other, old: 4, do: func(w world, p party, k []string) error { return w.delete(p, k[other]) }},
		{name: "Delete of none", key: fresh, do: func(w world, p party, k []string) error { return w.delete(p, k[fresh]) }},
		{name: "Update", key: middle, old: 2, new: 9, do: func(w world, p party, k []string) error { return w.add(p, k[middle], 7) }},
		{name: "Update of a new key", key: fresh, new: 9, do: func(w world, p party, k []string) error { return w.add(p, k[fresh], 9) }},
	}
}

func keysOf(w world) []string {
	same, others := w.inChain(4)
	return []string{same[0], same[1], same[2], others[0], same[3]}
}

// TestProofDeaths kills each change at each of its steps, and who repairs it at
// each of his, twice. Before the repair, and after it, others see the old or the new
// map, and never go back; after it everything is whole and nothing is leaked.
func TestProofDeaths(t *testing.T) {
	points := 0
	for _, c := range changes() {
		t.Run(c.name, func(t *testing.T) {
			for n := 1; ; n++ {
				died := false
				for r := 1; ; r++ {
					var repairDied bool
					died, repairDied = c.dies(t, n, r)
					if t.Failed() {
						t.Fatalf("step %d, repairer's step %d", n, r)
					}
					points++
					if !repairDied {
						break
					}
					r += strideOfRepair(n)
				}
				if !died {
					t.Logf("%d steps", n-1)
					return
				}
			}
		})
	}
	proof.Report(t, proof.Exploration, proof.Count{N: points, Unit: "deaths"})
}

// strideOfRepair is how many of the repairer's steps are left out after one: they
// are others for the victim's next step.
func strideOfRepair(n int) int {
	if proof.Full() {
		return 2
	}
	return 9 + n%7
}

// dies kills the change at step n, and its repairer at step r.
func (c change) dies(t *testing.T, n, r int) (died, repairDied bool) {
	spec := small
	spec.Cap = 5
	w := newWorld(spec)
	k := keysOf(w)
	p, q := w.join(1), w.join(2)
	for i := range 4 {
		if err := w.store(q, k[i], uint64(i)+1); err != nil {
			t.Fatal(err)
		}
	}
	old := map[string]uint64{k[0]: 1, k[1]: 2, k[2]: 3, k[3]: 4}
	next := maps.Clone(old)
	delete(next, k[c.key])
	if c.new != 0 {
		next[k[c.key]] = c.new
	}
	victim := w.join(3)
	died = explore.KillAt(n, func() {
		if err := c.do(w, victim, k); err != nil {
			t.Error(err)
		}
	})
	if !died {
		return false, false
	}
	seen, err := c.seen(w, p, k, old, next)
	if err != nil {
		t.Error(err)
		return died, false
	}
	d := object.Dead{Slot: 3}
	repairDied = explore.KillAt(r, func() { w.Core.Repair(d) })
	if again, err := c.seen(w, p, k, seen, seen); err != nil {
		t.Errorf("while it is repaired: %v, %v", again, err)
	}
	if repairDied {
		explore.KillAt(r+1, func() { w.Core.Repair(d) }) // and another one
	}
	w.Die(3)
	if err := w.is(p, seen); err != nil {
		t.Error(err)
	}
	if n := w.core.Bits(); n != len(seen) {
		t.Errorf("%d entries are said to be taken of %d", n, len(seen))
	}
	if err := errors.Join(w.store(q, k[c.key], 20), w.delete(q, k[last])); err != nil {
		t.Error(err)
	}
	w.fill(t, p)
	return died, repairDied
}

// seen returns the map as others see it, which is either of two.
func (c change) seen(w world, p party, k []string, old, next map[string]uint64) (map[string]uint64, error) {
	x, err := w.load(p, k[c.key])
	if err != nil {
		return nil, err
	}
	want := old
	if x != old[k[c.key]] {
		want = next
	}
	for _, key := range k {
		if x, err := w.load(p, key); x != want[key] || err != nil {
			return nil, fmt.Errorf("%s is %d, %w, want %v", key, x, err, want)
		}
	}
	if all, err := w.all(p); err != nil || !maps.Equal(all, want) {
		return nil, fmt.Errorf("all is %v, %w, want %v", all, err, want)
	}
	return want, nil
}

// TestProofDeathsCatch has a change with a planted fault.
func TestProofDeathsCatch(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(small)
		p := w.join(1)
		k := keysOf(w)
		died := explore.KillAt(n, func() { w.join(3).PublishFirst([]byte(k[fresh]), w.value(9)) })
		if _, err := w.all(p); err != nil {
			return
		}
		if x, err := w.load(p, k[fresh]); err != nil || x != 0 && x != 9 {
			t.Logf("step %d: %d, %v", n, x, err)
			return
		}
		if !died {
			t.Fatal("a key that is there before its value is not found out")
		}
	}
}

// TestWriterWaitsForRepair has a writer wait for the lock of a dead one.
func TestWriterWaitsForRepair(t *testing.T) {
	w := newWorld(small)
	k := keysOf(w)
	p := w.join(1)
	explore.KillAt(12, func() { _ = w.store(w.join(3), k[fresh], 9) })
	done := stage.Async(func() error { return w.add(p, k[fresh], 1) })
	stage.Until(t, "it sleeps", p.Asleep)
	w.Die(3)
	stage.Want(t, "Update", stage.Await(t, "Update", done), nil)
	if x, err := w.load(p, k[fresh]); err != nil || x != 1 && x != 10 {
		t.Errorf("%d, %v", x, err)
	}
	w.Check(t)
}
