package ring_test

import (
	"fmt"
	"testing"

	"github.com/shoal-ipc/shoal/internal/ring"
)

func BenchmarkRing(b *testing.B) {
	for _, size := range []int{8, 64, 1024} {
		b.Run(fmt.Sprintf("op=pair/size=%d", size), func(b *testing.B) {
			p := newBed(b, ring.Spec{Cap: 4096, SlotSize: int64(size)}).port(1)
			msg := make([]byte, size)
			b.ReportAllocs()
			for b.Loop() {
				if err := p.TryPut(msg); err != nil {
					b.Fatal(err)
				}
				m, err := p.TryTake()
				if err != nil {
					b.Fatal(err)
				}
				copy(msg, p.Bytes(m))
				p.Finish(m)
			}
		})
		b.Run(fmt.Sprintf("op=chan/size=%d", size), func(b *testing.B) {
			ch := make(chan [64]byte, 4096)
			var msg [64]byte
			for b.Loop() {
				ch <- msg
				msg = <-ch
			}
		})
	}
	b.Run("op=receive/size=64", func(b *testing.B) {
		p := newBed(b, ring.Spec{Cap: 4096}).port(1)
		msg := make([]byte, 64)
		b.ReportAllocs()
		for b.Loop() {
			if err := p.TryPut(msg); err != nil {
				b.Fatal(err)
			}
			m, err := p.TryReceive()
			if err != nil {
				b.Fatal(err)
			}
			if err := p.Ack(m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("op=reserve/size=64", func(b *testing.B) {
		p := newBed(b, ring.Spec{Cap: 4096}).port(1)
		msg := make([]byte, 64)
		b.ReportAllocs()
		for b.Loop() {
			l, err := p.TryReserve(ring.Terms{Size: 64, Lent: true})
			if err != nil {
				b.Fatal(err)
			}
			if err := p.PublishBytes(l, msg); err != nil {
				b.Fatal(err)
			}
			m, err := p.TryTake()
			if err != nil {
				b.Fatal(err)
			}
			p.Finish(m)
		}
	})
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("op=pair/size=%d", size), func(b *testing.B) {
			p := newBed(b, ring.Spec{Cap: 64, MaxSize: 1 << 20}).port(1)
			msg := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := p.TryPut(msg); err != nil {
					b.Fatal(err)
				}
				m, err := p.TryTake()
				if err != nil {
					b.Fatal(err)
				}
				copy(msg, p.Bytes(m))
				p.Finish(m)
			}
		})
	}
}
