package queue_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/shoal-ipc/shoal/queue"
)

// BenchmarkSizes passes messages of a fixed layout, one at a time and in batches,
// in one goroutine: what it costs without other processors.
func BenchmarkSizes(b *testing.B) {
	for _, mode := range []queue.Mode{queue.MPMC, queue.SPSC} {
		sizes[[8]byte](b, mode, 8, 64)
		sizes[[64]byte](b, mode, 64, 16)
		sizes[[1024]byte](b, mode, 1024, 16)
		sizes[[65536]byte](b, mode, 65536, 4)
	}
}

func sizes[T any](b *testing.B, mode queue.Mode, size, batch int) {
	b.Helper()
	ctx := context.Background()
	b.Run(fmt.Sprintf("mode=%v/size=%d/batch=1", mode, size), func(b *testing.B) {
		q := mustCreate[T](b, onHeap(b), queue.Spec{Cap: 64, SlotSize: size, Mode: mode})
		b.ReportAllocs()
		var x T
		for b.Loop() {
			if err := q.Put(ctx, x); err != nil {
				b.Fatal(err)
			}
			var err error
			if x, err = q.Get(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run(fmt.Sprintf("mode=%v/size=%d/batch=%d", mode, size, batch), func(b *testing.B) {
		q := mustCreate[T](b, onHeap(b), queue.Spec{Cap: 64, SlotSize: size, Mode: mode})
		b.ReportAllocs()
		src, dst := make([]T, batch), make([]T, batch)
		for i := 0; i < b.N; i += batch {
			if _, err := q.PutBatch(ctx, src); err != nil {
				b.Fatal(err)
			}
			if _, err := q.GetBatch(ctx, dst); err != nil {
				b.Fatal(err)
			}
		}
	})
}
