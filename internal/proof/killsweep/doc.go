// Package killsweep kills real processes at every step of every operation, and
// looks at what they leave. It has tests only, which need the build tag shmcheck.
//
// A step is a call of the hook of package satomic: before and after each
// operation on a shared word, and around copies into shared memory. A child runs
// the operation and kills itself at its step n, for n = 1, 2, … until it comes to
// its end. After each death Segment.Check has to pass, the books have to balance,
// the survivor has to get through all that it may want to do, nobody may hold
// anything, and no dead process may still be listed.
//
// Four tests use one table:
//
//   - TestProofKillSweep kills at the steps of every operation; for some of them
//     another process waits meanwhile for what the victim was about to do;
//   - TestProofKillSweepDuos: another process stands in the middle of its own
//     operation when the victim dies, and goes on afterwards;
//   - TestProofKillSweepRepairers also kills the process that repairs what the
//     victim left;
//   - TestProofKillSweepTrios does so while a third process is stopped in the
//     middle of its own operation.
//
// With SHOAL_PROOF=full the first tries every step of every operation, but some
// only of those whose machinery another row sweeps, or that only look; else a few
// of each.
//
// # The books
//
// What is right is computed, not written down case by case: an operation's entry
// says what it does to a state, as a list of moves that each happen at one
// instant, and what the death of the process gives back. The machine follows the
// moves of all who take part in every order, with the victim ending after any
// number of its own, and so gets all states and answers that there can be. What
// is found must be one of them. So an operation that is to be all or nothing has
// one move, one that may be seen half done has several.
//
// # How to add an operation
//
// Each kind of object has a file, such as mutex_shmcheck_test.go, with
//
//   - a world: the object as one process sees it. Its begin brings the object
//     into a state, which is a text; its state takes the state down; its work
//     does what a survivor may want to do;
//   - a stage, in the list of stages: how the object is made and opened, its
//     operations, and as peers those that others may be in the middle of. A peer
//     holds nothing at its end;
//   - an operation for each method: covers has the method's name as
//     "lock.Mutex.Lock"; begin the state before; do what the victim runs; moves
//     and dies what that means. What the victim needs first (to hold what it is to
//     release) is before, and from the state that this leaves. If the victim has
//     to wait, or beside names an operation in which another one waits for the
//     victim (or two others), relief is what ends the waiting for whoever is left.
//     It is not given where the books say that the victim's coming to its end is
//     enough: then the others must get on while the victim still lives, since
//     its death would wake them.
//
// No sleep ends by itself, in any process: a wake-up that is lost is a hang.
//
// The functions that create and open objects are swept by a kind in
// directory_shmcheck_test.go.
//
// TestEveryOperationIsSwept fails for exported operations that the table does not
// cover. Those that touch no shared word are in the list untouched, with the
// reason.
package killsweep
