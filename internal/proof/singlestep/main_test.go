//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// watchdog bounds how long a child may take to get to its end, and how long it may
// take from there until all is in order again.
const watchdog = time.Minute

// childEnv names, in the environment of a child, the operation that it is for.
const childEnv = "SHOAL_SINGLE_STEP"

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		if err := child(name); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
