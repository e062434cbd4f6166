package duplex

import (
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// A bell is a word that somebody sleeps on:
//
//	bit       0  awaited: somebody sleeps, or is about to
//	bits  1..31  how often it rang
//
// Who is about to sleep announces it and then looks once more; who changes what
// sleepers wait for then rings, if the bell is awaited. Of the two one sees the
// other. Whoever rings wakes all, and the next sleeper announces itself anew: so
// no wake-up is lost with one that dies, or that goes away.
const (
	awaited = 1
	oneRing = 2
)

// announce says that the caller is about to sleep, and returns what the bell is
// while it may.
func announce(bell *satomic.Uint32) uint32 {
	for {
		x := bell.Load()
		if x&awaited != 0 || bell.CompareAndSwap(x, x|awaited) { // commit; pairs with: duplex.bell (ring)
			return x | awaited
		}
	}
}

// ring wakes all sleepers, if there are any.
func ring(bell *satomic.Uint32) {
	if bell.Load()&awaited != 0 { // pairs with: duplex.bell (announce)
		ringSlow(bell)
	}
}

func ringSlow(bell *satomic.Uint32) {
	for {
		x := bell.Load()
		if x&awaited == 0 {
			return // somebody else has rung, after what this one changed
		}
		if bell.CompareAndSwap(x, (x+oneRing)&^awaited) {
			wait.Wake(bell, wait.All)
			return
		}
	}
}

// ringAnyway wakes all sleepers, whatever the bell says: who was to wake them may
// have died between its step on the bell and the call that wakes.
func ringAnyway(bell *satomic.Uint32) {
	bell.Add(oneRing)
	wait.Wake(bell, wait.All)
}
