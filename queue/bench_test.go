package queue_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/shoal-ipc/shoal/queue"
)

type message64 [64]byte

// BenchmarkQueue passes messages through one queue, and through a channel of the
// same capacity beside it.
func BenchmarkQueue(b *testing.B) {
	ctx := context.Background()
	b.Run("op=pair/flavor=queue/size=64", func(b *testing.B) {
		q := mustCreate[message64](b, onHeap(b), queue.Spec{Cap: 1024})
		b.ReportAllocs()
		var m message64
		for b.Loop() {
			if err := q.Put(ctx, m); err != nil {
				b.Fatal(err)
			}
			var err error
			if m, err = q.Get(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("op=pair/flavor=channel/size=64", func(b *testing.B) {
		c := make(chan message64, 1024)
		var m message64
		for b.Loop() {
			c <- m
			m = <-c
		}
	})
	b.Run("op=receive/flavor=queue/size=64", func(b *testing.B) {
		q := mustCreate[message64](b, onHeap(b), queue.Spec{Cap: 1024})
		b.ReportAllocs()
		for b.Loop() {
			if err := q.Put(ctx, message64{}); err != nil {
				b.Fatal(err)
			}
			d, err := q.Receive(ctx)
			if err != nil {
				b.Fatal(err)
			}
			if err := d.Ack(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("op=stream/flavor=queue/size=64", func(b *testing.B) {
		q := mustCreate[message64](b, onHeap(b), queue.Spec{Cap: 1024})
		go func() {
			for range b.N {
				if q.Put(ctx, message64{}) != nil {
					return
				}
			}
		}()
		for range b.N {
			if _, err := q.Get(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("op=stream/flavor=channel/size=64", func(b *testing.B) {
		c := make(chan message64, 1024)
		go func() {
			for range b.N {
				c <- message64{}
			}
		}()
		for range b.N {
			<-c
		}
	})
	for _, size := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("op=inplace/flavor=queue/size=%d", size), func(b *testing.B) {
			q := mustCreate[[]byte](b, onHeap(b), queue.Spec{Cap: 4, SlotSize: size})
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := q.PutFunc(ctx, func(m *[]byte) error { (*m)[0]++; return nil }); err != nil {
					b.Fatal(err)
				}
				if err := q.GetFunc(ctx, func(m *[]byte) error { (*m)[0]++; return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
