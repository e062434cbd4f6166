package shm_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/shm"
)

// mutexOf opens the mutex of that name, with that policy.
func mutexOf(tb testing.TB, seg *shm.Segment, name string, p robust.Policy) *robust.Mutex {
	tb.Helper()
	req := mutexRequest(name)
	req.Spec = object.Spec{uint64(p)}
	use, obj, err := object.Inside().OpenOrCreate(context.Background(), seg, req)
	if err != nil {
		tb.Fatal(err)
	}
	core, err := robust.Attach(obj.Region, obj.Shape)
	if err != nil {
		tb.Fatal(err)
	}
	return robust.New(core.Words, p, use, obj)
}

// report shows the median and the 99th percentile of what was measured.
func report(b *testing.B, took []time.Duration, what string) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us-"+what)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us-"+what)
}

var childLocksReleased = registerChild("locks released", func(args []string) {
	seg, err := shm.Open(context.Background(), "s", &shm.Options{Dir: args[0]})
	if err != nil {
		say(err)
		return
	}
	req := mutexRequest("m")
	use, obj, err := object.Inside().Open(context.Background(), seg, req)
	if err != nil {
		say(err)
		return
	}
	core, err := robust.Attach(obj.Region, obj.Shape)
	if err != nil {
		say(err)
		return
	}
	say(robust.New(core.Words, robust.Release, use, obj).Lock(context.Background()))
	hear()
})

// BenchmarkKillToNextHolder measures from kill(2) on the holder of a mutex to
// its next holder running, and to the death being announced.
func BenchmarkKillToNextHolder(b *testing.B) {
	ctx := context.Background()
	opts := &shm.Options{Dir: b.TempDir()}
	seg := create(ctx, "s", opts)
	defer seg.Close()
	m := mutexOf(b, seg, "m", robust.Release)
	var locked, told []time.Duration
	for b.Loop() {
		c := start(b, childLocksReleased, opts.Dir)
		if s := c.line(); s != "<nil>" {
			b.Fatal(s)
		}
		got := make(chan time.Time, 1)
		go func() {
			if err := m.Lock(ctx); err != nil {
				b.Error(err)
			}
			got <- time.Now()
		}()
		for hs, _ := seg.Holds(); !slices.ContainsFunc(hs, func(h shm.Hold) bool { return h.Waiting }); hs, _ = seg.Holds() {
			runtime.Gosched()
		}
		heard := make(chan time.Time, 1)
		deaths := seg.Deaths(ctx)
		go func() {
			for _, err := range deaths {
				if err != nil {
					b.Error(err)
				}
				heard <- time.Now()
				return
			}
		}()
		killed := time.Now()
		if err := c.cmd.Process.Kill(); err != nil {
			b.Fatal(err)
		}
		locked = append(locked, (<-got).Sub(killed))
		told = append(told, (<-heard).Sub(killed))
		_ = c.cmd.Wait()
		if err := m.Unlock(); err != nil {
			b.Fatal(err)
		}
	}
	report(b, locked, "locked")
	report(b, told, "told")
}

// BenchmarkAttach measures Open of a segment that another process has open.
func BenchmarkAttach(b *testing.B) {
	ctx := context.Background()
	opts := &shm.Options{Dir: b.TempDir()}
	seg, err := shm.Create(ctx, "s", shm.Spec{Lifetime: shm.Persistent}, opts)
	if err != nil {
		b.Fatal(err)
	}
	if err := seg.Close(); err != nil {
		b.Fatal(err)
	}
	for range 4 {
		if s := start(b, childOpens, opts.Dir, "s").line(); s != "<nil>" {
			b.Fatal(s)
		}
	}
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		seg, err := shm.Open(ctx, "s", opts)
		took = append(took, time.Since(begin))
		if err != nil {
			b.Fatal(err)
		}
		if err := seg.Close(); err != nil {
			b.Fatal(err)
		}
		runtime.GC()
	}
	report(b, took, "open")
}

// BenchmarkCreate measures Create, with a file of its own for each.
func BenchmarkCreate(b *testing.B) {
	for _, place := range []string{"named", "anonymous"} {
		b.Run("memory="+place, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				begin := time.Now()
				seg := backends[place](b, shm.Spec{})
				took = append(took, time.Since(begin))
				if err := seg.Close(); err != nil {
					b.Fatal(err)
				}
				runtime.GC()
			}
			report(b, took, "create")
		})
	}
}

// BenchmarkOpenObject measures the opening of one object of many.
func BenchmarkOpenObject(b *testing.B) {
	ctx := context.Background()
	seg := anonymous()
	defer seg.Close()
	for i := range 1000 {
		createMutex(b, seg, "m"+string(rune('a'+i%26))+time.Duration(i).String())
	}
	createMutex(b, seg, "last")
	for b.Loop() {
		if _, _, err := object.Inside().Open(ctx, seg, mutexRequest("last")); err != nil {
			b.Fatal(err)
		}
	}
}
