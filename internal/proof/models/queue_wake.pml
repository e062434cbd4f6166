/* The wake-ups of a queue: internal/ring/event.go, and who calls it.
 *
 * Head      a producer that has claimed the first place and is slow to publish
 * Producer  one that publishes behind it: publish, signal
 * Consumer  Port.takeWait: queueUp, announce, Point.Sleep; taken and passOn;
 *           Finish and released; leaving because its context is done
 * Closer    Port.Shutdown, once all messages are consumed; with EARLY before that
 * Repairer  Ring.Repair: slots first, then wakeAll; it may die between its steps
 *
 * ready counts the messages that may be taken, behind those that were published
 * behind a place that is still being written (writing). flag is 0 nobody sleeps,
 * 1 announced, 2 probed by a waker. The sequence beside it is exact: bit v of
 * fresh says that it has not changed since v looked. The producers' word notFull
 * is the same code on the other side of the ring.
 *
 * Holds: while the flag is 0 nobody sleeps (asserted where it is cleared); when
 * nothing moves any more, every consumer has been told that this is the end or has
 * left, and no message remains. With ONCE a consumer is busy for ever with the
 * first message that it gets. With NP: nobody runs in circles, so that every run
 * ends without any fairness.
 * Out of scope: a sequence that wraps between two steps of one participant.
 *
 * RUN  one message each          -DCONSUMERS=2 -DONCE
 * FULL two consumers             -DCONSUMERS=2
 * FULL shut down early           -DCONSUMERS=2 -DEARLY
 * FULL producer dies, repairer   -DCONSUMERS=2 -DNOHEAD -DKILLS=1 -DVICTIMS=4 -DREPAIRERS=1
 * FULL consumer dies, repairer   -DCONSUMERS=2 -DNOHEAD -DKILLS=1 -DVICTIMS=8 -DREPAIRERS=1
 * FULL producer and consumer     -DCONSUMERS=2 -DNOHEAD -DKILLS=2 -DVICTIMS=12
 * FULL circles                   -DCONSUMERS=2 -DNOHEAD NP
 * BUG  BUG_LOOKS_ONCE            -DCONSUMERS=2
 * BUG  BUG_WAKES_FIRST           -DCONSUMERS=2
 * BUG  BUG_CLEARS_BLINDLY        -DCONSUMERS=2
 * BUG  BUG_NO_BATON              -DCONSUMERS=2 -DONCE
 * BUG  BUG_REPAIR_QUIET          -DCONSUMERS=2 -DNOHEAD -DKILLS=1 -DVICTIMS=4
 * BUG  BUG_REPAIR_SAME           -DCONSUMERS=2 -DNOHEAD -DKILLS=1 -DVICTIMS=4
 * BUG  BUG_REPAIR_WAKES_FIRST    -DCONSUMERS=2 -DONCE -DKILLS=1 -DVICTIMS=2
 * BUG  BUG_KEEPS_WAKE            -DCONSUMERS=2 -DCANCELS=1
 * BUG  BUG_SLEEPS_ON_PROBED      -DCONSUMERS=2
 * BUG  BUG_SIGNALS_FIRST         -DCONSUMERS=2
 * BUG  BUG_SAME_SEQUENCE         -DCONSUMERS=2
 * BUG  BUG_CLEARS_ALWAYS         -DCONSUMERS=2
 * BUG  BUG_END_UNSAID            -DCONSUMERS=2 -DEARLY
 * BUG  BUG_CLOSES_QUIETLY        -DCONSUMERS=2
 * BUG  BUG_ANNOUNCES_ANEW        -DCONSUMERS=2 -DNOHEAD NP
 */
#define PARTIES (2 + CONSUMERS)
bit hold[PARTIES + 1];
inline died(v) { skip }
#include "world.h"

byte ready, behind, flag, fresh;
bit writing, closing;
#define ME (1 << me)
#define HOLDS(v) hold[v]
#define OVER (closing && !ready && !behind && !writing && !ANY(HOLDS))
#define CLEAR woken = 0; x = 0; probed = 0; fresh = fresh & ~ME

inline signal(k) {
#ifdef BUG_WAKES_FIRST
	if :: flag -> wake(k) :: else fi;
	atomic { x = (flag != 0); if :: flag -> fresh = ME; flag = 2 :: else fi };
#else
	atomic {
		x = (flag != 0);
		if
#ifdef BUG_SAME_SEQUENCE
		:: flag -> fresh = fresh | ME; flag = 2
#else
		:: flag -> fresh = ME; flag = 2
#endif
		:: else
		fi
	};
	if :: x -> wake(k) :: else fi;
#endif
#ifdef BUG_CLEARS_ALWAYS
	if
	:: x ->
#else
	if
	:: x && woken < k ->
#endif
		atomic {
			if
#ifdef BUG_CLEARS_BLINDLY
			:: true -> flag = 0; assert(!ANYBODY)
#else
			:: flag == 2 && (fresh & ME) -> flag = 0; assert(!ANYBODY)
#endif
			:: else
			fi;
			x = 0; woken = 0; fresh = fresh & ~ME
		}
	:: else -> atomic { x = 0; woken = 0; fresh = fresh & ~ME }
	fi
}

proctype Head(byte me) {
	byte woken;
	bit x, probed;
	{
	writing = 1;
#ifdef BUG_SIGNALS_FIRST
	signal(1);
	atomic { ready = ready + 1 + behind; behind = 0; writing = 0 };
#else
	atomic { ready = ready + 1 + behind; behind = 0; writing = 0 };
	signal(1);
#endif
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

proctype Producer(byte me) {
	byte woken;
	bit x, probed;
	{
#ifdef BUG_SIGNALS_FIRST
	signal(1);
	atomic { if :: writing -> behind++ :: else -> ready++ fi };
#else
	atomic { if :: writing -> behind++ :: else -> ready++ fi };
	signal(1);
#endif
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

#define TRY if :: ready > 0 -> ready--; hold[me] = 1; fresh = fresh & ~ME; goto have :: OVER -> goto out :: else fi
proctype Consumer(byte me) {
	byte woken;
	bit x, probed;
	{
	skip;
again:
	atomic { TRY };
	atomic {
#ifdef BUG_ANNOUNCES_ANEW
		fresh = ME; flag = 1
#elif defined(BUG_SLEEPS_ON_PROBED)
		if :: flag == 0 -> flag = 1 :: else fi; fresh = fresh | ME; probed = (flag == 2)
#else
		flag = 1; fresh = fresh | ME
#endif
	};
#ifndef BUG_LOOKS_ONCE
	atomic { TRY };
#endif
	atomic { if :: (fresh & ME) && (flag == 1 || (probed && flag == 2)) -> asleep[me] = 1 :: else fi; fresh = fresh & ~ME; probed = 0 };
	if
	:: !asleep[me]
	:: atomic { cancels > 0 -> cancels--; asleep[me] = 0; goto leave }
	fi;
	goto again;
leave:
#ifndef BUG_KEEPS_WAKE
	signal(1);
#endif
	goto out;
have:
#ifndef BUG_NO_BATON
	if :: flag && ready > 0 -> signal(1) :: else fi;
#endif
	hold[me] = 0;
#ifndef BUG_END_UNSAID
	if :: closing -> signal(EVERYBODY) :: else fi;
#endif
#ifndef ONCE
	goto again;
#endif
out:
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

proctype Closer() {
	byte me, woken;
	bit x;
#ifdef EARLY
	atomic { ENDED(1) && ENDED(2) -> closing = 1 };
#else
	atomic { ENDED(1) && ENDED(2) && ((ready == 0 && !ANY(HOLDS)) || ALL(ENDED)) -> closing = 1 };
#endif
#ifndef BUG_CLOSES_QUIETLY
	signal(EVERYBODY)
#endif
}

#ifdef ONCE
#define LEFTNONE assert(behind == 0)
#else
#define LEFTNONE assert(behind == 0 && (cancels < CANCELS || ready == 0))
#endif
proctype Repairer() {
	byte d, woken;
again:
	atomic { d = 0; woken = 0 };
	do
	:: atomic { ANY(TODO) -> pick() };
#ifdef BUG_REPAIR_WAKES_FIRST
		fresh = 0;
		wake(EVERYBODY);
#endif
		atomic { if :: d == 1 && writing -> writing = 0; ready = ready + behind; behind = 0 :: else fi };
		MAYDIE;
		atomic { if :: hold[d] -> hold[d] = 0; ready++ :: else fi };
		MAYDIE;
#ifndef BUG_REPAIR_WAKES_FIRST
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
	:: atomic { ALL(ENDED) -> LEFTNONE; break }
	od
}

init {
	atomic {
#ifdef NOHEAD
		fin[1] = 1;
#else
		run Head(1);
#endif
		run Producer(2); run Consumer(3); run Consumer(4);
#if CONSUMERS > 2
		run Consumer(5);
#endif
		run Closer(); run Repairer(); run Killer()
	}
}
