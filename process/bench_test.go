//go:build linux

package process_test

import (
	"os/exec"
	"testing"

	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// The rival is a process that does nothing at all: what fork and exec cost.
func BenchmarkProcess(b *testing.B) {
	b.Run("op=run/arg=none", func(b *testing.B) {
		for b.Loop() {
			if err := nothing.Run(b.Context(), struct{}{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("op=run/arg=handle", func(b *testing.B) {
		seg, err := shm.Anonymous(shm.Spec{})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = seg.Close() }()
		a, err := value.CreateAtomic[int64](b.Context(), seg, "a", 0)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if err := increment.Run(b.Context(), a); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("op=exec/program=true", func(b *testing.B) {
		path, err := exec.LookPath("true")
		if err != nil {
			b.Skip("no true here")
		}
		for b.Loop() {
			if err := exec.Command(path).Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
