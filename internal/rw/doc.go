// Package rw admits many readers or one writer.
//
// # Words
//
// Writers exclude each other by a mutex of package robust, whose word has two
// marks more: shut, from when its owner wants to write, and inside, from when all
// readers have left. Each slot counts its readers on a line of its own (reads):
// a reader counts itself in and then looks whether the mutex is shut or poisoned;
// a writer shuts it and then looks at all counts: one of the two sees the other.
// A reader that finds it shut counts itself out again and takes the mutex like a
// writer, for as long as it takes to count itself in: so readers and writers wait
// in one line, and neither starves. A writer that waits for readers sleeps on bell,
// as in package cell; who leaves while its flag is set rings it.
//
//	dies after                     survivors see         outcome
//	counting itself in, or inside  a reader              repair forgets it, rings bell
//	counting itself out, no ring   a writer asleep       repair rings bell
//	locking the mutex, or shut     an owner outside      free: nothing was changed
//	the mark inside, or writing    an owner inside       poisoned, or free
//	unlocking                      as for a mutex        repair wakes all
//	a repairer, anywhere           as far as it came     its successor does all of it again
package rw
