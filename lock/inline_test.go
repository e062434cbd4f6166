package lock_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestTakenIn asks the compiler whether it takes locking and unlocking into the code
// of their callers: two calls would cost as much as a third of both.
func TestTakenIn(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-m", "github.com/shoal-ipc/shoal/lock").CombinedOutput()
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
	for _, f := range []string{"(*Mutex).Lock", "(*Mutex).TryLock", "(*Mutex).Unlock"} {
		if !takenIn(f) || !takenIn(f+".func1") {
			t.Errorf("%s is called, and not taken in", f)
		}
	}
	if takenIn("(*Mutex).UnmarshalText") {
		t.Error("UnmarshalText counts as small, so this test proves nothing")
	}
}
