// Package robust is the mutex that survives its owners: one 32-bit word that
// names who holds it, a sticky mark that tells repair whether anybody ever slept
// on it, and the name of the participant that died holding it.
//
// # Words
//
// The word w:
//
//	bits   0..11  owner      slot of the participant that holds it, 0: nobody
//	bits  12..13  zero, or what marks.go says
//	bits  14..28  zero, or what allot.go says
//	bit       29  poisoned   an owner died inside; Lock fails until a repair succeeded
//	bit       30  starving   somebody has waited long: newcomers keep away for a while
//	bit       31  sleepers   somebody may sleep on w: who unlocks wakes one
//
// owner and poisoned together mean that the owner is repairing. Every operation
// takes effect by one compare-and-swap of w, and what can be left half done is
// either invisible or derived from w:
//
//	dies after                         survivors see                 outcome
//	any step before the taking CAS     sleepers or starving stale,   repair clears starving and wakes
//	                                   a wake-up eaten               all; the rest compete again
//	the taking CAS, or inside          owner is the dead one         poisoned, or free: all are woken
//	the freeing CAS, before its wake   free, sleepers asleep         repair wakes all (slept is sticky)
//	starving was set                   starving stale                repair clears it; newcomers would
//	                                                                 wait one patience each without it
//	taking for repair, or inside it    owner and poisoned            poisoned; the next one repairs again
//	a repairer of the dead, anywhere   as far as it came             its successor does all of it again
//
// # Courtesy
//
// The lock is handed to nobody: a free word is taken by whoever comes first. A
// waiter that has waited for a patience sets starving, which newcomers respect
// for one patience of their own waiting. So nobody starves, and a waiter that is
// stopped or dead delays others by no more than that.
package robust
