package semaphore_test

import (
	"io/fs"
	"testing"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
)

// TestDoClosesOneOfTwoUses closes one of two uses of a segment inside Do: Do
// releases all the same, because the process goes on and nobody else would.
func TestDoClosesOneOfTwoUses(t *testing.T) {
	for _, kind := range []semaphore.Kind{semaphore.Bounded, semaphore.Signal} {
		for _, n := range []int{1, 299} {
			opts := &shm.Options{Dir: t.TempDir()}
			first := must(shm.Create(t.Context(), "test", shm.Spec{}, opts))(t)
			second := must(shm.Open(t.Context(), "test", opts))(t)
			s := must(semaphore.Create(t.Context(), first, "s", semaphore.Spec{Permits: 300, Kind: kind}))(t)
			other := must(semaphore.Open(t.Context(), second, "s"))(t)
			acquire(t, other, 1) // which stays
			wantErr(t, "Do", s.Do(t.Context(), n, first.Close), nil)
			wantErr(t, "Acquire", s.Acquire(t.Context(), 1), fs.ErrClosed)
			wantFree(t, other, 299)
			wantErr(t, "Check", second.Check(), nil)
			wantErr(t, "Close", second.Close(), nil)
		}
	}
}

// TestDoClosesTheLastUse returns permits of a Bounded semaphore once.
func TestDoClosesTheLastUse(t *testing.T) {
	for kind, want := range map[semaphore.Kind]error{semaphore.Bounded: fs.ErrClosed, semaphore.Signal: nil} {
		seg, ok := must(object.Inside().Heap(shm.Spec{}))(t).(*shm.Segment)
		if !ok {
			t.Fatal("no segment")
		}
		s := must(semaphore.Create(t.Context(), seg, "s", semaphore.Spec{Permits: 300, Kind: kind}))(t)
		other := must(semaphore.Open(t.Context(), peer(t, seg), "s"))(t)
		acquire(t, other, 1)
		wantErr(t, "Do", s.Do(t.Context(), 299, seg.Close), want)
		wantFree(t, other, 299)
	}
}
