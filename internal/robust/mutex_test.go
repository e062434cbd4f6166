package robust_test

import (
	"context"
	"io/fs"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

func TestLockUnlock(t *testing.T) {
	policies(t, func(t *testing.T, p robust.Policy) {
		w := newWorld(t, p)
		a, b := w.join(1), w.join(2)
		want(t, "Unlock of a fresh one", a.Unlock(), robust.ErrNotOwner)
		want(t, "Lock", a.Lock(t.Context()), nil)
		want(t, "TryLock by the owner", a.TryLock(), robust.ErrLocked)
		want(t, "TryLock by another", b.TryLock(), robust.ErrLocked)
		want(t, "Unlock by another", b.Unlock(), robust.ErrNotOwner)
		want(t, "TryLock after that", b.TryLock(), robust.ErrLocked)
		if slot, generation, dead := b.Holder(); slot != 1 || generation != 101 || dead {
			t.Fatalf("Holder: %d %d %v", slot, generation, dead)
		}
		want(t, "Unlock", a.Unlock(), nil)
		want(t, "Unlock again", a.Unlock(), robust.ErrNotOwner)
		if slot, _, dead := b.Holder(); slot != 0 || dead {
			t.Fatalf("Holder of a free one: %d %v", slot, dead)
		}
		want(t, "TryLock", b.TryLock(), nil)
		want(t, "Unlock after TryLock", b.Unlock(), nil)
		wantWord(t, w, 0)
		if w.words.Slept() != 0 {
			t.Error("marked as slept on without contention")
		}
		w.check()
	})
}

func TestDoneContext(t *testing.T) {
	w := newWorld(t, robust.Poison)
	a := w.join(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want(t, "Lock", a.Lock(ctx), context.Canceled)
	want(t, "LockRepaired", a.LockRepaired(ctx, nil), context.Canceled)
	want(t, "Recover", a.Recover(ctx, nil), context.Canceled)
	wantWord(t, w, 0)
}

func TestReadOnly(t *testing.T) {
	w := newWorld(t, robust.Poison)
	r, a := w.join(0), w.join(1)
	want(t, "Lock", r.Lock(t.Context()), fs.ErrPermission)
	want(t, "TryLock", r.TryLock(), fs.ErrPermission)
	want(t, "Unlock", r.Unlock(), fs.ErrPermission)
	want(t, "Recover", r.Recover(t.Context(), nil), fs.ErrPermission)
	want(t, "LockRepaired", r.LockRepaired(t.Context(), nil), fs.ErrPermission)
	want(t, "TryLockRepaired", r.TryLockRepaired(nil), fs.ErrPermission)
	want(t, "Lock by another", a.Lock(t.Context()), nil)
	if slot, _, _ := r.Holder(); slot != 1 {
		t.Errorf("Holder: %d", slot)
	}
}

// TestContention counts by plain variables what only a mutex keeps right; the
// race detector sees them too.
func TestContention(t *testing.T) {
	policies(t, func(t *testing.T, p robust.Policy) {
		w := newWorld(t, p)
		rounds := 20000
		if testing.Short() || race.Enabled || satomic.Checked {
			rounds = 2000
		}
		var first, second int
		var wg sync.WaitGroup
		const parties, goroutines = 3, 2
		for slot := range uint32(parties) {
			a := w.join(slot + 1)
			for range goroutines {
				wg.Go(func() {
					for i := range rounds {
						if err := a.Lock(t.Context()); err != nil {
							t.Error(err)
							return
						}
						first++
						if i%64 == 0 {
							runtime.Gosched() // let the others fall asleep
						}
						second++
						if err := a.Unlock(); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
		}
		wg.Wait()
		if total := parties * goroutines * rounds; first != total || second != total {
			t.Errorf("counted %d and %d of %d", first, second, total)
		}
		if x := w.words.Word() &^ (robust.Starving | robust.Sleepers); x != 0 {
			t.Errorf("word at the end %#x", x)
		}
		w.check()
	})
}

func TestHandOver(t *testing.T) {
	w := newWorld(t, robust.Poison)
	a := w.join(1)
	want(t, "Lock", a.Lock(t.Context()), nil)
	var waiting []<-chan error
	var others []*party
	for slot := range uint32(5) {
		b := w.join(slot + 2)
		others = append(others, b)
		waiting = append(waiting, async(func() error { return b.Lock(t.Context()) }))
		until(t, "the waiter sleeps", b.asleep)
	}
	for i, c := range waiting {
		select {
		case err := <-c:
			t.Fatalf("waiter %d got in: %v", i, err)
		default:
		}
	}
	if w.words.Slept() != 1 {
		t.Error("not marked as slept on")
	}
	want(t, "Unlock", a.Unlock(), nil)
	// Whoever is first lets the next one in.
	for range waiting {
		slot := uint32(0)
		until(t, "somebody has it", func() bool { slot, _, _ = a.Holder(); return slot > 1 })
		b := others[slot-2]
		want(t, "Lock", await(t, "waiter", waiting[slot-2]), nil)
		want(t, "Unlock", b.Unlock(), nil)
	}
	w.check()
}

// TestStarving has three parties hammer the mutex, and one that comes now and
// then: it gets in, whatever the others do.
func TestStarving(t *testing.T) {
	w := newWorld(t, robust.Poison)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for slot := range uint32(3) {
		a := w.join(slot + 1)
		wg.Go(func() {
			for ctx.Err() == nil {
				if a.Lock(ctx) == nil {
					_ = a.Unlock()
				}
			}
		})
	}
	b := w.join(4)
	for range 30 {
		want(t, "Lock", await(t, "the rare one", async(func() error { return b.Lock(t.Context()) })), nil)
		want(t, "Unlock", b.Unlock(), nil)
	}
	cancel()
	wg.Wait()
}

// TestStarvingBit follows the bit: a waiter that has lost after its patience
// sets it, newcomers keep away, and taking consumes it.
func TestStarvingBit(t *testing.T) {
	w := newWorld(t, robust.Poison)
	a, b := w.join(1), w.join(2)
	want(t, "Lock", a.Lock(t.Context()), nil)
	got := async(func() error { return b.Lock(t.Context()) })
	until(t, "the waiter is starving", func() bool {
		// It looks again whenever it is woken, as if it had lost.
		w.words.SetWord(w.words.Word() &^ robust.Sleepers)
		b.Nudge()
		return w.words.Word()&robust.Starving != 0
	})
	want(t, "Unlock", a.Unlock(), nil)
	want(t, "Lock", await(t, "starving waiter", got), nil)
	if x := w.words.Word(); x&robust.Starving != 0 {
		t.Errorf("word %#x after the starving one got in", x)
	}
	want(t, "Unlock", b.Unlock(), nil)

	// Nobody is behind this mark: it delays, and keeps nobody out for ever.
	w.words.SetWord(robust.Starving)
	want(t, "TryLock", a.TryLock(), robust.ErrLocked)
	start := time.Now()
	want(t, "Lock", a.Lock(t.Context()), nil)
	if d := time.Since(start); d < robust.Patience {
		t.Errorf("a newcomer stood back for %v only", d)
	}
	want(t, "Unlock", a.Unlock(), nil)
	w.words.SetWord(robust.Starving)
	until(t, "TryLock does not stand back for ever", func() bool { return a.TryLock() == nil })
	want(t, "Unlock", a.Unlock(), nil)
	w.words.SetWord(robust.Sleepers)
	want(t, "TryLock of a free one with sleepers", b.TryLock(), nil)
	wantWord(t, w, robust.Sleepers|2)
}

func TestCancel(t *testing.T) {
	w := newWorld(t, robust.Poison)
	a, b := w.join(1), w.join(2)
	want(t, "Lock", a.Lock(t.Context()), nil)
	for _, way := range []struct {
		name string
		end  func() (context.Context, func())
		err  error
	}{
		{"cancel", func() (context.Context, func()) { return context.WithCancel(t.Context()) }, context.Canceled},
		{"deadline", func() (context.Context, func()) {
			return context.WithTimeout(t.Context(), 5*time.Millisecond)
		}, context.DeadlineExceeded},
	} {
		ctx, cancel := way.end()
		// One sleeps on the word, its sibling waits behind it.
		first := async(func() error { return b.Lock(ctx) })
		second := async(func() error { return b.Lock(ctx) })
		if way.err == context.Canceled { //nolint:errorlint // a test table
			until(t, "sleeps", b.asleep)
			cancel()
		}
		want(t, way.name, await(t, "waiter", first), way.err)
		want(t, way.name, await(t, "its sibling", second), way.err)
		cancel()
	}
	if x := w.words.Word(); x&robust.Starving != 0 {
		t.Errorf("word %#x: who gave up still asks for courtesy", x)
	}
	want(t, "Unlock", a.Unlock(), nil)
	want(t, "TryLock", b.TryLock(), nil)
	want(t, "Unlock", b.Unlock(), nil)
	w.check()
}

// TestCancelPassesOn cancels a waiter at the moment of the unlock: the one
// behind it must get in, whoever the wake-up went to.
func TestCancelPassesOn(t *testing.T) {
	w := newWorld(t, robust.Poison)
	a, b, c := w.join(1), w.join(2), w.join(3)
	for i := range 300 {
		want(t, "Lock", a.Lock(t.Context()), nil)
		ctx, cancel := context.WithCancel(t.Context())
		first := async(func() error { return b.Lock(ctx) })
		until(t, "sleeps", b.asleep)
		second := async(func() error { return c.Lock(t.Context()) })
		until(t, "sleeps", c.asleep)
		go func() {
			for range i % 50 {
				runtime.Gosched()
			}
			cancel()
		}()
		want(t, "Unlock", a.Unlock(), nil)
		if await(t, "the cancelled one", first) == nil {
			want(t, "Unlock", b.Unlock(), nil)
		}
		want(t, "Lock", await(t, "the one behind", second), nil)
		want(t, "Unlock", c.Unlock(), nil)
	}
}

func TestClose(t *testing.T) {
	w := newWorld(t, robust.Poison)
	a, b := w.join(1), w.join(2)
	want(t, "Lock", a.Lock(t.Context()), nil)
	first := async(func() error { return b.Lock(t.Context()) })
	second := async(func() error { return b.Lock(t.Context()) })
	until(t, "sleeps", b.asleep)
	w.close(b)
	want(t, "a waiter", await(t, "waiter", first), fs.ErrClosed)
	want(t, "its sibling", await(t, "sibling", second), fs.ErrClosed)
	want(t, "Lock", b.Lock(t.Context()), fs.ErrClosed)
	want(t, "TryLock", b.TryLock(), fs.ErrClosed)
	want(t, "Unlock", b.Unlock(), fs.ErrClosed)
	want(t, "Recover", b.Recover(t.Context(), nil), fs.ErrClosed)
	want(t, "LockRepaired", b.LockRepaired(t.Context(), nil), fs.ErrClosed)
	if slot, _, _ := b.Holder(); slot != 0 {
		t.Errorf("Holder after Close: %d", slot)
	}
	want(t, "Unlock by the owner", a.Unlock(), nil)
}

func TestCloseHolding(t *testing.T) {
	policies(t, func(t *testing.T, p robust.Policy) {
		w := newWorld(t, p)
		a, b := w.join(1), w.join(2)
		want(t, "Lock", a.Lock(t.Context()), nil)
		got := async(func() error { return b.Lock(t.Context()) })
		until(t, "sleeps", b.asleep)
		w.close(a)
		want(t, "Unlock after Close", a.Unlock(), fs.ErrClosed)
		err := await(t, "waiter", got)
		if p == robust.Release {
			want(t, "Lock", err, nil)
			return
		}
		want(t, "Lock", err, robust.ErrPoisoned)
		if slot, generation := w.words.Culprit(); slot != 1 || generation != 101 {
			t.Errorf("culprit %d %d", slot, generation)
		}
		w.check()
	})
}

// TestCloseWhileLocking closes at every moment of a Lock and an Unlock: the
// mutex is held by nobody afterwards.
func TestCloseWhileLocking(t *testing.T) {
	policies(t, func(t *testing.T, p robust.Policy) {
		for i := range 80 {
			w := newWorld(t, p)
			a := w.join(1)
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					for a.Lock(t.Context()) == nil && a.Unlock() == nil {
						continue
					}
				})
			}
			for range i % 40 {
				runtime.Gosched()
			}
			w.close(a)
			wg.Wait()
			if x := w.words.Word(); x != 0 && (p != robust.Poison || x != robust.Poisoned) {
				t.Fatalf("word %#x after Close", x)
			}
			w.check()
		}
	})
}

func TestManyGoroutines(t *testing.T) {
	w := newWorld(t, robust.Poison)
	a, b := w.join(1), w.join(2)
	want(t, "Lock", a.Lock(t.Context()), nil)
	const n = 2000
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if err := b.Lock(ctx); err == nil {
				t.Error("got in")
			}
		})
	}
	until(t, "sleeps", b.asleep)
	cancel()
	wg.Wait()
	want(t, "Unlock", a.Unlock(), nil)
	want(t, "TryLock", b.TryLock(), nil)
}

func TestAllocs(t *testing.T) {
	if race.Enabled || satomic.Checked {
		t.Skip("the race detector allocates, and so do sleepers that a test left for dead")
	}
	w := newWorld(t, robust.Poison)
	a, b := w.join(1), w.join(2)
	for name, f := range map[string]func(){
		"lock":    func() { _ = a.Lock(t.Context()); _ = a.Unlock() },
		"trylock": func() { _ = a.TryLock(); _ = b.TryLock(); _ = a.Unlock() },
		"failing": func() { _ = a.Unlock() },
		"holder":  func() { a.Holder() },
		"starved": func() {
			w.words.SetWord(robust.Starving)
			_ = a.Lock(context.Background())
			_ = a.Unlock()
		},
	} {
		if n := testing.AllocsPerRun(50, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestKind(t *testing.T) {
	k := robust.Kind()
	if k.ID != 5 || k.Name != "mutex" {
		t.Errorf("kind %d %q", k.ID, k.Name)
	}
	for spec, ok := range map[uint64]bool{0: false, 1: true, 2: true, 3: false, 1 << 40: false, 257: false} {
		shape := object.Shape{Spec: object.Spec{spec}, Slots: slots}
		n, err := k.Size(shape)
		if ok {
			want(t, "Size", err, nil)
			if n != robust.WordsSize {
				t.Errorf("size %d", n)
			}
			r := mem.Heap(n)
			want(t, "Format", k.Format(r, shape), nil)
			core, err := k.Attach(r, shape)
			want(t, "Attach", err, nil)
			if core.State() != "free" || len(core.Check(func(uint32) bool { return false })) != 0 {
				t.Errorf("fresh one: %s", core.State())
			}
			continue
		}
		want(t, "Size", err, fs.ErrInvalid)
		_, err = k.Attach(mem.Heap(robust.WordsSize), shape)
		want(t, "Attach", err, fs.ErrInvalid)
	}
	if _, err := k.Attach(mem.Heap(robust.WordsSize-8), object.Shape{Spec: object.Spec{1}, Slots: slots}); err == nil {
		t.Error("attached to too short a region")
	}
	if s := k.Describe(object.Shape{Spec: object.Spec{2}}); s != "onDeath=release" {
		t.Errorf("Describe: %q", s)
	}
}
