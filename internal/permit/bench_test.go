package permit_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shoal-ipc/shoal/internal/permit"
)

// BenchmarkPair takes and returns one permit, alone; a channel of the same
// process, which knows no holders, for comparison.
func BenchmarkPair(b *testing.B) {
	ctx := context.Background()
	for kind, name := range map[int]string{permit.Bounded: "bounded", permit.Signal: "signal"} {
		b.Run("flavor="+name, func(b *testing.B) {
			p := newWorld(b, kind, 3, 4).join(1)
			b.ReportAllocs()
			for b.Loop() {
				if p.Acquire(ctx, 1) != nil || p.Release(1) != nil {
					b.Fatal("failed")
				}
			}
		})
	}
	b.Run("flavor=channel", func(b *testing.B) {
		c := make(chan struct{}, 3)
		b.ReportAllocs()
		for b.Loop() {
			c <- struct{}{}
			<-c
		}
	})
}

// BenchmarkInTurn has two participants operate in turn: each finds the other's
// change in the books.
func BenchmarkInTurn(b *testing.B) {
	w := newWorld(b, permit.Bounded, 3, 4)
	p, q := w.join(1), w.join(2)
	b.ReportAllocs()
	for b.Loop() {
		if p.TryAcquire(1) != nil || q.TryAcquire(1) != nil || p.Release(1) != nil || q.Release(1) != nil {
			b.Fatal("failed")
		}
	}
}

// BenchmarkContended has participants compete for fewer permits than there are
// participants.
func BenchmarkContended(b *testing.B) {
	ctx := context.Background()
	for _, kind := range []int{permit.Bounded, permit.Signal} {
		for _, permits := range []int{1, 2} {
			for _, parties := range []int{2, 4} {
				b.Run(fmt.Sprintf("kind=%d/permits=%d/parties=%d", kind, permits, parties), func(b *testing.B) {
					w := newWorld(b, kind, permits, parties)
					var wg sync.WaitGroup
					for slot := range parties {
						p := w.join(uint32(1 + slot))
						wg.Go(func() {
							for range b.N / parties {
								if p.Acquire(ctx, 1) != nil || p.Release(1) != nil {
									b.Error("failed")
								}
							}
						})
					}
					wg.Wait()
				})
			}
		}
	}
}

// BenchmarkMany takes and returns as many permits as need several steps.
func BenchmarkMany(b *testing.B) {
	p := newWorld(b, permit.Bounded, 1000, 4).join(1)
	b.ReportAllocs()
	for b.Loop() {
		if p.TryAcquire(600) != nil || p.Release(600) != nil {
			b.Fatal("failed")
		}
	}
}

// BenchmarkFloor is what a pair cannot do without: two compare-and-swaps.
func BenchmarkFloor(b *testing.B) {
	var x atomic.Uint64
	for b.Loop() {
		if !x.CompareAndSwap(0, 1) || !x.CompareAndSwap(1, 0) {
			b.Fatal("failed")
		}
	}
}
