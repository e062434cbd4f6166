package value_test

import (
	"context"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// shared makes the segment that children open.
func shared(t *testing.T) (dir string, seg *shm.Segment, v *value.Value[block], n *value.Atomic[int64]) {
	t.Helper()
	dir = t.TempDir()
	seg, err := shm.Create(t.Context(), "s", shm.Spec{}, &shm.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := seg.Check(); err != nil {
			t.Errorf("check: %v", err)
		}
		_ = seg.Close()
	})
	if v, err = value.Create(t.Context(), seg, "v", alike(7)); err != nil {
		t.Fatal(err)
	}
	if n, err = value.CreateAtomic(t.Context(), seg, "n", int64(5)); err != nil {
		t.Fatal(err)
	}
	return dir, seg, v, n
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), watchdog)
	t.Cleanup(cancel)
	return ctx
}

func TestChildSharesTheValue(t *testing.T) {
	dir, _, v, n := shared(t)
	cmd := start(t, "doubler", dir)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if v.Load() != alike(14) || n.Load() != 10 {
		t.Errorf("got %d, %d", v.Load()[0], n.Load())
	}
}

func TestKilledInsideUpdate(t *testing.T) {
	dir, _, v, _ := shared(t)
	cmd := start(t, "updater", dir)
	if v.Load() != alike(7) { // readers do not wait for it
		t.Errorf("value is %d", v.Load()[0])
	}
	busy, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := v.Store(busy, alike(8)); err == nil {
		t.Error("a store overtook an update")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := v.Store(soon(t), alike(9)); err != nil {
		t.Fatal(err)
	}
	if v.Load() != alike(9) {
		t.Errorf("value is %d", v.Load()[0])
	}
}

func TestKilledWhileStoring(t *testing.T) {
	dir, _, v, n := shared(t)
	for range 5 {
		cmd := start(t, "storer", dir)
		before := n.Load()
		// The child is somewhere in a store, a different place each time.
		if _, err := n.Wait(soon(t), func(x int64) bool { return x > before+100 }); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if b := v.Load(); b.torn() {
				t.Fatalf("torn: %v", b)
			}
		}
		last := uint64(0)
		if err := v.Update(soon(t), func(b *block) error {
			if b.torn() {
				t.Errorf("torn: %v", b)
			}
			last = b[0]
			*b = alike(1)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if last < 100 || v.Load() != alike(1) {
			t.Errorf("the last value was %d, now %d", last, v.Load()[0])
		}
	}
}

func TestKilledWhileWaiting(t *testing.T) {
	dir, seg, v, _ := shared(t)
	cmd := start(t, "waiter", dir)
	got := make(chan block, 1)
	go func() {
		b, err := v.Wait(soon(t), func(b block) bool { return b[0] > 100 })
		if err != nil {
			t.Error(err)
		}
		got <- b
	}()
	if err := v.Store(soon(t), alike(50)); err != nil {
		t.Fatal(err)
	}
	deaths := seg.Deaths(soon(t)) // of those who die from now on
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for d, err := range deaths {
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Held) != 0 {
			t.Errorf("it held %v", d.Held)
		}
		break
	}
	if err := v.Store(soon(t), alike(101)); err != nil {
		t.Fatal(err)
	}
	if b := <-got; b != alike(101) {
		t.Errorf("the other waiter got %d", b[0])
	}
}
