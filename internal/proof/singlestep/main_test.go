//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// watchdog bounds waits for what must happen.
const watchdog = 30 * time.Second

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
