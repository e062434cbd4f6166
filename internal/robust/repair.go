package robust

import (
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// Repair gives back what the dead participant d has of the mutex w, and wakes
// everybody: see object.Core. Only one process repairs at a time.
func Repair(w *Words, p Policy, d object.Dead) { repairBut(0, w, p, d) }

// repairBut is Repair, except that these bits of the word stay as they are.
func repairBut(keep uint32, w *Words, p Policy, d object.Dead) {
	for {
		x := w.w.Load()
		next := x &^ starving
		if x&ownerMask == d.Slot && d.Slot != 0 {
			w.deaths.Add(1)
			next = x & keep
			if p == Poison {
				next |= poisoned
				if x&poisoned == 0 || w.culprit.Load() == 0 {
					w.culprit.Store(packCulprit(d.Slot, d.Generation))
				} // else it died before its repair began: the older culprit is the one to wait for
			}
		}
		if next == x || w.w.CompareAndSwap(x, next) {
			break
		}
	}
	wakeSleepers(w)
}

// Leave gives back what the participant slot, a live process that closes its
// segment, has of the mutex w. Its own goroutines may be at work on w.
func Leave(w *Words, p Policy, slot, generation uint32) { leaveBut(0, w, p, slot, generation) }

func leaveBut(keep uint32, w *Words, p Policy, slot, generation uint32) {
	for slot != 0 {
		x := w.w.Load()
		if x&ownerMask != slot {
			break
		}
		w.deaths.Add(1)
		next := x & keep
		if p == Poison {
			next |= poisoned
			if x&poisoned == 0 {
				// A goroutine may unlock until the mutex is poisoned, so only then
				// is there a culprit. In a repair there is one, unless it succeeded.
				if w.w.CompareAndSwap(x, x|poisoned) {
					w.culprit.Store(packCulprit(slot, generation))
				}
				continue
			}
		}
		if w.w.CompareAndSwap(x, next) {
			break
		}
	}
	wakeSleepers(w)
}

// wakeSleepers wakes everybody that sleeps on w. The mark of the sleepers in the
// word says nothing here: who frees the mutex clears it and may die before it
// has woken anybody.
func wakeSleepers(w *Words) {
	if w.slept.Load() != 0 {
		wait.Wake(&w.w, wait.All)
	}
}
