package pool_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/pool"
)

// BenchmarkPool runs trivial tasks in a pool of two: one after the other, and
// ten thousand at once.
func BenchmarkPool(b *testing.B) {
	in := make([]int, 10000)
	for i := range in {
		in[i] = i
	}
	b.Run("op=call", func(b *testing.B) {
		ctx := b.Context()
		p := mustNew(b, &pool.Options{Workers: 2})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := square.Call(ctx, p, 7); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, chunk := range map[string]int{"op=map/chunk=auto": 0, "op=map/chunk=1": 1} {
		b.Run(name, func(b *testing.B) {
			ctx := b.Context()
			p := mustNew(b, &pool.Options{Workers: 2, Chunk: chunk})
			for b.Loop() {
				out, err := square.Map(ctx, p, in)
				if err != nil || out[99] != 99*99 {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(in)), "ns/task")
		})
	}
}
