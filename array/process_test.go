package array_test

import (
	"errors"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// shared makes the segment that children open.
func shared(t *testing.T) (dir string, seg *shm.Segment, a *array.Array[int32], pixels *array.Array[[3]byte]) {
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
	a = mustCreate[int32](t, seg, "a", 10)
	for i := range a.Len() {
		a.Set(i, int32(i))
	}
	return dir, seg, a, mustCreate[[3]byte](t, seg, "pixels", 100)
}

func TestChildSharesTheArray(t *testing.T) {
	dir, _, a, _ := shared(t)
	if err := start(t, "negater", dir).Wait(); err != nil {
		t.Fatal(err)
	}
	for i, x := range a.View() {
		if x != int32(-i) {
			t.Errorf("element %d is %d", i, x)
		}
	}
}

func TestKilledHoldingTheMutex(t *testing.T) {
	dir, _, a, _ := shared(t)
	cmd := start(t, "holder", dir)
	if err := a.Mutex().TryLock(); !errors.Is(err, lock.ErrLocked) {
		t.Errorf("TryLock: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	err := a.Do(soon(t), func([]int32) error { t.Error("called"); return nil })
	if !errors.Is(err, lock.ErrPoisoned) {
		t.Errorf("Do: %v", err)
	}
	if err := a.Mutex().Recover(soon(t), func() error { a.Set(0, 0); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := a.Do(soon(t), func(view []int32) error {
		if view[0] != 0 {
			t.Errorf("element 0 is %d", view[0])
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestKilledWhileSetting kills a child among stores of elements that no single
// store covers.
func TestKilledWhileSetting(t *testing.T) {
	dir, _, _, pixels := shared(t)
	for range 5 {
		cmd := start(t, "painter", dir)
		for i := range pixels.Len() {
			if p := pixels.At(i); p != gray(p[0]) {
				t.Errorf("pixel %d is torn: %v", i, p)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Error("the child ended well")
		}
		for i := range pixels.Len() {
			if p := pixels.At(i); p != gray(p[0]) {
				t.Errorf("pixel %d is torn: %v", i, p)
			}
			pixels.Set(i, gray(7)) // waits for the repair where it must
		}
		for i, p := range pixels.All() {
			if p != gray(7) {
				t.Errorf("pixel %d is %v", i, p)
			}
		}
	}
}
