package cell

import (
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// An event is the word that waiters for a change sleep on:
//
//	bit      0  flag     somebody is about to sleep, or sleeps: who changes the value wakes all
//	bit      1  sticky   somebody slept here once; never cleared
//	bits 2..31  version  changes before every wake-up
//
// A waiter sets flag and looks at the value once more before it sleeps; who
// changes the value looks at flag afterwards: one of the two sees the other. The
// word changes before the wake call, so that a waiter that has not yet reached
// the kernel does not fall asleep; and flag is cleared in the same step, so that
// one change makes one call.
//
// A process that dies between its change and its wake call leaves flag or, later,
// sticky: repair wakes everybody.
const (
	eventFlag    = 1 << 0
	eventSticky  = 1 << 1
	eventVersion = 1 << 2
)

// Register announces a sleeper and returns what it sleeps on.
func Register(e *satomic.Uint32) uint32 {
	for {
		x := e.Load()
		y := x | eventFlag | eventSticky
		if x == y || e.CompareAndSwap(x, y) { // commit; pairs with: cell.event.flag (Notify)
			return y
		}
	}
}

// Flagged reports whether somebody waits for a change.
func Flagged(e *satomic.Uint32) bool { return e.Load()&eventFlag != 0 } // pairs with: cell.event.flag (Register)

// Notify wakes everybody who waits for a change, if anybody does. It is called
// after the change.
func Notify(e *satomic.Uint32) {
	for {
		x := e.Load() // pairs with: cell.event.flag (Register)
		if x&eventFlag == 0 {
			return
		}
		if e.CompareAndSwap(x, (x+eventVersion)&^eventFlag) {
			wait.Wake(e, wait.All)
			return
		}
	}
}

// RepairEvent wakes everybody whom a dead participant may have left asleep. It
// may be run any number of times.
func RepairEvent(e *satomic.Uint32) {
	if e.Load()&eventSticky != 0 {
		e.Add(eventVersion)
		wait.Wake(e, wait.All)
	}
}
