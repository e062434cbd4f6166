package queue_test

import (
	"os"
	"testing"

	"github.com/shoal-ipc/shoal/process"
)

func TestMain(m *testing.M) {
	process.Main()
	os.Exit(m.Run())
}
