package robust

import (
	"fmt"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
)

// Check verifies the mutex w, which lies at off in its object's region. It
// changes nothing; live reports whether a slot is taken.
func Check(w *Words, p Policy, off int64, live func(slot uint32) bool) []error {
	return checkBut(0, w, p, off, live)
}

func checkBut(marks uint32, w *Words, p Policy, off int64, live func(slot uint32) bool) []error {
	var errs []error
	x := w.w.Load()
	if err := checkWord(x&^marks, p, ownerMask, off); err != nil {
		errs = append(errs, err)
	} else if owner := x & ownerMask; owner != 0 && !live(owner) && w.w.Load() == x {
		errs = append(errs, mem.Corrupt("mutex.w", off, fmt.Sprintf("owner %d", owner), "a participant"))
	}
	if slept := w.slept.Load(); slept > 1 {
		errs = append(errs, mem.Corrupt("mutex.slept", off+4, slept, "0 or 1"))
	}
	if slot, _ := unpackCulprit(w.culprit.Load()); slot > ownerMask {
		errs = append(errs, mem.Corrupt("mutex.culprit", off+offsetCulprit, slot, "a slot"))
	}
	return errs
}

// checkWord returns a *mem.Corruption if no correct process writes x to the word
// at off.
func checkWord(x uint32, p Policy, slots uint32, off int64) error {
	switch {
	case x&reserved != 0:
		return mem.Corrupt("mutex.w", off, fmt.Sprintf("%#x", x), "bits 12 to 28 zero")
	case x&ownerMask > slots:
		return mem.Corrupt("mutex.w", off, fmt.Sprintf("owner %d", x&ownerMask), fmt.Sprintf("at most %d", slots))
	case x&poisoned != 0 && p != Poison:
		return mem.Corrupt("mutex.w", off, "poisoned", "never: policy is "+p.String())
	}
	return nil
}

// Holds yields who holds the mutex w, if anybody, and reports whether to go on.
func Holds(w *Words, yield func(object.Hold) bool) bool {
	owner := w.w.Load() & ownerMask
	return owner == 0 || yield(object.Hold{Slot: owner, Count: 1, What: "lock"})
}

// State returns what the mutex w is for people.
func State(w *Words) string {
	x := w.w.Load()
	switch {
	case x&poisoned != 0 && x&ownerMask != 0:
		return fmt.Sprintf("being repaired by %d", x&ownerMask)
	case x&poisoned != 0:
		return "poisoned"
	case x&ownerMask != 0:
		return fmt.Sprintf("locked by %d", x&ownerMask)
	}
	return "free"
}
