//go:build linux

package litmus

import (
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/proof"
)

// TestProofLitmus runs every shape for a while.
func TestProofLitmus(t *testing.T) {
	budget := 250 * time.Millisecond
	if proof.Full() {
		budget = 2 * time.Second
	}
	iterations, tried := 0, 0
	for i, s := range shapes() {
		if s.seen != "" {
			continue
		}
		t.Run(strings.ReplaceAll(s.name, " ", "-"), func(t *testing.T) {
			b := newBench(t, i)
			for end := time.Now().Add(budget); b.batch < 2 || time.Now().Before(end) && !t.Failed(); {
				b.run()
				b.judge()
			}
			b.log()
			iterations += b.total
			tried++
		})
	}
	proof.Report(t, proof.Litmus, proof.Count{N: iterations, Unit: "iterations"}, proof.Count{N: tried, Unit: "shapes"})
}

// judge fails the test if an outcome was seen that is not allowed.
func (b *bench) judge() {
	for outcome, n := range b.seen {
		_, ok := b.shape.allowed[outcome]
		if emulator() && outcome == b.shape.emulated {
			ok = true
		}
		if !ok {
			b.t.Errorf("%q was seen %d times in %d: %s", outcome, n, b.total, b.shape.forbids)
		}
	}
}

// emulator says that these processes do not run on the processor itself.
func emulator() bool { return os.Getenv(emulatorVariable) != "" }

func (b *bench) log() {
	for _, outcome := range slices.Sorted(maps.Keys(b.seen)) {
		b.t.Logf("%10d  %-12s %s", b.seen[outcome], outcome, b.shape.allowed[outcome])
	}
}

// TestProofLitmusCatches has shapes with a fault, which must be seen: so the
// harness can see a processor that reorders, a copy that is disturbed, and a
// store that comes too early.
func TestProofLitmusCatches(t *testing.T) {
	for i, s := range shapes() {
		if s.seen == "" {
			continue
		}
		t.Run(strings.ReplaceAll(s.name, " ", "-"), func(t *testing.T) {
			if runtime.NumCPU() == 1 {
				t.Skip("one processor reorders nothing that its own programs could see")
			}
			b := newBench(t, i)
			for end := time.Now().Add(watchdog); b.seen[s.seen] == 0 && time.Now().Before(end); {
				b.run()
			}
			b.log()
			if b.seen[s.seen] == 0 {
				t.Errorf("%q was not seen in %d: %v", s.seen, b.total, b.seen)
			}
		})
	}
}
