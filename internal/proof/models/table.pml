/* The mutexes of a table: internal/table, and internal/robust/allot.go.
 *
 * Locker    Words.Allotment, Mutex.Of; Lock, queue, take, confirm, undo; Unlock; with
 *           POISON also takePoisoned, takeBlame and endRepair, without their waits
 * Turner    TURNS times Return or Allot of the same number, whichever is its turn
 * Repairer  RepairAllotted; it may die between its steps
 * Seeker    with SEARCH: Table.Alloc and look, over two numbers
 * Shifter   with SEARCH: Free of one number and AllocAt of the other one, in turns
 *
 * w is the word: OWNER, P poisoned, W sleepers, and the turns, of which there are
 * TB + 1 bits in place of fifteen: with TB=1 they come round after two allotments, with
 * TB=2 after four. rounds is the other word. total, which nobody sees, counts all turns:
 * it is what the two words together stand for. a handle is the total that it is of.
 *
 * Holds: nobody is inside of a mutex with the handle of another allotment, and at
 * most one is; nobody has another allotment's mutex even for an instant, but after
 * the turns have come round between two instructions of his; a handle is told that
 * it is gone only if it is; rounds is never behind while the number is taken; who
 * waits gets it or hears that it is gone; Free fails while somebody is inside. With
 * SEARCH: a table that is called full was.
 * Out of scope: starving, the rest of poison (see mutex.pml), Close; a process that
 * stops within Allot while the turns come round.
 *
 * RUN  two lock, one frees       -DPARTIES=3 -DTB=2 -DTURNS=2
 * RUN  turns come round          -DPARTIES=2 -DTB=1 -DTURNS=6 -DLOCKERS=1
 * RUN  a table is full           -DPARTIES=2 -DTB=2 -DSEARCH -DTURNS=4
 * FULL one dies                  -DPARTIES=3 -DTB=2 -DTURNS=2 -DKILLS=1
 * FULL poison                    -DPARTIES=2 -DTB=1 -DTURNS=6 -DLOCKERS=1 -DPOISON -DKILLS=1
 * FULL two free and allot        -DPARTIES=3 -DTB=1 -DTURNS=4 -DLOCKERS=1
 * FULL cancelled, and come round -DPARTIES=3 -DTB=1 -DTURNS=6 -DCANCELS=1
 * LONG two die, repairer         -DPARTIES=3 -DTB=2 -DTURNS=2 -DKILLS=2 -DREPAIRERS=1
 * LONG poison, two lock          -DPARTIES=3 -DTB=1 -DTURNS=4 -DPOISON -DPOISONED -DKILLS=1 -DVICTIMS=4
 * BUG  BUG_LOOKS_BESIDE          -DPARTIES=2 -DTB=2 -DTURNS=2 -DLOCKERS=1
 * BUG  BUG_NO_FIRST_LOOK         -DPARTIES=2 -DTB=1 -DTURNS=6 -DLOCKERS=1
 * BUG  BUG_NO_CONFIRM            -DPARTIES=2 -DTB=1 -DTURNS=6 -DLOCKERS=1
 * BUG  BUG_RECOVERS_GONE         -DPARTIES=3 -DTB=1 -DTURNS=4 -DPOISON -DPOISONED -DKILLS=1 -DVICTIMS=4
 * BUG  BUG_ROUNDS_LATE           -DPARTIES=2 -DTB=1 -DTURNS=6 -DLOCKERS=1
 * BUG  BUG_ROUNDS_BLINDLY        -DPARTIES=3 -DTB=1 -DTURNS=3 -DLOCKERS=1
 * BUG  BUG_ROUNDS_BY_OLD_WORD    -DPARTIES=3 -DTB=1 -DTURNS=4 -DLOCKERS=1
 * BUG  BUG_TRUSTS_ROUNDS         -DPARTIES=2 -DTB=1 -DTURNS=3 -DLOCKERS=1
 * BUG  BUG_FREES_HELD            -DPARTIES=2 -DTB=2 -DTURNS=2 -DLOCKERS=1
 * BUG  BUG_GONE_QUIETLY          -DPARTIES=4 -DTB=2 -DTURNS=1 -DLOCKERS=3
 * BUG  BUG_REPAIR_FORGETS        -DPARTIES=2 -DTB=2 -DTURNS=1 -DLOCKERS=1 -DKILLS=1
 * BUG  BUG_REPAIR_QUIET          -DPARTIES=2 -DTB=2 -DTURNS=0 -DKILLS=1
 * BUG  BUG_LOOKS_ONCE            -DPARTIES=2 -DTB=2 -DSEARCH -DTURNS=4
 */
#ifndef LOCKERS
#define LOCKERS 2
#endif
bit inside[PARTIES + 1];
inline died(v) { inside[v] = 0 }
#include "world.h"

#define OWNER 7
#define P 8
#define W 16
#define STEP 32
#define TOP (STEP << TB)
#define ALL_TURNS ((TOP << 1) - STEP)
#define CYCLE (2 << TB)
#define TOPOF(x) (((x) & TOP) / TOP)
#define REST(h) (((h) * STEP) & ALL_TURNS)
#define ROUNDS(h) ((h) >> TB)
#ifdef POISONED
#define AT_FIRST (STEP | P)
#else
#define AT_FIRST STEP
#endif
byte w = AT_FIRST, rounds, total = 1;
bit slept;

#define INSIDE(v) inside[v]
#define ENTER assert(total == h && !ANY(INSIDE)); inside[me] = 1
#define TAKEN assert(total == h || total - seen >= CYCLE - 1) /* rounds may be one turn late */
#define GONE assert(total > h); goto out
#define OUTLIVED (rounds != ROUNDS(h))
#define CLEAR x = 0; r = 0; h = 0; want = 0; woken = 0; seen = 0; waited = 0

proctype Locker(byte me) {
	byte x, r, h, want, woken, seen;
	bit waited;
	{
	skip;
at:
	atomic { x = w; seen = total };
	atomic {
		r = rounds;
#ifndef BUG_TRUSTS_ROUNDS
		if :: (r & 1) != TOPOF(x) -> r++ :: else fi
#endif
	};
	atomic {
		if :: (w & ALL_TURNS) != (x & ALL_TURNS) -> x = 0; r = 0; goto at :: else fi;
		h = (r << TB) | ((x / STEP) & ((1 << TB) - 1));
		assert(h >= seen && h <= total);
		x = 0; r = 0; seen = 0;
		if :: !(h & 1) -> goto out :: else fi
	};
	/* Lock, after any time */
	atomic {
#ifndef BUG_NO_FIRST_LOOK
		if :: OUTLIVED -> GONE :: else fi;
#endif
		seen = total
	};
#ifdef BUG_LOOKS_BESIDE
	if :: (w & ALL_TURNS) == REST(h) :: else -> GONE fi;
	atomic { if :: !(w & (OWNER | P)) -> w = w | me; TAKEN; goto confirm :: else fi };
#else
	atomic { if :: w == REST(h) -> w = w | me; TAKEN; goto confirm :: else fi };
#endif
look:
	atomic { x = w; if :: (x & ALL_TURNS) != REST(h) -> goto gone :: else fi };
	atomic { if :: OUTLIVED -> goto gone :: else fi; seen = total };
	if
	:: x & P -> goto refused
	:: !(x & P) && !(x & OWNER) ->
		atomic {
			if
			:: w == x -> w = x | me | (waited -> W : 0); x = 0; TAKEN; goto confirm
			:: else -> goto look
			fi
		}
	:: !(x & P) && (x & OWNER)
	fi;
	slept = 1;
	atomic { if :: w == x -> w = x | W; want = w; x = 0 :: else -> goto look fi };
	atomic { if :: w == want -> asleep[me] = 1 :: else fi; waited = 1; want = 0 };
	if
	:: !asleep[me]
	:: atomic { cancels > 0 -> cancels--; asleep[me] = 0 }; wake(1); goto out
	fi;
	goto look;
gone:
	/* who gave it back may be stopped before he wakes all: either alone would do here */
#ifndef BUG_GONE_QUIETLY
	wake(1);
#endif
	GONE;
confirm:
#ifndef BUG_NO_CONFIRM
	if
	:: OUTLIVED ->
		atomic { assert((w & (OWNER | P)) == me); x = w & W; w = w & ALL_TURNS };
		if :: x -> wake(1) :: else fi;
		GONE
	:: else
	fi;
#endif
	atomic { ENTER };
	atomic { assert((w & (OWNER | P)) == me && total == h); inside[me] = 0; x = w & W; w = REST(h) };
	if :: x -> wake(1) :: else fi;
	goto out;
refused:
	if :: skip :: goto out fi;	/* the user may call Recover */
recover:
	atomic { x = w; if :: (x & ALL_TURNS) != REST(h) -> GONE :: else fi };
	atomic { if :: OUTLIVED -> GONE :: else fi; seen = total };
	if :: (x & P) && !(x & OWNER) :: else -> goto out fi;
	atomic { if :: w == x -> w = x | me; x = 0; TAKEN :: else -> goto recover fi };
	if
	:: OUTLIVED ->
#ifndef BUG_RECOVERS_GONE
		atomic { assert((w & OWNER) == me); x = w & W; w = REST(h) | P };
		if :: x -> wake(EVERYBODY) :: else fi;
#endif
		GONE
	:: else
	fi;
	atomic { assert((w & OWNER) == me); ENTER };
	atomic { inside[me] = 0; x = w & W; w = REST(h) };
	if :: x -> wake(EVERYBODY) :: else fi;
out:
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

#undef CLEAR
#define CLEAR x = 0; r = 0; k = 0; woken = 0; seen = 0
proctype Turner(byte me) {
	byte x, r, k, woken, seen;
	{
	do
	:: k < TURNS ->
		k++;
		if :: w & STEP :: else -> goto allot fi;
		atomic {
			if
			:: !(w & STEP) -> goto next
#ifndef BUG_FREES_HELD
			:: (w & STEP) && (w & OWNER) -> goto next
			:: (w & STEP) && !(w & OWNER) ->
#else
			:: w & STEP ->
#endif
				assert(!ANY(INSIDE));
				w = (w + STEP) & ALL_TURNS; total++
			fi
		};
#ifndef BUG_GONE_QUIETLY
		if :: slept -> wake(EVERYBODY) :: else fi;
#endif
		goto next;
allot:
		atomic { x = w; seen = total; if :: x & STEP -> goto next :: else fi; assert((x & ~ALL_TURNS) == 0) };
#ifndef BUG_ROUNDS_LATE
		if
		:: (x & ~TOP) == 0 ->
			r = rounds;
#ifdef BUG_ROUNDS_BY_OLD_WORD
			if
			:: (r & 1) != TOPOF(x) ->
#else
			if
			:: (r & 1) != TOPOF(w) ->
#endif
#ifdef BUG_ROUNDS_BLINDLY
				rounds = rounds + 1;
#else
				atomic { if :: rounds == r -> rounds++ :: else fi };
#endif
				goto allot
			:: else
			fi
		:: else
		fi;
#endif
		atomic {
			if
			:: w == x && total - seen < CYCLE -> w = x + STEP; total++; assert(rounds == ROUNDS(total))
			:: else -> goto allot
			fi
		};
next:		atomic { x = 0; r = 0; seen = 0; woken = 0 }
	:: else -> break
	od;
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

proctype Repairer() {
	byte d, woken;
	bit poison;
again:
	atomic { d = 0; woken = 0; poison = 0 };
	do
	:: atomic { ANY(TODO) -> pick() };
#ifdef POISON
		if :: w & STEP -> poison = 1 :: else fi;
#endif
		atomic {
			if
#ifdef BUG_REPAIR_FORGETS
			:: (w & OWNER) == d -> w = (poison -> P : 0)
#else
			:: (w & OWNER) == d -> w = (w & ALL_TURNS) | (poison -> P : 0)
#endif
			:: else
			fi
		};
		MAYDIE;
#ifndef BUG_REPAIR_QUIET
		if :: slept -> wake(EVERYBODY) :: else fi;
		MAYDIE;
#endif
		atomic { mended[d] = 1; d = 0; woken = 0; poison = 0 }
	:: atomic { ALL(ENDED) -> assert(!(w & OWNER) && (w & ALL_TURNS) == REST(total)); break }
	od
}

#ifdef SEARCH
byte turns[2];
bit filled;	/* it was, since the seeker came */
#define BOTH ((turns[0] & 1) && (turns[1] & 1))
proctype Seeker() {
	byte first, k, sum, before;
	bit looked;
	filled = BOTH;
look:
	atomic { if :: first = 0 :: first = 1 fi; k = 0; sum = 0 };
	do
	:: k < 2 ->
		atomic { if :: !(turns[(first + k) % 2] & 1) -> turns[(first + k) % 2]++; goto got :: else fi };
		atomic { sum = sum + turns[(first + k) % 2]; k++ }
	:: else -> break
	od;
#ifndef BUG_LOOKS_ONCE
	atomic { if :: looked && sum == before :: else -> looked = 1; before = sum; goto look fi };
#endif
	assert(filled);
got:	skip
}

proctype Shifter() {
	byte k; bit i;
	do
	:: k < TURNS ->
		k++;
		if
		:: turns[i]++; atomic { if :: !(turns[1 - i] & 1) -> turns[1 - i]++; i = 1 - i; filled = filled | BOTH :: else -> goto lost fi }
		:: atomic { if :: !(turns[1 - i] & 1) -> turns[1 - i]++; filled = filled | BOTH :: else -> goto lost fi }; turns[i]++; i = 1 - i
		fi
	:: else -> break
	od;
lost:	skip
}
#endif

init {
	atomic {
#ifdef SEARCH
		turns[0] = 1;
		run Seeker(); run Shifter()
#else
		run Locker(1);
#if LOCKERS > 1
		run Locker(2);
#elif PARTIES > 1
		run Turner(2);
#endif
#if LOCKERS > 2
		run Locker(3); run Turner(4);
#elif PARTIES > 2
		run Turner(3);
#endif
		run Repairer(); run Killer()
#endif
	}
}
