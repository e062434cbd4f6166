// Package event is a flag that processes wait for.
//
// # Words
//
// The word state is the flag, in bit 0, and a round in the others, which counts
// how often the flag went up. Each operation is one step on it: Set puts the flag
// up and begins a round, if it is down, and Clear takes it down. Who waits looks
// at the round when it begins, and is done when the flag is up or another round
// has begun: so nobody misses a Set that is followed by a Clear, however late it
// looks.
//
// The word bell is what waiters sleep on, as in package cell:
//
//	dies after            survivors see        outcome
//	Set, before its step  the flag down        as if Set had not been called
//	the step of Set       the flag up          newcomers pass; repair wakes the sleepers
//	taking bell's flag    the flag up          repair wakes them (bell is sticky)
//	Clear's step          the flag down        -
//	a repairer, anywhere  bell rung, or not    its successor rings it again
//
// Nobody holds anything.
package event
