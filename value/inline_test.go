package value_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestTakenIn asks the compiler whether it takes the operations that are one
// instruction into the code of their callers: a call would cost as much again.
func TestTakenIn(t *testing.T) {
	for pkg, methods := range map[string][]string{
		"github.com/shoal-ipc/shoal/value": {
			"(*Atomic[go.shape.int64]). Load Store Add Swap CompareAndSwap",
			"(*Atomic[go.shape.float32]). Load Store Add Swap CompareAndSwap",
		},
		"github.com/shoal-ipc/shoal/array": {
			"(*Atomic[go.shape.int64]). Load Store Add Swap CompareAndSwap",
			"(*Array[go.shape.int64]). At Set",
			"(*Array[go.shape.[2]int]). At Set",
		},
	} {
		out, err := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-m", pkg).CombinedOutput()
		if err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
		for _, list := range methods {
			words := strings.Fields(list)
			for _, name := range words[1:] {
				f := words[0] + name
				if !takenIn(string(out), f) || !takenIn(string(out), f+".func1") {
					t.Errorf("%s: %s is called, and not taken in", pkg, f)
				}
			}
		}
		if takenIn(string(out), "(*Atomic[go.shape.int64]).UnmarshalText") {
			t.Error("UnmarshalText counts as small, so this test proves nothing")
		}
	}
}

func takenIn(said, f string) bool {
	for line := range strings.Lines(said) {
		if strings.HasSuffix(strings.TrimSpace(line), ": can inline "+f) {
			return true
		}
	}
	return false
}
