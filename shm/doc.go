// Package shm gives separate processes one memory: segments, and a directory of
// named objects in each, which any process may die in the middle of using.
//
// A segment is one shared mapping: a file in /dev/shm, a file of any other
// folder (Options.Dir), or memory without a name (Anonymous). Each process that
// has it open is a participant, with a slot of its own; a participant that dies,
// in whatever way and at whatever instruction, is noticed by the others at once,
// and what it held is given back by whichever of them is first (see Deaths).
// A process that is stopped or swapped out is alive, and is never robbed.
//
// An object is a named structure in a segment: a value, an array, a mutex, a
// semaphore, a queue. The sibling packages make and open them. A handle is a
// process's way to an object; it needs no Close, and stays safe to use for ever:
// after Segment.Close calls on it return fs.ErrClosed, or panic with it where
// they have no error to return.
//
//	seg, err := shm.OpenOrCreate(ctx, "orders", shm.Spec{}, nil)
//	…
//	q, err := queue.OpenOrCreate[Order](ctx, seg, "new", queue.Spec{})
//
// The words used here, each for one thing:
//
//	segment      one shared mapping with a header
//	object       a named structure in a segment; directory: the index of them
//	region       the bytes of an object
//	participant  one attached process, by its slot and that slot's generation
//	owner        the participant that holds a lock, a slot or a permit
//	commit       the one atomic by which an operation takes effect
//	poisoned     the state of a lock whose owner died holding it
//	repair       to give back what a dead participant held
//	reclaim      to use the memory of a removed object again
//
// Segments work on Linux; elsewhere everything builds, and fails with
// errors.ErrUnsupported.
package shm
