package array_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/array"
)

func BenchmarkArray(b *testing.B) {
	a := mustCreate[float64](b, heap(b), "a", 8192)
	rgb := mustCreate[[3]byte](b, heap(b), "rgb", 8192)
	buf := make([]float64, 8192)
	pixels := make([][3]byte, 8192)
	b.Run("op=At", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			a.At(i & 4095)
		}
	})
	b.Run("op=Set", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			a.Set(i&4095, 1)
		}
	})
	b.Run("op=CopyIn/size=64K", func(b *testing.B) {
		b.SetBytes(64 << 10)
		for b.Loop() {
			a.CopyIn(0, buf)
		}
	})
	b.Run("op=CopyOut/size=64K", func(b *testing.B) {
		b.SetBytes(64 << 10)
		for b.Loop() {
			a.CopyOut(0, buf)
		}
	})
	b.Run("op=copy/size=64K", func(b *testing.B) {
		b.SetBytes(64 << 10)
		other := make([]float64, 8192)
		for b.Loop() {
			copy(other, buf)
		}
	})
	b.Run("op=Do", func(b *testing.B) {
		b.ReportAllocs()
		ctx := b.Context()
		for b.Loop() {
			if err := a.Do(ctx, func(view []float64) error { view[0]++; return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("op=Set/size=3", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			rgb.Set(i&4095, [3]byte{1, 2, 3})
		}
	})
	b.Run("op=At/size=3", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			rgb.At(i & 4095)
		}
	})
	b.Run("op=CopyIn/size=3", func(b *testing.B) {
		b.SetBytes(24 << 10)
		for b.Loop() {
			rgb.CopyIn(0, pixels)
		}
	})
}

func BenchmarkAtomic(b *testing.B) {
	a, err := array.CreateAtomic[uint64](b.Context(), heap(b), "a", array.Spec{Len: 4096})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		a.Add(i&4095, 1)
	}
}
