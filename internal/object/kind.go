// Package object is the contract between a segment and the objects in it.
//
// An object is a pure function of (Shape, Region): its Kind computes a size,
// formats a region and attaches to one; it never creates memory, so the same
// code runs on the heap, on a memfd, on /dev/shm and on a file. Every kind is
// linked into package shm (through internal/kinds), because whichever process
// notices a death repairs every object of the segment, also those it never uses.
package object

import "github.com/shoal-ipc/shoal/internal/mem"

// SpecWords is how many numbers an object's Spec may have.
const SpecWords = 6

// Spec is an object's geometry as the directory stores it: numbers whose
// meaning is the kind's. It is never read again from shared memory after an
// object was attached.
type Spec [SpecWords]uint64

// Shape is all that determines an object's layout.
type Shape struct {
	Spec  Spec
	Slots uint32 // participant slots of the segment: numbers 1 to Slots name participants, 0 nobody
}

// Kind is what a segment knows of one kind of object. All functions are pure
// and take input from shared memory: a Shape may hold any numbers.
type Kind struct {
	ID   uint32 // as stored in the directory; never reused
	Name string // "mutex", as shown to people

	// Size returns the bytes of a region for shape, or an error that is
	// fs.ErrInvalid. It is checked for overflow.
	Size func(shape Shape) (int64, error)
	// Format makes a zeroed region of Size bytes an object at rest.
	Format func(r mem.Region, shape Shape) error
	// Attach returns the object in a formatted region. It checks what must hold
	// for the object to be used safely, and writes nothing.
	Attach func(r mem.Region, shape Shape) (Core, error)
	// Describe returns the spec for people: "permits=3 kind=bounded".
	Describe func(shape Shape) string
}

// Core is an object without names and types, as repair and inspection see it.
// Its methods read hostile memory: no bytes make them panic, read or write
// outside of the region, or run for ever.
type Core interface {
	// Repair gives back what the participant d held, acting as it, and wakes
	// everybody who may wait. It is idempotent and may itself die anywhere and
	// be run again by another process. It runs once with d.Exited false, as
	// soon as no user instruction of d can run any more, and once more with
	// d.Exited true, when no system call of d can write any more: what d may
	// have lent to a system call (loans, deliveries) is reused only then. The
	// number d is not reused before both have returned.
	Repair(d Dead)
	// Leave gives back what the user of this live process, participant slot,
	// still holds when its segment is closed: locks are poisoned or released,
	// permits, loans and deliveries returned. Goroutines may still be inside
	// operations: what only those hold they give back themselves (see Use).
	Leave(slot uint32)
	// Check verifies every invariant that holds at any time, and those that
	// hold at rest as far as it can tell, and returns *mem.Corruption errors.
	// It takes no lock and changes nothing; live reports whether a slot is taken.
	Check(live func(slot uint32) bool) []error
	// Holds yields what each participant holds, a hint. It changes nothing.
	Holds(yield func(Hold) bool)
	// State returns the live state for people, in a few words: "locked", "3 of 4 free".
	State() string
}

// Dead names a dead participant.
type Dead struct {
	Slot       uint32
	Generation uint32 // of the slot: tells this participant from later ones with its number
	Exited     bool   // the whole process is gone, so that no system call of it still writes
}

// Hold says that a participant holds something.
type Hold struct {
	Slot  uint32
	Count int
	What  string // "lock", "permit", "claimed slot", "delivery", "loan"
}
