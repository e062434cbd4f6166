package queue_test

import (
	"os"
	"testing"

	"github.com/shoal-ipc/shoal/process"
)

func TestMain(m *testing.M) {
	process.Main()
	// Race builds sleep a second at the end of each process, children included.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
