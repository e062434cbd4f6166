/* The mutex: internal/robust.
 *
 * Lock      Mutex.Lock, queue, taken, withdraw, Unlock, unlockSlow; after poison
 *           Mutex.Recover, takePoisoned, awaitRepair, repair, endRepair
 * Repairer  Repair, in both phases; it may die between its steps
 * Kernel    the end of the last system call of a dead participant
 *
 * w is the word: bits OWNER, P poisoned, S starving, W sleepers. slept and
 * culprit are the fields of their name. loose[v]: a system call of the dead v may
 * still write to what the mutex protects. broken: an owner died inside, and no
 * repair by the user has succeeded since.
 *
 * Holds: one owner at a time; with Poison nobody gets the mutex while it is
 * broken or something is loose, and it ends poisoned if and only if it is broken;
 * every waiter gets it, is refused or gives up; it ends without an owner.
 * Out of scope: how long anybody waits; the goroutines of one process, of which
 * only one at a time comes to the word; Close (Leave).
 *
 * RUN  two, poison          -DPARTIES=2 -DKILLS=1 -DREPAIRERS=1 -DCANCELS=1
 * RUN  two, release         -DPARTIES=2 -DKILLS=1 -DREPAIRERS=1 -DCANCELS=1 -DRELEASE
 * RUN  two, both die        -DPARTIES=2 -DKILLS=2 -DREPAIRERS=1
 * FULL two, twice           -DPARTIES=2 -DKILLS=1 -DREPAIRERS=1 -DCANCELS=1 -DROUNDS=2
 * LONG three, poison        -DPARTIES=3 -DKILLS=1
 * LONG three, release       -DPARTIES=3 -DKILLS=1 -DRELEASE
 * BUG  BUG_FORGETS_SLEEPERS -DPARTIES=3 -DRELEASE
 * BUG  BUG_NOT_STICKY       -DPARTIES=2 -DKILLS=1 -DRELEASE
 * BUG  BUG_REPAIR_TRUSTS_W  -DPARTIES=2 -DKILLS=1 -DRELEASE
 * BUG  BUG_KEEPS_WAKE       -DPARTIES=3 -DCANCELS=1 -DRELEASE
 * BUG  BUG_REPAIR_NO_WAKE   -DPARTIES=2 -DKILLS=1 -DRELEASE
 * BUG  BUG_WAKES_FIRST      -DPARTIES=2 -DRELEASE
 * BUG  BUG_NO_EXIT          -DPARTIES=2 -DKILLS=1
 * BUG  BUG_CULPRIT_LATE     -DPARTIES=2 -DKILLS=1
 * BUG  BUG_CULPRIT_SOON     -DPARTIES=3 -DKILLS=2
 * BUG  BUG_UNPOISONED       -DPARTIES=2 -DKILLS=1
 * BUG  BUG_RECOVER_NO_WAKE  -DPARTIES=3 -DKILLS=1
 */
bit loose[PARTIES + 1], inside[PARTIES + 1], broken;
inline died(v) {
	if
	:: inside[v] -> inside[v] = 0; loose[v] = 1; broken = 1
	:: else
	fi
}
#include "world.h"
#ifndef ROUNDS
#define ROUNDS 1
#endif

#define OWNER 7
#define P 16
#define S 32
#define W 64
byte w, culprit;
bit slept;

#define INSIDE(v) inside[v]
#define LOOSE(v) loose[v]
#ifdef RELEASE
#define SOUND true
#else
#define SOUND (!broken && !ANY(LOOSE))
#endif
#define ENTER assert(!ANY(INSIDE)); inside[me] = 1
#define TAKEABLE (!(w & P) && !(w & OWNER) && (!(w & S) || waited || starves))
#define CLEAR want = 0; woken = 0; c = 0; waited = 0; starves = 0; round = 0

proctype Lock(byte me) {
	byte want, woken, c, round;
	bit waited, starves;
	{
	skip;
lock:
	atomic {
		waited = 0; starves = 0;
		if
		:: w == 0 -> w = me; ENTER; assert(SOUND); goto critical
		:: else
		fi
	}
look:
	atomic {
		if :: starves = 1 :: skip fi;	/* it may have waited for a patience by now */
		if
		:: w & P -> goto refused
		:: TAKEABLE ->
#ifdef BUG_FORGETS_SLEEPERS
			w = me | (w & W) | (starves -> 0 : w & S);
#else
			w = me | (w & W) | (waited -> W : 0) | (starves -> 0 : w & S);
#endif
			ENTER; assert(SOUND); goto critical
		:: else
		fi
	}
#ifndef BUG_NOT_STICKY
	slept = 1;
#endif
	atomic {
		if
		:: (w & P) || TAKEABLE -> goto look
		:: else -> w = w | W | (starves -> S : 0); want = w
		fi
	}
	atomic { if :: w == want -> asleep[me] = 1 :: else fi; waited = 1 }
	if
	:: atomic { !asleep[me] -> want = 0 }
	:: atomic { asleep[me] && !(want & OWNER) -> asleep[me] = 0; want = 0 }	/* it only stood back for who starves */
	:: atomic { cancels > 0 -> cancels--; asleep[me] = 0; want = 0; goto withdraw }
	fi;
	goto look;
withdraw:
	w = w & ~S;
#ifndef BUG_KEEPS_WAKE
	wake(1);
#endif
	goto out;
critical:
	skip;
#ifdef BUG_WAKES_FIRST
	if :: w & W -> c = 1 :: else fi;
	if :: c -> wake(1) :: else fi;
	atomic { assert((w & OWNER) == me); w = w & S; inside[me] = 0; c = 0 };
#else
	atomic { assert((w & OWNER) == me); c = (w & W) / W; w = w & S; inside[me] = 0 };
	if :: c -> wake(1) :: else fi;
#endif
	goto out;
refused:
	if :: skip :: goto out fi;	/* the user may call Recover */
recover:
	atomic {
		waited = 0;
		if
		:: !(w & P) -> goto out
		:: (w & P) && !(w & OWNER) -> w = w | me; ENTER; goto repair
		:: else
		fi
	}
await:
	slept = 1;
	atomic {
		if
		:: !(w & P) || !(w & OWNER) -> goto pass
		:: else -> w = w | W; want = w
		fi
	}
	atomic { if :: w == want -> asleep[me] = 1 :: else fi; waited = 1 }
	if
	:: atomic { !asleep[me] -> want = 0 }
	:: atomic { cancels > 0 -> cancels--; asleep[me] = 0; want = 0; goto giveup }
	fi;
	if :: (w & P) && (w & OWNER) -> goto await :: else fi;
pass:
	if :: waited -> wake(1) :: else fi;
	goto recover;
giveup:
	wake(1);
	goto out;
repair:
	c = culprit;
#ifdef BUG_CULPRIT_SOON
	atomic { if :: culprit == c -> culprit = me :: else fi };
#endif
#ifndef BUG_NO_EXIT
	if
	:: !loose[c]	/* Peers.WaitExited; 0 is nobody */
	:: atomic { cancels > 0 -> cancels--; goto failed }
	fi;
#endif
	atomic { if :: culprit == c -> culprit = me :: else fi };
	assert(!ANY(LOOSE));	/* the user's function begins */
	if
	:: broken = 0
	:: goto failed
	fi;
	atomic { if :: culprit == me -> culprit = 0 :: else fi };
	atomic { c = (w & W) / W; assert((w & OWNER) == me); w = 0; inside[me] = 0 };
	goto repaired;
failed:
	atomic { if :: culprit == me -> culprit = c :: else fi };
	atomic { c = (w & W) / W; assert((w & OWNER) == me); w = P; inside[me] = 0 };
repaired:
#ifndef BUG_RECOVER_NO_WAKE
	if :: c -> wake(EVERYBODY) :: else fi;
#endif
out:
	atomic { round++; if :: round < ROUNDS -> c = 0; woken = 0; goto lock :: else fi };
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

proctype Repairer() {
	byte d, woken;
	bit phase;
again:
	atomic { d = 0; woken = 0; phase = 0 };
	do
	:: atomic { ANY(TODO) -> pick() };
second:
		if
		:: (w & OWNER) == d ->
#ifdef RELEASE
			w = 0
#else
#ifndef BUG_CULPRIT_LATE
			atomic {
				if
				:: !(w & P) || culprit == 0 -> culprit = d
				:: else
				fi
			}
#endif
			MAYDIE;
#ifdef BUG_UNPOISONED
			w = w & P;
#else
			w = P;
#endif
#ifdef BUG_CULPRIT_LATE
			culprit = d
#endif
#endif
		:: atomic { (w & OWNER) != d -> w = w & ~S }
		fi;
		MAYDIE;
#ifdef BUG_REPAIR_NO_WAKE
		skip;
#elif defined(BUG_REPAIR_TRUSTS_W)
		if :: w & W -> wake(EVERYBODY) :: else fi;
#else
		if :: slept -> wake(EVERYBODY) :: else fi;
#endif
		MAYDIE;
		if
		:: !phase -> atomic { !loose[d] -> phase = 1; woken = 0 }; goto second
		:: else -> atomic { mended[d] = 1; d = 0; phase = 0; woken = 0 }
		fi
	:: atomic { ALL(ENDED) ->
		assert(!(w & OWNER));
#ifndef RELEASE
		assert(((w & P) != 0) == broken);
#endif
		break }
	od
}

#define EXIT(v) :: atomic { loose[v] -> loose[v] = 0 }
proctype Kernel() {
end:	do
	EXIT(1)
	EXIT(2)
#if PARTIES > 2
	EXIT(3)
#endif
	:: false
	od
}

init {
	atomic {
		run Lock(1); run Lock(2);
#if PARTIES > 2
		run Lock(3);
#endif
		run Repairer(); run Kernel(); run Killer()
	}
}
