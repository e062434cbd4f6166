//go:build linux

package guardian_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/guardian"
)

func BenchmarkJoinRelease(b *testing.B) {
	tab := newTable(b, b.TempDir())
	b.ReportAllocs()
	for b.Loop() {
		m, err := tab.join(1)
		if err == nil {
			err = m.Release()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDeathToLook measures from kill(2) on a process to the begin of Look
// in another.
func BenchmarkDeathToLook(b *testing.B) {
	tab := newTable(b, b.TempDir())
	r := guardian.NewRegistry(rare)
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		slot := 1 + i%(slots-1)
		h := startHelper(b, nil, "die", tab.file.Name(), strconv.Itoa(slot), "none")
		h.line(b)
		f := newFake(tab.word(slot))
		begun := make(chan time.Time, 1)
		f.during = func() {
			select {
			case begun <- time.Now():
			default:
			}
		}
		stop := r.Watch(f)
		killed := time.Now()
		if err := h.Process.Kill(); err != nil {
			b.Fatal(err)
		}
		took = append(took, (<-begun).Sub(killed))
		stop()
		_ = h.Wait()
		tab.word(slot).Store(0)
	}
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}
