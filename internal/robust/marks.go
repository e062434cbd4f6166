package robust

import (
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/object"
)

// Marks are bits in the word of a mutex that others than its owner must see
// together with who owns it and whether it is poisoned: a lock for readers and
// writers is built on them. They go away when the mutex is unlocked.
const (
	// Shut says that the owner lets no reader in any more.
	Shut = 1 << 12
	// Inside says that the owner is alone: only then does its death leave anything
	// half changed.
	Inside = 1 << 13

	allMarks = Shut | Inside
)

// NewMarked is New for a mutex that has marks.
func NewMarked(w *Words, p Policy, use *object.Use, obj *object.Object) *Mutex {
	m := New(w, p, use, obj)
	m.marks = allMarks
	return m
}

// Mark sets marks of a mutex that this process holds. It fails with fs.ErrClosed
// if Close has given it back. The caller has pinned the mapping.
func (m *Mutex) Mark(marks uint32) error {
	for {
		x := m.words.w.Load()
		if x&ownerMask != m.slot || x&poisoned != 0 {
			return fs.ErrClosed
		}
		if m.words.w.CompareAndSwap(x, x|marks) { // commit; pairs with: robust.marks (Admits)
			return nil
		}
	}
}

// Unmark clears marks of a mutex that this process holds. It fails as Mark does.
func (m *Mutex) Unmark(marks uint32) error {
	for {
		x := m.words.w.Load()
		if x&ownerMask != m.slot || x&poisoned != 0 {
			return fs.ErrClosed
		}
		if m.words.w.CompareAndSwap(x, x&^marks) { // commit; pairs with: robust.marks (Admits)
			return nil
		}
	}
}

// UnlockMarked unlocks a mutex that has these marks, and reports whether it was
// held with them. The caller has pinned the mapping.
func (m *Mutex) UnlockMarked(marks uint32) bool {
	m.sync.Release()
	for {
		x := m.words.w.Load()
		if x&ownerMask != m.slot || x&poisoned != 0 || x&marks != marks {
			return false
		}
		if m.words.w.CompareAndSwap(x, x&starving) { // commit; pairs with: robust.free (Lock)
			if x&sleepers != 0 {
				m.point.Wake(1)
			}
			return true
		}
	}
}

// Admits reports whether readers may be in: nobody has shut the mutex, and it is
// not poisoned.
func (w *Words) Admits() bool { return w.w.Load()&(allMarks|poisoned) == 0 } // pairs with: robust.marks (Mark)

// Owner returns who owns the mutex, with its marks.
func (w *Words) Owner() (slot, marks uint32) {
	x := w.w.Load()
	return x & ownerMask, x & allMarks
}

// RepairMarked is Repair for a mutex that has marks: who died outside leaves
// nothing to repair.
func RepairMarked(w *Words, p Policy, d object.Dead) {
	if x := w.w.Load(); x&ownerMask == d.Slot && x&(Inside|poisoned) == 0 {
		p = Release
	}
	Repair(w, p, d)
}

// LeaveMarked is Leave for a mutex that has marks: who is not inside is in the
// middle of an operation, and gives the mutex back itself.
func LeaveMarked(w *Words, p Policy, slot, generation uint32) {
	if x := w.w.Load(); x&ownerMask == slot && x&(Inside|poisoned) == 0 {
		slot = 0
	}
	Leave(w, p, slot, generation)
}

// CheckMarked is Check for a mutex that has marks.
func CheckMarked(w *Words, p Policy, off int64, live func(slot uint32) bool) []error {
	return checkBut(allMarks, w, p, off, live)
}
