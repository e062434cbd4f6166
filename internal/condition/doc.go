// Package condition waits for a condition on data that a mutex protects.
//
// # Words
//
// Each slot has a word counts: how many goroutines of that process wait, and how
// many signals are theirs, that they have not yet used up (type counts). Waits
// begin, and signals are given, with the mutex held: a Signal makes, for some slot,
// one that waits one that is signalled, in one step. Which goroutine that is, its
// process decides, which keeps them in the order in which they came: so a signal
// is never that of a wait that began after it. Whoever was signalled uses the
// signal up when it has the mutex again; who gives up instead, having got the
// mutex back, takes itself away from those who wait, or finds that it was signalled
// after all.
//
// Each slot has a word bell, on which one goroutine of the process sleeps, as in
// package cell. Broadcast signals all that wait but rings one bell: whoever of them
// has got the mutex back rings the next one (due), so that they do not all come
// for the mutex at once. A sleeper looks again after a wait.Slice, so that one that
// is stopped delays the others by no more.
//
//	dies after                     survivors see           outcome
//	counting itself in             one that waits          repair forgets it
//	giving a signal, no ring       the signal, a sleeper   repair rings all bells
//	being signalled                a signal unused         repair gives it to another one
//	passing a signal on            one signal too many     somebody is woken in vain
//	half of a Broadcast            some signalled          the mutex's owner died: see below
//	a repairer, giving it away     one signal too many     somebody is woken in vain
//
// # Death of the mutex's owner
//
// Who dies holding the mutex may have changed the condition, and signals nobody any
// more. So a wait ends, without a signal, when an owner has died; that is seen from
// a count in the mutex, when repair rings the bells.
package condition
