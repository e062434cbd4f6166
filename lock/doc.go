// Package lock excludes processes from each other, whichever of them dies when.
//
// A Mutex is held by a process, not by a goroutine: any goroutine of the process
// may unlock it, and a second Lock waits for that. Do is the form that cannot go
// wrong. Uncontended, Lock and Unlock are one atomic instruction each.
//
// # When an owner dies
//
// A process may be killed while it holds a mutex, with what the mutex protects
// half changed. What then happens is chosen when the mutex is made:
//
//   - Poison, the default: nobody gets the mutex until the damage was looked at.
//     Lock returns ErrPoisoned, without holding it, until Recover has repaired
//     what the mutex protects; or, where the field Mutex.Repair is set, Lock
//     repairs by that function and goes on as if nothing had happened.
//   - Release: the next one gets the mutex. That is right where whatever a killed
//     owner leaves is as good as what was there before.
//
// Closing the segment while holding a mutex of it is the same as dying. Others
// learn of a death within a millisecond, as a rule. A process that is stopped, or
// swapped out, is alive and keeps what it holds.
//
// A repair begins when the whole process that died is gone, system calls
// included, because one may still write to memory that was handed to it. With
// Release nobody waits for that.
//
// Nobody starves: newcomers stand back for who has waited for a millisecond.
//
// # The others
//
// An RWMutex admits many readers or one writer; only the death of a writer
// matters. A Table is many mutexes that are allocated and freed by number. A Cond waits for a condition on what a Mutex protects, an Event for a
// flag, a Barrier for a number of parties. Of those that wait, nobody misses what
// it waits for because another one has died: a wake-up that the dead one had got
// goes to one that lives.
package lock
