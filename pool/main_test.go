package pool_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/process"
)

func TestMain(m *testing.M) {
	if _, child := os.LookupEnv("SHOAL_CHILD"); child && os.Getenv("POOL_TEST_MAIN") == "exit" {
		os.Exit(9)
	}
	process.Main()
	if os.Getenv("POOL_TEST_ROLE") == "parent" {
		beParent()
	}
	// Race builds sleep a second at the end of each process, children included.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// deadline is the watchdog of a test: long, and only for what hangs.
func deadline(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 2*time.Minute)
	tb.Cleanup(cancel)
	return ctx
}

// mustNew returns a pool that is closed at the end of the test.
func mustNew(tb testing.TB, opts *pool.Options) *pool.Pool {
	tb.Helper()
	p, err := pool.New(context.WithoutCancel(tb.Context()), opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p
}
