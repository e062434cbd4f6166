package pipe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"testing"

	"github.com/shoal-ipc/shoal/pipe"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

type word struct{ From, Number int }

type speaker struct {
	Conn *pipe.Conn
	Name int
	N    int
}

// speaks sends N words and ends, which closes its end.
var speaks = process.Func("pipe-speaks", func(ctx context.Context, a speaker) error {
	for i := range a.N {
		if err := pipe.Send(ctx, a.Conn, word{a.Name, i}); err != nil {
			return err
		}
	}
	return nil
})

// TestConformanceWait waits for several at once: a goroutine for each.
func TestConformanceWait(t *testing.T) {
	t.Run("PIP-13", func(t *testing.T) {
		const speakers, words = 4, 10
		seg := shmtest.Segment(t, shm.Spec{})
		heard, want := map[word]int{}, map[word]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range speakers {
			here, there, err := pipe.Create(t.Context(), seg, fmt.Sprint("speaker-", i), pipe.Spec{})
			if err != nil {
				t.Fatal(err)
			}
			child, err := speaks.Start(t.Context(), speaker{there, i, words})
			if err != nil {
				t.Fatal(err)
			}
			for k := range words {
				want[word{i, k}] = 1
			}
			wg.Go(func() {
				for {
					w, err := pipe.Recv[word](t.Context(), here)
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						t.Error(err)
						break
					}
					mu.Lock()
					heard[w]++
					mu.Unlock()
				}
				if err := errors.Join(child.Wait(t.Context()), here.Close()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if !maps.Equal(heard, want) {
			t.Errorf("heard %v", heard)
		}
	})
}
