package satomic_test

import (
	"sync/atomic"
	"testing"

	"github.com/shoal-ipc/shoal/internal/bare"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

func TestPublish(t *testing.T) {
	var w satomic.Uint64
	w.Publish(1<<40 + 3)
	if x := w.Load(); x != 1<<40+3 {
		t.Errorf("published %#x", x)
	}
	var owner atomic.Uintptr
	var inside atomic.Uint32
	var busy satomic.Uint32
	if owner.Store(bare.Goroutine() + 1); satomic.Enter(&owner, &inside, &busy) != bare.Outside || inside.Load() != 0 || busy.Load() != 0 {
		t.Error("another goroutine's place was entered")
	}
	owner.Store(bare.Goroutine())
	if owner.Load() == 0 {
		t.Skip("goroutines have no numbers here")
	}
	if satomic.Enter(&owner, &inside, &busy) != bare.Inside || inside.Load() != 1 || busy.Load() != 1 {
		t.Error("not entered")
	}
	w.PublishAndLeave(5, &inside, &busy)
	if w.Load() != 5 || inside.Load() != 0 || busy.Load() != 0 {
		t.Error("not left")
	}
}
