package shm_test

import (
	"context"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

var childStays = registerChild("stays", func(args []string) {
	_, err := shm.Open(context.Background(), "s", &shm.Options{Dir: args[0]})
	say(err)
	hear()
})

// TestAwaitRepairEndsWithTheSegment: what is closed here, nobody here repairs, so
// nobody must wait for it.
func TestAwaitRepairEndsWithTheSegment(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	opts := &shm.Options{Dir: t.TempDir()}
	seg, err := shm.Create(ctx, "s", shm.Spec{Participants: 8, Lifetime: shm.Persistent}, opts)
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, childStays, opts.Dir)
	if s := c.line(); s != "<nil>" {
		t.Fatal(s)
	}
	awaited := make(chan error, 1)
	go func() { awaited <- object.Inside().AwaitRepair(ctx, c.cmd.Process.Pid) }()
	select {
	case err := <-awaited:
		t.Fatalf("waited for the end of a process that is alive until %v", err)
	case <-time.After(50 * time.Millisecond): // it waits
	}
	if err := seg.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-awaited; err != nil {
		t.Errorf("after Close it waits until %v", err)
	}
}
