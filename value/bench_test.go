package value_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// heap returns a segment on the Go heap, where the race detector sees everything.
func heap(t testing.TB) *shm.Segment {
	t.Helper()
	seg, err := object.Inside().Heap(shm.Spec{Size: 256 << 10, MaxSize: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s := seg.(*shm.Segment) //nolint:errcheck // the door's contract
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func BenchmarkAtomicAdd(b *testing.B) {
	a, err := value.CreateAtomic(context.Background(), heap(b), "n", int64(0))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		a.Add(1)
	}
}

func BenchmarkAtomicLoad(b *testing.B) {
	a, err := value.CreateAtomic(context.Background(), heap(b), "n", 1.5)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		a.Load()
	}
}

func BenchmarkValueLoad(b *testing.B) {
	v, err := value.Create(context.Background(), heap(b), "v", [4]float64{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		v.Load()
	}
}

func BenchmarkValueStore(b *testing.B) {
	v, err := value.Create(context.Background(), heap(b), "v", [4]float64{})
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Store(ctx, [4]float64{1}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValueUpdate(b *testing.B) {
	v, err := value.Create(context.Background(), heap(b), "v", [4]float64{})
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Update(ctx, func(x *[4]float64) error { x[0]++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareAdd(b *testing.B) {
	var a atomic.Int64
	for b.Loop() {
		a.Add(1)
	}
}

func BenchmarkBareLoad(b *testing.B) {
	var a atomic.Int64
	for b.Loop() {
		a.Load()
	}
}
