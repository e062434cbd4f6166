package lock_test

import (
	"context"
	"io/fs"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// twoUses returns two uses of one segment, which are one participant.
func twoUses(t *testing.T) (first, second *shm.Segment) {
	t.Helper()
	opts := &shm.Options{Dir: t.TempDir()}
	first, err := shm.Create(t.Context(), "test", shm.Spec{}, opts)
	want(t, "Create", err, nil)
	second, err = shm.Open(t.Context(), "test", opts)
	want(t, "Open", err, nil)
	t.Cleanup(func() {
		want(t, "Check", second.Check(), nil)
		want(t, "Close", second.Close(), nil)
	})
	return first, second
}

// TestDoClosesOneOfTwoUses closes one of two uses of a segment inside Do: Do
// unlocks all the same, because the process goes on and nobody else would.
func TestDoClosesOneOfTwoUses(t *testing.T) {
	first, second := twoUses(t)
	m := create(t, first, lock.Spec{})
	want(t, "Do", m.Do(t.Context(), first.Close), nil)
	want(t, "Lock", m.Lock(t.Context()), fs.ErrClosed)
	other := open(t, second)
	want(t, "TryLock", other.TryLock(), nil)
	want(t, "Unlock", other.Unlock(), nil)
}

func TestArrayDoClosesOneOfTwoUses(t *testing.T) {
	first, second := twoUses(t)
	a, err := array.Create[int](t.Context(), first, "a", array.Spec{Len: 1})
	want(t, "array.Create", err, nil)
	want(t, "Do", a.Do(t.Context(), func([]int) error { return first.Close() }), nil)
	b, err := array.Open[int](t.Context(), second, "a")
	want(t, "array.Open", err, nil)
	want(t, "TryLock", b.Mutex().TryLock(), nil)
	want(t, "Unlock", b.Mutex().Unlock(), nil)
}

// TestDoClosesTheLastUse leaves the mutex as the closing has left it.
func TestDoClosesTheLastUse(t *testing.T) {
	for _, policy := range []lock.OnDeath{lock.Poison, lock.Release} {
		seg := heap(t)
		m := create(t, seg, lock.Spec{OnDeath: policy})
		other := open(t, peer(t, seg))
		var after error
		want(t, "Do", m.Do(context.Background(), func() error {
			err := seg.Close()
			after = other.TryLock() // by Release another one has it by the end of Do
			return err
		}), nil)
		if policy == lock.Poison {
			want(t, "TryLock", after, lock.ErrPoisoned)
			want(t, "TryLock", other.TryLock(), lock.ErrPoisoned)
			continue
		}
		want(t, "TryLock", after, nil)
		want(t, "TryLock", other.TryLock(), lock.ErrLocked)
		want(t, "Unlock", other.Unlock(), nil)
	}
}
