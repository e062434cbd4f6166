package ring

import (
	"fmt"

	"github.com/shoal-ipc/shoal/internal/bare"
)

// The word of a slot is all that is true of it:
//
//	lap 63..24 | state 23..20 | attempts 19..12 | owner 11..0
//
// attempts counts how often the message was handed out (it stops at its
// maximum); in RESERVED it tells loans of one owner apart. owner is the
// participant in WRITING, READING, LOANED, RESERVED and FILLING, else 0.
//
// In the ring:
//
//	FREE(l) -> WRITING(l) -> FULL(l) -> READING(l) or LOANED(l) -> FREE(l+1)
//	LOANED(l) -> READING(l)              acknowledged; what is left is to free its block
//	READING(l), LOANED(l) -> LATE(l)     given back, or its consumer died
//	LATE(l) -> READING(l) or LOANED(l)   delivered again
//	LOANED(l), LATE(l) -> same of lap l' renewed by a producer that comes by, so that nobody has to wait for it
//	WRITING(l) -> FREE(l+1)              its producer died, or the queue was shut down
//
// In the slot of a loan:
//
//	FREE(l) -> RESERVED(l) -> FILLING(l) -> FREE(l+1)   lent to a user; it is settled, or abandoned
//	FREE(l) -> FILLING(l) -> FREE(l+1)                  lent to an operation, for its own time
//	FILLING(l) -> LATE(l)                               the ring is full: the message stays here
//	LATE(l), READING(l), LOANED(l) as above
const (
	free = iota
	writing
	full
	reading
	loaned
	late
	reserved // and what follows: only in slots of loans
	filling
	states
)

const (
	lapShift   = 24
	stateShift = 20
	triesShift = 12

	indexMask = 1<<lapShift - 1
	stateMask = 1<<4 - 1
	triesMask = 1<<8 - 1
	ownerMask = 1<<12 - 1
)

var (
	_ = [1]struct{}{}[indexMask-bare.IndexMask]
	_ = [1]struct{}{}[1<<lapShift-bare.Lap]
	_ = [1]struct{}{}[full<<stateShift-bare.Full]
)

// stateNames are for errors.
func stateName(x uint64) string {
	names := [states]string{"FREE", "WRITING", "FULL", "READING", "LOANED", "LATE", "RESERVED", "FILLING"}
	if s := stateOf(x); s < states {
		return names[s]
	}
	return fmt.Sprintf("state %d", stateOf(x))
}

// lapOf returns the lap of a word or position x, in place.
func lapOf(x uint64) uint64 { return x &^ indexMask }

func stateOf(x uint64) uint64 { return x >> stateShift & stateMask }

func triesOf(x uint64) uint64 { return x >> triesShift & triesMask }

func ownerOf(x uint64) uint32 { return uint32(x & ownerMask) }

// word makes the word of a slot; lap is in place, as lapOf returns it.
func word(lap, state, tries uint64, owner uint32) uint64 {
	return lap | state<<stateShift | tries<<triesShift | uint64(owner)
}

// nextFree is the word of a slot whose word is x when what it held has ended.
func nextFree(x uint64) uint64 { return lapOf(x) + 1<<lapShift }

// onceMore returns the number of attempts after those in x.
func onceMore(x uint64) uint64 { return min(triesOf(x)+1, triesMask) }

// held reports whether a word in state s names an owner.
func held(s uint64) bool {
	return s == writing || s == reading || s == loaned || s == reserved || s == filling
}

// inRing reports whether a slot of the ring can be in state s.
func inRing(s uint64) bool { return s <= late }

// passedBy reports whether consumers that meet state s at its own position go on.
func passedBy(s uint64) bool { return s == reading || s == loaned || s == late }

// renewable reports whether a producer that comes round to a slot in state s
// moves it to its own lap and goes on.
func renewable(s uint64) bool { return s == loaned || s == late }

// A position is lap 63..24 | index 23..0: positions follow each other in the
// order of their numbers, and a ring may have any number of slots.

func indexOf(pos uint64) uint32 { return uint32(pos & indexMask) }

// ahead returns how many laps the word x is ahead of position pos. Laps are
// compared modulo 2^40.
func ahead(x, pos uint64) int64 { return int64(lapOf(x)-lapOf(pos)) >> lapShift }

// before reports whether position a comes before b.
func before(a, b uint64) bool { return int64(a-b) < 0 }
