/* The condition: internal/condition, one waiting goroutine a process.
 *
 * Waiter    Cond.Wait: enter, lead, leave, resign, ringNext; it takes one item.
 *           Cancelled, it gives up with the mutex, or without it
 * Signaller adds ITEMS items, with a Signal for each, or a Broadcast for all
 * Repairer  Core.Repair in both phases, around that of the mutex; it may die
 *           between its steps
 *
 * The mutex is one that is released (see mutex.pml for how it is waited for):
 * owner, and deaths of owners. waiting and signals are the halves of counts, bell is
 * {version, flag, sticky}. version counts exactly: bit v of fresh says that the bell
 * of v has not changed since v looked.
 *
 * Holds: when nothing moves any more, nobody waits while there is an item; a signal
 * that was given and not used up is not anybody's who is gone.
 * Out of scope: several goroutines of one process, Close, poison.
 *
 * RUN  two waiters, signals     -DPARTIES=3 -DITEMS=2
 * RUN  one of them dies         -DPARTIES=3 -DITEMS=1 -DKILLS=1
 * LONG broadcast, a death       -DPARTIES=3 -DITEMS=2 -DBROADCAST -DKILLS=1 -DREPAIRERS=1
 * LONG two die                  -DPARTIES=3 -DITEMS=1 -DKILLS=2 -DVICTIMS=10
 * LONG cancelled, a death       -DPARTIES=3 -DITEMS=1 -DKILLS=1 -DCANCELS=1
 * LONG broadcast, cancelled     -DPARTIES=3 -DITEMS=2 -DBROADCAST -DKILLS=1 -DCANCELS=1
 * BUG  BUG_COUNTS_LATE          -DPARTIES=3 -DITEMS=1
 * BUG  BUG_LOOKS_ONCE           -DPARTIES=3 -DITEMS=1
 * BUG  BUG_RINGS_FIRST          -DPARTIES=3 -DITEMS=1
 * BUG  BUG_NOT_STICKY           -DPARTIES=3 -DITEMS=1 -DKILLS=1
 * BUG  BUG_NO_NEXT              -DPARTIES=3 -DITEMS=2 -DBROADCAST
 * BUG  BUG_NEXT_FORGETS         -DPARTIES=3 -DITEMS=2 -DBROADCAST
 * BUG  BUG_GIVES_UP_QUIETLY     -DPARTIES=3 -DITEMS=1 -DCANCELS=1
 * BUG  BUG_USES_UP_FIRST        -DPARTIES=3 -DITEMS=1 -DKILLS=1 -DCANCELS=1 -DVICTIMS=2
 * BUG  BUG_REPAIR_DROPS         -DPARTIES=3 -DITEMS=1 -DKILLS=1
 * BUG  BUG_REPAIR_QUIET         -DPARTIES=3 -DITEMS=1 -DKILLS=1
 * BUG  BUG_NO_DEATHS            -DPARTIES=3 -DITEMS=1 -DKILLS=1
 * BUG  BUG_ONE_PHASE            -DPARTIES=3 -DITEMS=1 -DKILLS=1
 */
inline died(v) { skip }
#include "world.h"

#define W 2 /* waiters: 1 and 2; 3 signals */
byte owner, deaths, items;
byte waiting[W + 1], signals[W + 1];
bit flag[W + 1], sticky[W + 1], due[W + 1], ever[W + 1];
byte fresh;

/* RepairEvent and Notify change the bell and then wake who sleeps on it. */
inline ring(v) {
	if
	:: flag[v] ->
#ifdef BUG_RINGS_FIRST
		asleep[v] = 0;
		atomic { flag[v] = 0; fresh = fresh & ~(1 << v) }
#else
		atomic { n = flag[v]; if :: n -> flag[v] = 0; fresh = fresh & ~(1 << v) :: else fi };
		if :: n -> asleep[v] = 0 :: else fi
#endif
	:: else
	fi;
	n = 0
}
/* signal(but) gives a signal to one that waits, but not of that slot. */
inline signal(but) {
	c = 0;
	if
	:: but != 1 -> atomic { if :: waiting[1] -> waiting[1]--; signals[1]++; c = 1 :: else fi }
	:: true
	fi;
	if
	:: !c && but != 2 -> atomic { if :: waiting[2] -> waiting[2]--; signals[2]++; c = 2 :: else fi }
	:: else
	fi;
	if	/* the cursor may stand between the two */
	:: !c && but != 1 -> atomic { if :: waiting[1] -> waiting[1]--; signals[1]++; c = 1 :: else fi }
	:: else
	fi;
	if :: c -> ring(c) :: else fi
}
#define NEXT(v) \
	atomic { n = due[v]; due[v] = 0 }; \
	if \
	:: n && signals[v] -> n = 0; ring(v); goto left \
	:: else -> n = 0 \
	fi

#define CLEAR c = 0; n = 0; td = 0; gone = 0; fresh = fresh & ~(1 << me)

proctype Waiter(byte me) {
	byte c, n, td;
	bit gone;
	{
	atomic { owner == 0 -> owner = me };
look:
	if
	:: atomic { items > 0 -> items-- }; owner = 0; goto out
	:: else
	fi;
	td = deaths;
#ifndef BUG_COUNTS_LATE
	ever[me] = 1;
	waiting[me]++;
#endif
	owner = 0;
#ifdef BUG_COUNTS_LATE
	ever[me] = 1;
	waiting[me]++;
#endif
lead:
	atomic {
		flag[me] = 1; fresh = fresh | (1 << me);	/* register */
#ifndef BUG_NOT_STICKY
		sticky[me] = 1
#endif
	};
#ifndef BUG_LOOKS_ONCE
	if :: signals[me] -> goto heard :: else fi;
#ifndef BUG_NO_DEATHS
	if :: deaths != td -> goto heard :: else fi;
#endif
#endif
	atomic { if :: flag[me] && (fresh & (1 << me)) -> asleep[me] = 1 :: else fi; fresh = fresh & ~(1 << me) };
end:	if
	:: !asleep[me] ->
#ifdef BUG_LOOKS_ONCE
		goto heard
#else
		goto lead
#endif
	:: atomic { cancels > 0 -> cancels--; asleep[me] = 0; gone = 1 }
	fi;
heard:
	fresh = fresh & ~(1 << me);
	if
	:: atomic { owner == 0 -> owner = me }
	:: atomic { gone && owner != 0 -> gone = 0; goto giveup }
	fi;
	atomic {
		if
		:: signals[me] -> signals[me]--; gone = 0 /* it is not cancelled */
		:: else -> waiting[me]--
		fi
	};
#ifndef BUG_NO_NEXT
	NEXT(1);
	NEXT(2);
#endif
left:
	if
	:: gone -> owner = 0; goto out
	:: else -> n = 0; td = 0; goto look
	fi;
giveup:
	/* lock failed: the caller does not hold the mutex. */
	if
#ifdef BUG_GIVES_UP_QUIETLY
	:: signals[me] -> signals[me]--
#elif defined(BUG_USES_UP_FIRST)
	:: signals[me] -> signals[me]--; signal(0)
#else
	:: signals[me] -> signal(0); signals[me]--
#endif
	:: atomic { !signals[me] -> waiting[me]-- }
	fi;
	atomic { n = due[1]; due[1] = 0 };
	if :: n && signals[1] -> ring(1); goto out :: else fi;
	atomic { n = due[2]; due[2] = 0 };
	if :: n && signals[2] -> ring(2) :: else fi;
out:
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

#undef CLEAR
#define CLEAR c = 0; n = 0; k = 0; first = 0
proctype Signaller(byte me) {
	byte c, n, k, first;
	{
	atomic { owner == 0 -> owner = me };
	k = ITEMS;
#ifdef BROADCAST
	items = ITEMS;
	if
	:: ever[1] -> atomic { n = waiting[1]; signals[1] = signals[1] + n; waiting[1] = 0 }; if :: n -> first = 1 :: else fi
	:: else
	fi;
	n = 0;
	if
	:: ever[2] -> atomic { n = waiting[2]; signals[2] = signals[2] + n; waiting[2] = 0 };
		if
		:: n && !first -> first = 2
		:: n && first ->
#ifndef BUG_NEXT_FORGETS
			due[2] = 1
#else
			skip
#endif
		:: else
		fi
	:: else
	fi;
	n = 0;
	if :: first -> ring(first) :: else fi;
#else
	do
	:: k > 0 -> k--; items++; signal(0)
	:: else -> break
	od;
#endif
	owner = 0;
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

#ifdef BUG_REPAIR_QUIET
#define RINGALL skip
#else
#define RING(v) if :: ever[v] && sticky[v] -> fresh = fresh & ~(1 << v); MAYDIE; asleep[v] = 0; MAYDIE :: else fi
#define RINGALL RING(1); RING(2)
#endif
#define FORGET \
	if \
	:: d > W \
	:: d <= W -> \
		waiting[d] = 0; \
		MAYDIE; \
		if :: signals[d] -> GIVEAWAY :: else fi; \
		atomic { waiting[d] = 0; signals[d] = 0 }; \
		MAYDIE; \
		ever[d] = 0; \
		MAYDIE; \
		due[d] = 0 \
	fi
#ifdef BUG_REPAIR_DROPS
#define GIVEAWAY skip
#else
#define GIVEAWAY signal(d); MAYDIE
#endif

proctype Repairer() {
	byte d, c, n;
again:
	atomic { d = 0; c = 0; n = 0 };
end:	do
	:: atomic { ANY(TODO) -> pick() };
		FORGET;
		RINGALL;
		if
		:: owner == d -> deaths++; MAYDIE; owner = 0
		:: else
		fi;
		MAYDIE;
#ifndef BUG_ONE_PHASE
		FORGET;
		RINGALL;
#endif
		atomic { mended[d] = 1; d = 0; c = 0; n = 0 }
	od
}

#define STUCK(v) (!ENDED(v) && items > 0)
#define LEFT(v) (dead[v] && (signals[v] || waiting[v]))

init {
	atomic {
		run Waiter(1); run Waiter(2); run Signaller(3);
		run Repairer(); run Killer()
	}
	timeout -> assert(!STUCK(1) && !STUCK(2) && !ANY(TODO) && !LEFT(1) && !LEFT(2) && owner == 0)
}
