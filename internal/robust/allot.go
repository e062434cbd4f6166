package robust

import (
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// A mutex may be allotted, given back and allotted again, and a handle is of one
// allotment. So bits 14 to 28 of the word count the turns of both, and whoever
// takes the mutex compares them by the same compare-and-swap: they are odd while
// the mutex is allotted. Each of these is one compare-and-swap, so that there is
// nothing to repair.
//
// The turns come round, and a handle may be older than that. The word rounds has
// the rest of the number: its lowest bit is the highest one of the turns, so that
// anybody sees that it lags behind, and by how much, and may advance it. It lags
// only while the mutex is not allotted, since the highest bit changes when one is
// given back, and who allots it looks first. A handle that is of another round does
// not touch the word.
const (
	oneTurn   = 1 << 14
	turnShift = 14
	topTurn   = 1 << 28
	turns     = reserved &^ allMarks
	turnBits  = 14 // of the turns that rounds does not have too
)

var errGone = fmt.Errorf("lock: the number is not allocated, or was freed: %w", fs.ErrNotExist)

// Allotment numbers the uses of a mutex that follow each other: it grows by one
// whenever the mutex is allotted and whenever it is given back.
type Allotment uint64

// Taken reports whether the mutex was allotted.
func (a Allotment) Taken() bool { return a%2 == 1 }

// word returns the word of the mutex while nobody holds it or wants it.
func (a Allotment) word() uint32 { return uint32(a) << turnShift & turns }

// rounds returns the part of the number that the word has no room for.
func (a Allotment) rounds() uint64 { return uint64(a >> turnBits) }

// Allotment returns what the mutex is now. It is safe from any participant, and
// changes nothing.
func (w *Words) Allotment() Allotment {
	for {
		x := w.w.Load() // pairs with: robust.allotted (Allot)
		a := allotment(x, w.settled(x))
		if w.w.Load()&turns == x&turns {
			return a
		}
	}
}

func allotment(x uint32, rounds uint64) Allotment {
	return Allotment(rounds<<turnBits | uint64(x&turns>>turnShift)&(1<<turnBits-1))
}

// topOf returns the highest bit of the turns in the word x.
func topOf(x uint32) uint64 { return uint64(x & topTurn >> 28) }

// settled returns what rounds is, or should be, when the word is x.
func (w *Words) settled(x uint32) uint64 {
	rounds := w.rounds.Load()
	if rounds&1 != topOf(x) {
		rounds++
	}
	return rounds
}

// Allot takes the mutex, which nobody has been allotted, and reports whether it
// did. It fails with a *mem.Corruption; off is where w lies.
func (w *Words) Allot(off int64) (bool, error) {
	for {
		x := w.w.Load() // pairs with: robust.returned (Return)
		if x&oneTurn != 0 {
			return false, nil
		}
		if x&^turns != 0 {
			return false, corruptFree(x, off)
		}
		// Whoever comes late fails here: the word was read after rounds, so that it
		// was rounds that lagged behind, and is as long as it stays what it is.
		rounds := w.rounds.Load()
		if x&^topTurn == 0 && rounds&1 != topOf(w.w.Load()) {
			w.rounds.CompareAndSwap(rounds, rounds+1)
			continue
		}
		if w.w.CompareAndSwap(x, x+oneTurn) { // commit; pairs with: robust.allotted (Allotment)
			return true, nil
		}
	}
}

func corruptFree(x uint32, off int64) error {
	return mem.Corrupt("mutex.w", off, fmt.Sprintf("%#x", x&^turns), "0: nobody was allotted it")
}

// Return gives the mutex back. It fails with fs.ErrNotExist if it is not allotted,
// or ErrLocked if somebody holds it. Those that wait for it find it gone. If it is
// poisoned that is over: what it protected is no more.
func (w *Words) Return(p Policy, slots uint32, off int64) error {
	for {
		x := w.w.Load() // pairs with: robust.free (Unlock)
		switch {
		case x&oneTurn == 0:
			return errGone
		case x&ownerMask != 0 && x&ownerMask <= slots:
			return ErrLocked
		}
		if err := checkWord(x&^turns, p, slots, off); err != nil {
			return err
		}
		if w.w.CompareAndSwap(x, (x+oneTurn)&turns) { // commit; pairs with: robust.returned (Allot)
			if w.slept.Load() != 0 {
				wait.Wake(&w.w, wait.All)
			}
			return nil
		}
	}
}

// Of makes m, from New, the mutex of the allotment a, or of none if that has not
// Taken, and returns it. sync tells the race detector of its hand-overs.
func (m *Mutex) Of(a Allotment, sync *race.Token) *Mutex {
	m.sync, m.marks, m.allotted = sync, turns, true
	m.rest, m.rounds = a.word(), a.rounds()
	if !a.Taken() {
		m.rest, m.rounds = oneTurn, 1<<64-1
	}
	return m
}

// outlived reports whether the mutex is of a round that is over.
func (m *Mutex) outlived() bool { return m.allotted && m.words.rounds.Load() != m.rounds }

// gone reports whether the mutex was given back, if x is its word.
func (m *Mutex) gone(x uint32) bool { return m.allotted && (x&turns != m.rest || m.outlived()) }

// RepairAllotted is Repair for a mutex that is allotted or not.
func RepairAllotted(w *Words, p Policy, d object.Dead) {
	if w.w.Load()&oneTurn == 0 {
		p = Release
	}
	repairBut(turns, w, p, d)
}

// LeaveAllotted is Leave for a mutex that is allotted or not.
func LeaveAllotted(w *Words, p Policy, slot, generation uint32) {
	leaveBut(turns, w, p, slot, generation)
}

// Condition returns who has the mutex, and whether it is poisoned.
func (w *Words) Condition() (owner uint32, bad bool) {
	x := w.w.Load()
	return x & ownerMask, x&poisoned != 0
}

// CheckAllotted is Check for a mutex that is allotted or not.
func CheckAllotted(w *Words, p Policy, off int64, live func(slot uint32) bool) []error {
	errs := checkBut(turns, w, p, off, live)
	x, rounds := w.w.Load(), w.rounds.Load()
	switch {
	case w.w.Load() != x:
	case x&oneTurn == 0 && x&^turns != 0:
		errs = append(errs, corruptFree(x, off))
	case rounds&1 != topOf(x) && x&^topTurn != 0:
		errs = append(errs, mem.Corrupt("mutex.rounds", off+offsetRounds, rounds, "as the turns in the word"))
	}
	return errs
}
