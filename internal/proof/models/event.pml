/* Waiting for a change: internal/cell (event.go, watch.go), as values, atomics
 * and events use it; the change is that of internal/event.
 *
 * Waiter    Event.Wait, Watcher.Await, lead, register, tell: goroutines. With
 *           SIBLINGS 1 and 2 are of one process, of which one leads and sleeps
 *           in the kernel, and the others wait to be told or to lead.
 * Setter    Event.Set, Notify, Event.Clear
 * Repairer  RepairEvent; it may die between its steps
 *
 * state is 2 * rounds + up, bell is {version, flag, sticky}; both count exactly.
 * known and heard are the Watcher's: the bell that everybody was told of, and how
 * often its channel was closed.
 *
 * Holds: when nothing moves any more, nobody waits who may go, which is whoever
 * finds the flag up or another round than that in which he began.
 * Out of scope: two goroutines of one process that set.
 *
 * RUN  one setter            -DPARTIES=3 -DKILLS=1 -DREPAIRERS=1
 * RUN  siblings              -DPARTIES=3 -DSIBLINGS -DKILLS=1
 * LONG two die               -DPARTIES=3 -DKILLS=2
 * FULL two setters           -DPARTIES=4 -DKILLS=1 -DVICTIMS=8
 * FULL siblings, cancelled   -DPARTIES=3 -DSIBLINGS -DKILLS=1 -DREPAIRERS=1 -DCANCELS=1
 * BUG  BUG_LOOKS_ONCE        -DPARTIES=3
 * BUG  BUG_WAKES_FIRST       -DPARTIES=3
 * BUG  BUG_NOT_STICKY        -DPARTIES=3 -DKILLS=1
 * BUG  BUG_REPAIR_SAME       -DPARTIES=3 -DKILLS=1
 * BUG  BUG_REPAIR_QUIET      -DPARTIES=3 -DKILLS=1
 * BUG  BUG_REPAIR_TRUSTS     -DPARTIES=3 -DKILLS=1
 * BUG  BUG_FLAG_ONLY         -DPARTIES=3
 * BUG  BUG_NOT_TOLD          -DPARTIES=3 -DSIBLINGS
 * BUG  BUG_LISTENS_LATE      -DPARTIES=3 -DSIBLINGS
 */
byte state, begin[5];
inline died(v) {
#ifdef SIBLINGS
	if	/* a process dies with all its goroutines */
	:: v == 1 && !fin[2] -> dead[2] = 1; asleep[2] = 0
	:: v == 2 && !fin[1] -> dead[1] = 1; asleep[1] = 0
	:: else
	fi
#else
	skip
#endif
}
#include "world.h"

#define UP (state & 1)
#define ROUND (state / 2)
#define MAYGO(v) (UP || ROUND != begin[v])
#ifdef BUG_FLAG_ONLY
#undef MAYGO
#define MAYGO(v) UP
#endif
byte version, known = 255, heard;
bit flag, sticky, leader;
#ifdef SIBLINGS
#define SAME 1
#else
#define SAME 0
#endif
#define CLEAR x = 0; news = 0; woken = 0

proctype Waiter(byte me) {
	byte x, news, woken;
	{
	begin[me] = ROUND;
	if :: MAYGO(me) -> goto out :: else fi;
listen:
#ifdef BUG_LISTENS_LATE
	if :: MAYGO(me) -> goto out :: else fi;
	news = heard;
#else
	news = heard;
	if :: MAYGO(me) -> goto out :: else fi;
#endif
end1:	if
	:: atomic { SAME && !leader -> leader = 1 }
	:: !SAME
	:: atomic { SAME && heard != news -> goto listen }
	:: atomic { cancels > 0 -> cancels--; goto out }
	fi;
	atomic { flag = 1; x = version;	/* register */
#ifndef BUG_NOT_STICKY
		sticky = 1
#endif
	};
#ifndef BUG_NOT_TOLD
	atomic { if :: SAME && known != x -> known = x; heard++ :: else fi };
#endif
#ifndef BUG_LOOKS_ONCE
	if :: MAYGO(me) -> goto lead :: else fi;
#endif
	atomic { if :: flag && version == x -> asleep[me] = 1 :: else fi };
end:	if
	:: !asleep[me]
	:: atomic { cancels > 0 -> cancels--; asleep[me] = 0; leader = 0; goto out }
	fi;
lead:
	leader = 0;
	goto listen;
out:
	atomic { fin[me] = 1; begin[me] = 0; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

/* Without SAME nobody waits for leader, which is then of no importance. */

proctype Setter(byte me) {
	byte x, news, woken;
	{
	d_step { if :: !UP -> state = state + 3 :: else fi };
	if
	:: flag ->
#ifdef BUG_WAKES_FIRST
		wake(EVERYBODY);
		atomic { if :: flag -> version++; flag = 0 :: else fi }
#else
		atomic { x = flag; if :: flag -> version++; flag = 0 :: else fi };
		if :: x -> wake(EVERYBODY) :: else fi
#endif
	:: else
	fi;
	if
	:: true -> d_step { if :: UP -> state-- :: else fi }
	:: true
	fi;
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

proctype Repairer() {
	byte d, woken;
again:
	atomic { d = 0; woken = 0 };
end:	do
	:: atomic { ANY(TODO) -> pick() };
#ifdef BUG_REPAIR_TRUSTS
		if
		:: flag ->
#else
		if
		:: sticky ->
#endif
#ifndef BUG_REPAIR_SAME
			version++;
#endif
			MAYDIE;
#ifndef BUG_REPAIR_QUIET
			wake(EVERYBODY)
#endif
		:: else
		fi;
		MAYDIE;
		atomic { mended[d] = 1; d = 0; woken = 0 }
	od
}

#define STUCK(v) (!ENDED(v) && (UP || ROUND != begin[v]))

init {
	atomic {
		run Waiter(1); run Waiter(2); run Setter(3);
#if PARTIES > 3
		run Setter(4);
#endif
		run Repairer(); run Killer()
	}
	timeout -> assert(!ANY(STUCK) && !ANY(TODO))
}
