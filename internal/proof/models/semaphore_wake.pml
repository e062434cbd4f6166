/* The waiting of a semaphore: internal/permit (bell.go, wait.go, many.go, repair.go).
 *
 * Returner  1: holds all permits and returns them one by one
 * Waiter    2, and 3: wants one permit: await, announce, leave; or gives up
 * Gatherer  last, with GATHER: takes what is free until it has all permits; gives
 *           them back if it gives up
 * Repairer  Core.Repair: returnAll, bulk, ringAll; it may die between its steps
 *
 * The books are one atomic here (semaphore.pml has them). bell is 0 quiet, 1
 * awaited, 2 rung; how often it rang is exact: bit v of fresh says that it has not
 * rung since v looked. Claims are left out: they delay, and end by themselves.
 *
 * Holds: while the bell is quiet nobody sleeps (asserted where it is made so);
 * everybody gets what he waits for or gives up; at rest all permits are free, and
 * nobody has bulk.
 *
 * RUN  two waiters               -DPARTIES=3
 * LONG waiter dies               -DPARTIES=3 -DKILLS=1 -DVICTIMS=4 -DREPAIRERS=1
 * FULL returner dies, cancelled  -DPARTIES=3 -DKILLS=1 -DVICTIMS=2 -DCANCELS=1
 * LONG waiter and gatherer       -DPARTIES=3 -DGATHER -DKILLS=1 -DCANCELS=1
 * BUG  BUG_LOOKS_ONCE            -DPARTIES=3
 * BUG  BUG_RINGS_LATE            -DPARTIES=3
 * BUG  BUG_QUIET_BLINDLY         -DPARTIES=3
 * BUG  BUG_KEEPS_WAKE            -DPARTIES=3 -DPERMITS=1 -DCANCELS=1
 * BUG  BUG_REPAIR_QUIET          -DPARTIES=3 -DKILLS=1 -DVICTIMS=2
 * BUG  BUG_REPAIR_SAME           -DPARTIES=3 -DKILLS=1 -DVICTIMS=2
 * BUG  BUG_RINGS_FIRST           -DPARTIES=3 -DKILLS=1 -DVICTIMS=2 -DREPAIRERS=1
 * BUG  BUG_KEEPS_BULK            -DPARTIES=3 -DGATHER -DKILLS=1 -DVICTIMS=8
 */
#ifndef PERMITS
#define PERMITS 2
#endif
byte free, held[PARTIES + 1], bulk;
inline died(v) { skip }
#include "world.h"

byte bell, fresh;
#define ME (1 << me)
#define CLEAR woken = 0; x = 0; fresh = fresh & ~ME

inline ring(k) {
#ifdef BUG_RINGS_LATE
	if :: bell -> wake(k) :: else fi;
	atomic { x = (bell != 0); if :: bell -> fresh = ME; bell = 2 :: else fi };
#else
	atomic { x = (bell != 0); if :: bell -> fresh = ME; bell = 2 :: else fi };
	if :: x -> wake(k) :: else fi;
#endif
	if
	:: x && woken < k ->
		atomic {
			if
#ifdef BUG_QUIET_BLINDLY
			:: true -> bell = 0; assert(!ANYBODY)
#else
			:: bell == 2 && (fresh & ME) -> bell = 0; assert(!ANYBODY)
#endif
			:: else
			fi;
			x = 0; woken = 0; fresh = fresh & ~ME
		}
	:: else -> atomic { x = 0; woken = 0; fresh = fresh & ~ME }
	fi
}

proctype Returner(byte me) {
	byte woken;
	bit x;
	{
	do
	:: held[me] > 0 -> atomic { held[me]--; free++ }; ring(1)
	:: else -> break
	od;
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

/* Announces that it is about to sleep, looks again, and sleeps. */
#define AWAIT(try, giveup) \
	atomic { bell = 1; fresh = fresh | ME }; \
	LOOK(try); \
	atomic { if :: bell == 1 && (fresh & ME) -> asleep[me] = 1 :: else fi; fresh = fresh & ~ME }; \
	if \
	:: !asleep[me] \
	:: atomic { cancels > 0 -> cancels--; asleep[me] = 0; goto giveup } \
	fi
#ifdef BUG_LOOKS_ONCE
#define LOOK(try) skip
#else
#define LOOK(try) atomic { try }
#endif
#define TAKE if :: free > 0 -> free--; held[me] = 1; fresh = fresh & ~ME; goto have :: else fi
#define GRAB \
	if \
	:: free >= PERMITS - held[me] -> free = free - (PERMITS - held[me]); held[me] = PERMITS; fresh = fresh & ~ME; goto have \
	:: else -> held[me] = held[me] + free; free = 0 \
	fi

proctype Waiter(byte me) {
	byte woken;
	bit x;
	{
	skip;
again:
	atomic { TAKE };
	AWAIT(TAKE, giveup);
	goto again;
have:
	if :: free > 0 -> ring(1) :: else fi;
	atomic { held[me] = 0; free++ };
	ring(1);
	goto out;
giveup:
#ifndef BUG_KEEPS_WAKE
	ring(1);
#endif
out:
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

proctype Gatherer(byte me) {
	byte woken;
	bit x;
	{
	atomic { bulk == 0 -> bulk = me };
again:
	atomic { GRAB };
	AWAIT(GRAB, giveup);
	goto again;
have:
	if :: free > 0 -> ring(1) :: else fi;
	goto back;
giveup:
	ring(1);
back:
	atomic { free = free + held[me]; held[me] = 0 };
	ring(PERMITS);
	bulk = 0;
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

proctype Repairer() {
	byte d, woken;
again:
	atomic { d = 0; woken = 0 };
	do
	:: atomic { ANY(TODO) -> pick() };
#ifdef BUG_RINGS_FIRST
		fresh = 0;
		wake(EVERYBODY);
#endif
		do
		:: atomic { held[d] > 0 -> held[d]--; free++ }; MAYDIE
		:: held[d] == 0 -> break
		od;
#ifndef BUG_KEEPS_BULK
		atomic { if :: bulk == d -> bulk = 0 :: else fi };
		MAYDIE;
#endif
#ifndef BUG_RINGS_FIRST
#ifndef BUG_REPAIR_SAME
		fresh = 0;
		MAYDIE;
#endif
#ifndef BUG_REPAIR_QUIET
		wake(EVERYBODY);
		MAYDIE;
#endif
#endif
		atomic { mended[d] = 1; d = 0; woken = 0 }
	:: atomic { ALL(ENDED) -> assert(free == PERMITS && bulk == 0); break }
	od
}

init {
	atomic {
		held[1] = PERMITS;
		run Returner(1); run Waiter(2);
#ifdef GATHER
		run Gatherer(3);
#else
		run Waiter(3);
#endif
		run Repairer(); run Killer()
	}
}
