package semaphore_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestTakenIn asks the compiler whether it takes what there is to do with nobody
// else into the code of the callers.
func TestTakenIn(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-m", "github.com/shoal-ipc/shoal/semaphore").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	takenIn := func(f string) bool {
		for line := range strings.Lines(string(out)) {
			if strings.HasSuffix(strings.TrimSpace(line), ": can inline "+f) {
				return true
			}
		}
		return false
	}
	for method, step := range map[string]string{"Acquire": "Take", "TryAcquire": "Take", "Release": "Give"} {
		f := "(*Semaphore)." + method
		if !takenIn(f) || !takenIn(f+".func1") || !takenIn(f+".func1.(*Quick)."+step+".1") {
			t.Errorf("%s is called, and not taken in", f)
		}
	}
	if takenIn("(*Semaphore).UnmarshalText") {
		t.Error("UnmarshalText counts as small, so this test proves nothing")
	}
}
