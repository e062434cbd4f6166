//go:build linux

package kv_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/kv"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

// watchdog bounds waits that end at once unless something is broken.
const watchdog = 60 * time.Second

// block is a value that is whole if all its words are alike.
type block [20]uint64

func alike(n uint64) (b block) {
	for i := range b {
		b[i] = n
	}
	return b
}

func (b *block) whole() bool { return *b == alike(b[0]) }

// hands is what a child has: it writes down what it was about to do, and did.
type hands struct {
	Map    *kv.Map[string, block]
	Begun  *array.Atomic[int64] // additions, by child
	Done   *array.Atomic[int64]
	Number int
	Seed   uint64
}

const (
	sums    = 4  // keys that are added to, and stay
	passing = 12 // keys that come and go
	room    = 10
)

// hammer changes a map until it is killed.
var hammer = process.Func("kv-hammer", func(ctx context.Context, h hands) error {
	r := rand.New(rand.NewPCG(h.Seed, 1))
	for ctx.Err() == nil {
		if err := h.strike(ctx, r); err != nil && !errors.Is(err, shm.ErrNoSpace) && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
	}
	return nil
})

func (h hands) strike(ctx context.Context, r *rand.Rand) error {
	key := fmt.Sprint("passing ", r.IntN(passing))
	switch r.IntN(6) {
	case 0:
		return h.Map.Store(ctx, key, alike(r.Uint64()))
	case 1:
		return h.Map.Delete(ctx, key)
	case 2:
		x, err := h.Map.LoadAndDelete(ctx, key)
		if err == nil && !x.whole() {
			return fmt.Errorf("%s is torn: %v", key, x)
		}
		return err
	case 3:
		return check(h.Map)
	}
	h.Begun.Add(h.Number, 1)
	err := h.Map.Update(ctx, fmt.Sprint("sum ", r.IntN(sums)), func(x *block, found bool) error {
		if !found || !x.whole() {
			return fmt.Errorf("it is %v", *x)
		}
		*x = alike(x[0] + 1)
		return nil
	})
	if err == nil {
		h.Done.Add(h.Number, 1)
	}
	return err
}

// check goes through a map: the sums are there, every value is whole, no key comes
// twice.
func check(m *kv.Map[string, block]) error {
	seen := map[string]bool{}
	for e, err := range m.All() {
		if err != nil {
			return err
		}
		if seen[e.Key] || !e.Value.whole() {
			return fmt.Errorf("%s, seen: %v, is %v", e.Key, seen[e.Key], e.Value)
		}
		seen[e.Key] = true
	}
	for i := range sums {
		if key := fmt.Sprint("sum ", i); !seen[key] {
			return fmt.Errorf("%s is not there: %v", key, seen)
		}
	}
	return nil
}

// TestKilled kills processes that change a map, again and again.
func TestKilled(t *testing.T) {
	const children = 3
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	ctx, seg := t.Context(), shmtest.Segment(t, shm.Spec{})
	m := create[string, block](t, seg, kv.Spec{Cap: room})
	for i := range sums {
		must(t, m.Store(ctx, fmt.Sprint("sum ", i), alike(0)))
	}
	begun, err := array.CreateAtomic[int64](ctx, seg, "begun", array.Spec{Len: children})
	must(t, err)
	done, err := array.CreateAtomic[int64](ctx, seg, "done", array.Spec{Len: children})
	must(t, err)
	var list [children]*process.Child
	start := func(i int) {
		list[i], err = hammer.Start(ctx, hands{m, begun, done, i, rand.Uint64()})
		must(t, err)
	}
	for i := range children {
		start(i)
	}
	for round := range rounds {
		i := round % children
		before := done.Load(i)
		for end := time.Now().Add(watchdog); done.Load(i) < before+int64(1+rand.IntN(50)); {
			if time.Now().After(end) {
				t.Fatal("a child does nothing")
			}
			must(t, check(m))
		}
		shmtest.Kill(t, list[i])
		must(t, check(m))
		start(i)
	}
	for _, child := range list {
		shmtest.Kill(t, child)
	}
	audit(t, m, begun, done)
	must(t, seg.Check())
}

// audit compares the sums with what was written down, and fills the map.
func audit(t *testing.T, m *kv.Map[string, block], begun, done *array.Atomic[int64]) {
	t.Helper()
	least, most, sum := int64(0), int64(0), int64(0)
	for i, n := range begun.All() {
		most += n
		least += done.Load(i)
	}
	for i := range sums {
		x, err := m.Load(fmt.Sprint("sum ", i))
		must(t, err)
		sum += int64(x[0])
	}
	if sum < least || sum > most {
		t.Errorf("%d were added, of %d to %d", sum, least, most)
	}
	n := len(all(t, m))
	if m.Len() != n {
		t.Errorf("%d entries, and %d by Len", n, m.Len())
	}
	for i := range room - n + 1 {
		err := m.Store(t.Context(), fmt.Sprint("filler ", i), alike(0))
		if full := i == room-n; errors.Is(err, shm.ErrNoSpace) != full || !full && err != nil {
			t.Errorf("filler %d of %d: %v", i, room-n, err)
		}
	}
	t.Logf("%d additions, %d not known", least, most-least)
}

// TestKilledInUpdate kills a process inside of the function of Update.
func TestKilledInUpdate(t *testing.T) {
	ctx, seg := t.Context(), shmtest.Segment(t, shm.Spec{})
	m := create[string, block](t, seg, kv.Spec{Cap: 2})
	must(t, m.Store(ctx, "a", alike(5)))
	inside, err := array.CreateAtomic[int64](ctx, seg, "inside", array.Spec{Len: 1})
	must(t, err)
	for i, key := range []string{"a", "b"} {
		child, err := stuck.Start(ctx, stuckArgs{m, inside, key})
		must(t, err)
		for end := time.Now().Add(watchdog); inside.Load(0) != int64(i+1); {
			if time.Now().After(end) {
				t.Fatal("it is not inside")
			}
		}
		is(t, m, "a", alike(5)) // who reads does not wait
		if got := all(t, m); len(got) != 1 {
			t.Errorf("%v", got)
		}
		waits := make(chan error, 1)
		go func() { waits <- m.Update(ctx, key, func(x *block, _ bool) error { *x = alike(x[0]); return nil }) }()
		shmtest.Kill(t, child)
		select {
		case err := <-waits:
			must(t, err)
		case <-time.After(watchdog):
			t.Fatal("Update waits for a dead one")
		}
		must(t, m.Delete(ctx, "b"))
	}
	is(t, m, "a", alike(5))
}

type stuckArgs struct {
	Map    *kv.Map[string, block]
	Inside *array.Atomic[int64]
	Key    string
}

var stuck = process.Func("kv-stuck", func(ctx context.Context, a stuckArgs) error {
	return a.Map.Update(ctx, a.Key, func(x *block, _ bool) error {
		*x = alike(9)
		a.Inside.Add(0, 1)
		select {}
	})
})
