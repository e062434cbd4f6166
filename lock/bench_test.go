package lock_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

func BenchmarkMutex(b *testing.B) {
	b.Run("op=lock", func(b *testing.B) {
		m := create(b, shmtest.Segment(b, shm.Spec{}), lock.Spec{})
		ctx := b.Context()
		b.ReportAllocs()
		for b.Loop() {
			_ = m.Lock(ctx)
			_ = m.Unlock()
		}
	})
	b.Run("op=lock/ctx=background", func(b *testing.B) {
		m := create(b, shmtest.Segment(b, shm.Spec{}), lock.Spec{})
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			_ = m.Lock(ctx)
			_ = m.Unlock()
		}
	})
	b.Run("op=do", func(b *testing.B) {
		m := create(b, shmtest.Segment(b, shm.Spec{}), lock.Spec{})
		ctx, n := b.Context(), 0
		b.ReportAllocs()
		for b.Loop() {
			_ = m.Do(ctx, func() error { n++; return nil })
		}
	})
	b.Run("op=trylock", func(b *testing.B) {
		m := create(b, shmtest.Segment(b, shm.Spec{}), lock.Spec{})
		b.ReportAllocs()
		for b.Loop() {
			_ = m.TryLock()
			_ = m.Unlock()
		}
	})
	b.Run("op=locked", func(b *testing.B) {
		m := create(b, shmtest.Segment(b, shm.Spec{}), lock.Spec{})
		_ = m.TryLock()
		b.ReportAllocs()
		for b.Loop() {
			_ = m.TryLock()
		}
		_ = m.Unlock()
	})
	b.Run("flavor=sync.Mutex", func(b *testing.B) { // what a process pays without sharing
		var m sync.Mutex
		for b.Loop() {
			m.Lock()
			m.Unlock() //nolint:staticcheck // an empty section is what is measured
		}
	})
	b.Run("flavor=bare", func(b *testing.B) { // two compare-and-swaps, the floor
		var w atomic.Uint32
		for b.Loop() {
			w.CompareAndSwap(0, 1)
			w.CompareAndSwap(1, 0)
		}
	})
}

// BenchmarkTable uses numbers, and mutexes that were allocated.
func BenchmarkTable(b *testing.B) {
	for _, n := range []int{16, 2048} {
		table := createTable(b, shmtest.Segment(b, shm.Spec{}), lock.TableSpec{Len: n})
		b.Run(fmt.Sprintf("op=lock/len=%d", n), func(b *testing.B) {
			m := table.At(alloc(b, table))
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				_ = m.Lock(ctx)
				_ = m.Unlock()
			}
		})
		b.Run(fmt.Sprintf("op=alloc/len=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i, _ := table.Alloc()
				_ = table.Free(i)
			}
		})
		for range n - 2 { // all but the one locked above and one more
			alloc(b, table)
		}
		b.Run(fmt.Sprintf("op=alloc,nearly-full/len=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i, _ := table.Alloc()
				_ = table.Free(i)
			}
		})
		alloc(b, table)
		b.Run(fmt.Sprintf("op=alloc,full/len=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = table.Alloc()
			}
		})
	}
}

// BenchmarkMutexContended has goroutines of one process want the mutex at once.
func BenchmarkMutexContended(b *testing.B) {
	m := create(b, shmtest.Segment(b, shm.Spec{}), lock.Spec{})
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_ = m.Lock(ctx)
			_ = m.Unlock()
		}
	})
}

type rivalArgs struct {
	Mutex *lock.Mutex
	Think int
}

var rival = process.Func("lock-rival", func(ctx context.Context, a rivalArgs) error {
	for ctx.Err() == nil {
		if err := a.Mutex.Lock(ctx); err != nil {
			return nil //nolint:nilerr // it was stopped
		}
		if err := a.Mutex.Unlock(); err != nil {
			return err
		}
		think(a.Think)
	}
	return nil
})

func think(n int) {
	for range n {
		spent.Add(1)
	}
}

var spent atomic.Int64

// BenchmarkMutexProcesses has another process want the mutex all the time.
func BenchmarkMutexProcesses(b *testing.B) {
	for _, c := range []struct {
		name  string
		think int
	}{{"think=0", 0}, {"think=100", 100}, {"think=10000", 10000}} {
		b.Run(c.name, func(b *testing.B) {
			m := create(b, shmtest.Segment(b, shm.Spec{}), lock.Spec{})
			child, err := rival.Start(b.Context(), rivalArgs{m, c.think})
			want(b, "Start", err, nil)
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				_ = m.Lock(ctx)
				_ = m.Unlock()
				think(c.think)
			}
			b.StopTimer()
			want(b, "Stop", child.Stop(), nil)
			want(b, "Wait", child.Wait(ctx), nil)
			shmtest.Kill(b, child)
		})
	}
}
