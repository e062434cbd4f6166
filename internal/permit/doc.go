// Package permit is the semaphore that survives its holders: permits that a dead
// participant held are free again, none lost and none minted.
//
// # Bounded
//
// The books of a Bounded semaphore are a tally, which has the free permits and
// the last participant's change that is not yet booked, and an account for each
// participant. Whoever takes or returns permits does so by one compare-and-swap
// of the tally, which also says who did it and how many; the next participant
// books that change in the other's account before it puts its own in its place.
// So a participant that has the semaphore to itself needs one atomic for each
// operation, the books can be read at every instant, and there is nothing that
// only a dead participant could finish:
//
//	dies after                        survivors see                 outcome
//	any step before its own change    nothing taken; claim or bell  repair withdraws the claim and
//	                                  stale, a wake-up eaten        wakes all
//	its change, before anything       the change, pending           anyone books it; repair returns
//	                                                                what the account then has
//	sealing somebody's change         a sealed change, pending      anyone books it, once: the entry
//	                                                                has its number or the one before
//	returning, before it rang         permits free, sleepers        repair wakes all
//	ringing, before the wake call     the same                      the next ring, or repair
//	being woken, before it took       permits free, sleepers        the next ring, or repair
//	gathering, with a part            the part in its account,      repair returns the part and frees
//	                                  bulk held                     bulk
//	a repairer of the dead, anywhere  books as above                its successor goes on: each step of
//	                                                                repair is an operation of the dead
//
// The number of a change wraps after 24 bits. That does harm only to a thread that
// is stopped between reading the tally and exchanging it, for a multiple of 2^24
// changes of one other participant, and goes on when all 64 bits are the same.
//
// # Signal
//
// The permits of a Signal semaphore belong to nobody: the tally is a count, and
// what a participant took is gone with it.
//
// # Waiting
//
// Waiters sleep on one word, the bell, at most one goroutine of a process (and
// one that gathers). Who returns n permits wakes n of them. Permits are handed to
// nobody: who comes first takes them, but who has waited for a patience puts up a
// claim, and newcomers then leave him what he is short of, for a patience of
// their own waiting. That is a courtesy: a claimant that is stopped or dead
// delays others by no more than that.
//
// Who waits for more than one permit gathers them as they become free, one
// participant at a time (bulk), so that many small requests cannot starve a
// large one, and two large ones cannot hold half each. Until it has all of them,
// they are not its user's: when it gives up, dies or closes, they are free again.
package permit
