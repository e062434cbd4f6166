//go:build linux

package process_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// The rivals are this binary, started by os/exec and ended at the beginning of
// main, which is what a Go process costs, and a program that does nothing at all.
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
	b.Run("op=exec/program=self", func(b *testing.B) {
		env := append(os.Environ(), roleVariable+"=lost")
		for b.Loop() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = env
			if err := cmd.Run(); err != nil {
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
