package permit

import "github.com/shoal-ipc/shoal/internal/wait"

// The bell is the word that waiters sleep on:
//
//	bits  0..1   quiet: nobody sleeps; awaited: somebody is about to sleep, or
//	             sleeps; rung: it rang since, sleepers are possible
//	bits  2..31  how often it rang
//
// Who announces himself makes it awaited and looks once more for permits before
// he sleeps; who returns permits rings it if it is not quiet. Either the waiter
// sees the permits, or the ringer sees the waiter. Nobody falls asleep unless it
// is awaited, so a ringer may make it quiet if it is still as he left it and the
// kernel woke fewer than he asked for. It changes before the wake call, because
// a waiter that has not yet reached the kernel sleeps only while it is unchanged.
const (
	quiet    = 0
	awaited  = 1
	rung     = 2
	bellBits = 3
	oneRing  = bellBits + 1
)

// announce says that the caller is about to sleep, and returns what the bell is
// while he may.
func (c *Core) announce() uint32 {
	for {
		x := c.head.bell.Load()
		if x&bellBits == awaited {
			return x
		}
		want := x&^bellBits | awaited
		if c.head.bell.CompareAndSwap(x, want) { // commit; pairs with: permit.bell (ring)
			return want
		}
	}
}

// ring wakes n sleepers, if there are any.
func (c *Core) ring(n int64) {
	if c.head.bell.Load()&bellBits != quiet { // pairs with: permit.bell (announce)
		c.ringSlow(n)
	}
}

func (c *Core) ringSlow(n int64) {
	for {
		x := c.head.bell.Load()
		if x&bellBits == quiet {
			return // and nobody slept when the permits came back
		}
		mine := x&^bellBits + oneRing | rung
		if !c.head.bell.CompareAndSwap(x, mine) {
			continue
		}
		if int64(wait.Wake(&c.head.bell, int(min(n, wait.All)))) < n {
			c.head.bell.CompareAndSwap(mine, mine&^bellBits|quiet)
		}
		return
	}
}

// ringAll wakes every sleeper, whatever the bell says: whoever was to wake them
// may have died first.
func (c *Core) ringAll() {
	c.head.bell.Add(oneRing)
	wait.Wake(&c.head.bell, wait.All)
}
