package shm

import (
	"slices"

	"github.com/shoal-ipc/shoal/internal/object"
)

// depart announces that this process ends in good order: it does not count as
// a death where it holds nothing. What it has open stays usable until the end,
// so that goroutines that still run meet no closed handle; the rest is what
// the end of any process brings. Only the name of a segment that lived for this
// process goes now: afterwards nobody may be left to take it away. For that it
// waits longer than Close: several may be on their way out, each in the way of
// the others.
func depart() {
	for _, a := range opened.all() {
		m := a.pin()
		if m == nil || a.slot == 0 {
			continue
		}
		holds := slices.ContainsFunc(a.holds(), func(h Hold) bool { return h.Participant.Slot == int(a.slot) })
		if !holds {
			a.participants[a.slot-1].left.Store(1)
			_ = a.endLifetime(m, removePatience) // what keeps its name now, Prune removes
		}
		object.Unpin(m)
	}
}
