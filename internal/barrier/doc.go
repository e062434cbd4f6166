// Package barrier lets a fixed number of parties go on together.
//
// # Words
//
// The word phase names the generation that gathers, how many have arrived in it,
// and whether it is broken (type phase). A generation ends in one step on that
// word: by the arrival of the last party, which begins the next round; or by being
// broken, which freezes it until Reset begins the next era. So who waited in it
// can tell later what became of it: in the same era, a round that is over was
// passed, and one that is not is broken; for eras that are over, the ring ended
// says in which round they were broken. It is written before the era ends, and
// remembers more eras than anybody sleeps through.
//
// Who is about to arrive says so first: joined has a word for each slot, with the
// generation. So a death breaks the generation that the dead one waited in, and no
// other: not one that it was let out of before, nor one that it had not come to.
//
//	dies after                   survivors see             outcome
//	naming the generation        it, and no arrival        broken, if anybody waits
//	arriving                     the arrival               repair breaks the generation
//	the last arrival             the next round            passed; repair wakes all
//	breaking, or half of Reset   a broken generation       broken; repair wakes all
//	the end of Reset             the next era              as new
//	a repairer, anywhere         broken or not yet         its successor does it again
package barrier
