/* The barrier: internal/barrier, on the event of internal/cell (event.pml).
 *
 * Waiter    Barrier.Wait, WAITS times: arrive, announce, await, outcome; cancelled, it
 *           gives up by shatter, or breaks the barrier before it came
 * Changer   with CHANGES: Reset (reset, record) or Abort, that many times
 * Repairer  Core.Repair: breakJoined, RepairEvent; it may die between its steps
 *
 * NEED have to come. phase is {round, era, broken, arrived}, of which round and era are
 * the generation; joined[s] is the generation that slot s came to, plus 1; ended has
 * room for two eras. bell is {flag, sticky, version}; version counts exactly: bit v
 * of fresh says that the bell has not changed since v looked.
 *
 * Holds: a generation is passed when all have come and none has left; Wait says that it
 * was if and only if it was; a death
 * breaks no generation but the one that the dead one was about to come to, or had
 * come to and did not see the end of, and only if somebody waits in it; when nothing
 * moves any more, nobody waits in a generation that is over, or to which somebody
 * had come who is dead.
 * Out of scope: more eras than ended remembers, Close, several goroutines of one
 * process (event.pml has how they share a bell).
 *
 * RUN  two of two                -DPARTIES=2 -DNEED=2 -DWAITS=2 -DKILLS=1
 * RUN  reset or aborted          -DPARTIES=3 -DNEED=2 -DWAITS=1 -DCHANGES=2
 * LONG cancelled, a death        -DPARTIES=2 -DNEED=2 -DWAITS=2 -DKILLS=1 -DVICTIMS=2 -DCANCELS=1 -DREPAIRERS=1
 * FULL cancelled, and reset      -DPARTIES=3 -DNEED=2 -DWAITS=2 -DCHANGES=1 -DCANCELS=1
 * LONG three, a death            -DPARTIES=3 -DNEED=3 -DWAITS=1 -DKILLS=1 -DVICTIMS=2
 * LONG reset, a death            -DPARTIES=3 -DNEED=2 -DWAITS=1 -DCHANGES=2 -DKILLS=1 -DVICTIMS=2
 * BUG  BUG_LOOKS_ONCE            -DPARTIES=2 -DNEED=2 -DWAITS=1
 * BUG  BUG_TELLS_FIRST           -DPARTIES=2 -DNEED=2 -DWAITS=1
 * BUG  BUG_ARRIVES_FIRST         -DPARTIES=2 -DNEED=3 -DWAITS=1 -DKILLS=1
 * BUG  BUG_CANCEL_QUIET          -DPARTIES=2 -DNEED=2 -DWAITS=1 -DCANCELS=1
 * BUG  BUG_SHATTERS_BLINDLY      -DPARTIES=2 -DNEED=2 -DWAITS=2 -DCANCELS=1
 * BUG  BUG_OUTCOME_LATE          -DPARTIES=2 -DNEED=2 -DWAITS=2 -DCANCELS=1
 * BUG  BUG_RESET_FORGETS         -DPARTIES=3 -DNEED=2 -DWAITS=1 -DCHANGES=2
 * BUG  BUG_RECORDS_FIRST         -DPARTIES=3 -DNEED=2 -DWAITS=1 -DCHANGES=3
 * BUG  BUG_REPAIR_BLINDLY        -DPARTIES=2 -DNEED=2 -DWAITS=2 -DKILLS=1
 * BUG  BUG_REPAIR_ALONE          -DPARTIES=2 -DNEED=2 -DWAITS=1 -DKILLS=1
 * BUG  BUG_REPAIR_QUIET          -DPARTIES=2 -DNEED=2 -DWAITS=1 -DKILLS=1
 * BUG  BUG_REPAIR_FORGETS_FIRST  -DPARTIES=2 -DNEED=3 -DWAITS=1 -DKILLS=1 -DREPAIRERS=1
 */
#ifndef CHANGES
#define CHANGES 0
#endif
/* What nobody sees: the generation that v is about to come to, or has come to, plus
 * 1, until it has seen the end of it; and whether it has come. */
byte to[PARTIES + 1];
bit came[PARTIES + 1];
inline died(v) { skip }
#include "world.h"

#define BROKEN 8
#define ARRIVED(p) ((p) & 7)
#define GENERATION(p) ((p) >> 4)	/* its lowest two bits are the era, the others the round */
#define ERA(g) ((g) & 3)
#define NEXTROUND(p) (((p) & ~15) + 64)
#define NEXTERA(p) (((p) & 192) | ((((p) >> 4) + 1) & 3) << 4)
byte phase, joined[PARTIES + 1], ended[2], fresh;
short passed;	/* bit g: generation g was; nobody sees it */
bit flag, sticky;

inline ring() {
	if
	:: flag -> atomic { c = flag; if :: flag -> flag = 0; fresh = 0 :: else fi }; if :: c -> wake(EVERYBODY) :: else fi
	:: else
	fi;
	atomic { c = 0; woken = 0 }
}

#define GATHERS 0
#define PASSED 1
#define SHATTERED 2
/* outcome sets o, of generation g. */
inline outcome() {
	atomic {
		p = phase;
		if
		:: GENERATION(p) == g && (p & BROKEN) -> o = SHATTERED
		:: GENERATION(p) == g && !(p & BROKEN) -> o = GATHERS
		:: GENERATION(p) != g && ERA(GENERATION(p)) == ERA(g) -> o = PASSED
		:: GENERATION(p) != g && ERA(GENERATION(p)) != ERA(g) -> o = 3
		fi;
		p = 0
	};
	if
	:: o == 3 -> atomic {
		p = ended[g & 1];
		o = SHATTERED;
		if :: p && ERA(p - 1) == ERA(g) && p - 1 != g -> o = PASSED :: else fi;
		p = 0 }
	:: else
	fi
}
#define HAS_COME(v) (came[v] && to[v] == g + 1)
#if PARTIES > 2
#define HAVECOME (HAS_COME(1) + HAS_COME(2) + HAS_COME(3))
#else
#define HAVECOME (HAS_COME(1) + HAS_COME(2))
#endif
#define CLEAR k = 0; p = 0; g = 0; j = 0; o = 0; c = 0; woken = 0; fresh = fresh & ~(1 << me)

proctype Waiter(byte me) {
	byte k, p, g, j, o, c, woken;
	{
	skip;
again:
	if
	:: atomic { cancels > 0 -> cancels-- };	/* the context is done already: abort */
		atomic { if :: !(phase & BROKEN) -> phase = phase | BROKEN :: else fi };
		ring();
		goto next
	:: true
	fi;
arrive:
	atomic { p = phase; if :: p & BROKEN -> goto next :: else fi; assert(ARRIVED(p) < NEED) };
	if
	:: ARRIVED(p) == NEED - 1 ->
		atomic { g = GENERATION(p); to[me] = g + 1 };
#ifdef BUG_TELLS_FIRST
		ring();
#endif
		atomic {
			if
			:: phase == p -> came[me] = 1; assert(HAVECOME == NEED); phase = NEXTROUND(p); passed = passed | (1 << g)
			:: else -> goto arrive
			fi;
			p = 0
		};
#ifndef BUG_TELLS_FIRST
		ring();
#endif
	:: else ->
#ifndef BUG_ARRIVES_FIRST
		j = joined[me];
		if
		:: j == GENERATION(p) + 1
		:: else ->
			if :: GENERATION(phase) == GENERATION(p) :: else -> goto arrive fi;
			atomic { if :: joined[me] == j -> joined[me] = GENERATION(p) + 1; to[me] = GENERATION(p) + 1 :: else -> goto arrive fi }
		fi;
#endif
		atomic {
			if
			:: phase == p -> phase = p + 1; g = GENERATION(p); came[me] = 1; to[me] = g + 1
			:: else -> goto arrive
			fi;
			p = 0; j = 0
		};
#ifdef BUG_ARRIVES_FIRST
		joined[me] = g + 1;
#endif
	fi;
await:
	outcome();
	if :: o != GATHERS -> goto over :: else fi;
	atomic { flag = 1; sticky = 1; fresh = fresh | (1 << me) };	/* Register */
#ifndef BUG_LOOKS_ONCE
	outcome();
	if :: o != GATHERS -> goto over :: else fi;
#endif
	atomic { if :: flag && (fresh & (1 << me)) -> asleep[me] = 1 :: else fi; fresh = fresh & ~(1 << me) };
end:	if
	:: !asleep[me] -> goto await
	:: atomic { cancels > 0 -> cancels--; asleep[me] = 0 }
	fi;
	/* shatter */
#ifdef BUG_CANCEL_QUIET
	goto next;
#endif
	atomic {
		if
#ifdef BUG_SHATTERS_BLINDLY
		:: !(phase & BROKEN) -> phase = phase | BROKEN; o = SHATTERED
#else
		:: GENERATION(phase) == g && !(phase & BROKEN) -> phase = phase | BROKEN; o = SHATTERED
#endif
		:: else -> o = GATHERS
		fi
	};
	if
	:: o == SHATTERED -> ring()
#ifdef BUG_OUTCOME_LATE
	:: else -> o = SHATTERED
#else
	:: else -> outcome()
#endif
	fi;
over:
	assert(o != GATHERS && (o == PASSED) == ((passed >> g) & 1));
next:
	atomic {
		to[me] = 0; came[me] = 0; p = 0; g = 0; j = 0; o = 0; c = 0; woken = 0; fresh = fresh & ~(1 << me);
		k++;
		if :: k < WAITS -> goto again :: else fi
	};
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

#if CHANGES > 0
#undef CLEAR
#define CLEAR k = 0; p = 0; j = 0; e = 0; c = 0; woken = 0
proctype Changer(byte me) {
	byte k, p, j, e, c, woken;
	{
	do
	:: k < CHANGES ->
		k++;
		if
		:: atomic { if :: !(phase & BROKEN) -> phase = phase | BROKEN :: else fi };	/* abort */
			goto told
		:: e = ERA(GENERATION(phase))
		fi;
reset:
		atomic {
			p = phase;
			if
			:: ERA(GENERATION(p)) != e -> goto told
			:: ERA(GENERATION(p)) == e && !(p & BROKEN) && ARRIVED(p) == 0 -> goto told
			:: else
			fi
		};
#ifndef BUG_RECORDS_FIRST
		if
		:: !(p & BROKEN) ->
			atomic { if :: phase == p -> phase = p | BROKEN :: else fi };
			goto reset
		:: else
		fi;
#endif
#ifndef BUG_RESET_FORGETS
		/* record */
		j = ended[e & 1];
		if
		:: !j || ((ERA(GENERATION(p)) - ERA(j - 1)) & 3) == 2 ->
			atomic { if :: ended[e & 1] == j -> ended[e & 1] = GENERATION(p) + 1 :: else fi }
		:: else
		fi;
#endif
		atomic { if :: phase == p -> phase = NEXTERA(p) :: else -> goto reset fi };
told:		ring();
		atomic { p = 0; j = 0; e = 0 }
	:: else -> break
	od;
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}
#endif

/* d was on the way to the generation that gathers, and somebody waits in it. */
#define WAITING(v) (came[v] && MEANT(v))
#define MEANT(v) (to[v] == GENERATION(phase) + 1)
proctype Repairer() {
	byte d, j, woken;
again:
	atomic { d = 0; j = 0; woken = 0 };
end:	do
	:: atomic { ANY(TODO) -> pick() };
		j = joined[d];
#ifdef BUG_REPAIR_FORGETS_FIRST
		joined[d] = 0;
		MAYDIE;
#endif
		atomic {
			if
#ifdef BUG_REPAIR_BLINDLY
			:: j && !(phase & BROKEN) && ARRIVED(phase) ->
#elif defined(BUG_REPAIR_ALONE)
			:: j && GENERATION(phase) + 1 == j && !(phase & BROKEN) ->
#else
			:: j && GENERATION(phase) + 1 == j && !(phase & BROKEN) && ARRIVED(phase) ->
#endif
				assert(MEANT(d) && ANY(WAITING));
				phase = phase | BROKEN
			:: else
			fi
		};
		MAYDIE;
		joined[d] = 0;
		MAYDIE;
#ifndef BUG_REPAIR_QUIET
		if :: sticky -> fresh = 0; MAYDIE; wake(EVERYBODY) :: else fi;
		MAYDIE;
#endif
		atomic { mended[d] = 1; d = 0; j = 0; woken = 0 }
	od
}

/* v waits in vain: its generation is over, or somebody who had come to it is dead. */
#define DIED_IN(u, v) (dead[u] && came[u] && to[u] == to[v])
#define SOMEBODY(v) (DIED_IN(1, v) || DIED_IN(2, v) || DIED_IN(PARTIES, v))
#define STUCK(v) (!ENDED(v) && (!came[v] || GENERATION(phase) + 1 != to[v] || (phase & BROKEN) || SOMEBODY(v)))

init {
	atomic {
		run Waiter(1); run Waiter(2);
#if PARTIES > 2 && CHANGES > 0
		run Changer(3);
#elif PARTIES > 2
		run Waiter(3);
#endif
		run Repairer(); run Killer()
	}
	timeout -> assert(!ANY(STUCK) && !ANY(TODO))
}
