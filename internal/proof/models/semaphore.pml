/* The books of a Bounded semaphore: internal/permit (books.go, fast.go, words.go).
 *
 * Holder    takes a permit and returns it: takeFast, take, settle, begin; giveFast,
 *           give, returnable
 * Repairer  Core.returnAll for a dead participant, in its name: give; it may die
 *           between its steps
 *
 * tally is the word of that name: free permits, and the last participant's change
 * with its number, its slot, and whether it is sealed. account[v] is an entry:
 * permits held and the number of the last change booked.
 *
 * Holds: no more permits are out than there are, a dead holder's among them until
 * repair returns it; whoever holds one can return it; free permits and accounts,
 * less a pending change, are always all permits (asserted at every end); at rest
 * all are free.
 * Out of scope: waiting (semaphore_wake.pml); numbers that wrap; changes of more
 * than one permit, which differ in the amount only; Signal, which is one word.
 *
 * RUN  two, repairer dies        -DPARTIES=2 -DKILLS=1 -DREPAIRERS=1
 * LONG two, both die             -DPARTIES=2 -DKILLS=2 -DREPAIRERS=1 -DROUNDS=2
 * LONG three                     -DPARTIES=3 -DKILLS=1
 * BUG  BUG_NOT_BOOKED            -DPARTIES=2 -DPERMITS=2 -DKILLS=1
 * BUG  BUG_BOOKS_UNSEALED        -DPARTIES=2 -DROUNDS=2 -DKILLS=1
 * BUG  BUG_BOOKS_TWICE           -DPARTIES=3 -DPERMITS=2
 * BUG  BUG_REPAIR_FORGETS        -DPARTIES=2 -DKILLS=1
 * BUG  BUG_REPAIR_STORES         -DPARTIES=2 -DKILLS=1 -DREPAIRERS=1
 * BUG  BUG_TWO_STEPS             -DPARTIES=2 -DKILLS=1
 */
#ifndef PERMITS
#define PERMITS 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
bit out[PARTIES + 1];
inline died(v) { skip }
#include "world.h"

/* A tally is free 16.. | change + 8 11..15 | sealed 10 | slot 7..9 | number 0..6. */
#define TALLY(f, c, s, n) (((f) << 16) | (((c) + 8) << 11) | ((s) << 7) | (n))
#define FREE(t) ((t) >> 16)
#define CHANGE(t) ((((t) >> 11) & 31) - 8)
#define SEALED 1024
#define SLOT(t) (((t) >> 7) & 7)
#define NUMBER(t) ((t) & 127)
#define ADD(t, n) ((t) + (n) * ((1 << 16) + (1 << 11)))
#define MINE(t, v) (SLOT(t) == v && !((t) & SEALED))
/* An entry is held 7.. | number 0..6. */
#define ENTRY(h, n) (((h) << 7) | (n))
#define HELD(e) ((e) >> 7)
#define DUE(e, t) (NUMBER(e) + 1 == NUMBER(t))
#define NET(e, t, v) (HELD(e) - ((SLOT(t) == v && DUE(e, t)) -> CHANGE(t) : 0))

int tally = TALLY(PERMITS, 0, 0, 0);
short account[PARTIES + 1];
#if PARTIES == 2
#define SUM (HELD(account[1]) + HELD(account[2]))
#define OUT (out[1] + out[2])
#else
#define SUM (HELD(account[1]) + HELD(account[2]) + HELD(account[3]))
#define OUT (out[1] + out[2] + out[3])
#endif
#define AWAITED ((SLOT(tally) && DUE(account[SLOT(tally)], tally)) -> CHANGE(tally) : 0)
#define BALANCED (FREE(tally) + SUM - AWAITED == PERMITS)

/* Seals and books the change of t; goes to retry if the tally is not t any more. */
#define SETTLE(retry) \
	SEAL(retry); \
	if \
	:: SLOT(t) -> \
		e = account[SLOT(t)]; \
		if \
		:: DUE(e, t) -> \
			if :: tally != t -> goto retry :: else fi; \
			atomic { BOOK } \
		:: else \
		fi \
	:: else \
	fi
#ifdef BUG_BOOKS_UNSEALED
#define SEAL(retry) skip
#else
#define SEAL(retry) atomic { if :: t & SEALED :: !(t & SEALED) && tally == t -> tally = t | SEALED; t = tally :: else -> goto retry fi }
#endif
#ifdef BUG_BOOKS_TWICE
#define BOOK account[SLOT(t)] = ENTRY(HELD(account[SLOT(t)]) - CHANGE(t), NUMBER(t))
#else
#define BOOK if :: account[SLOT(t)] == e -> account[SLOT(t)] = ENTRY(HELD(e) - CHANGE(t), NUMBER(t)) :: else fi
#endif
#define CLEAR t = 0; e = 0; k = 0

proctype Holder(byte me) {
	int t;
	short e;
	byte k;
	{
	skip;
take:
	atomic { FREE(tally) > 0 -> t = tally };
#ifdef BUG_TWO_STEPS
	atomic { if :: tally == t -> tally = t - (1 << 16); out[me] = 1; assert(OUT <= PERMITS) :: else -> goto take fi };
	account[me] = account[me] + 128;
	goto use;
#endif
	atomic {
		if
		:: MINE(t, me) && tally == t -> tally = ADD(t, -1); out[me] = 1; assert(OUT <= PERMITS); goto use
		:: MINE(t, me) && tally != t -> goto take
		:: else
		fi
	};
#ifndef BUG_NOT_BOOKED
	SETTLE(take);
#endif
	e = account[me];
	atomic {
		if
		:: tally == t -> tally = TALLY(FREE(t) - 1, -1, me, NUMBER(e) + 1); out[me] = 1; assert(OUT <= PERMITS)
		:: else -> goto take
		fi
	};
use:
	atomic { t = 0; e = 0 };
give:
	t = tally;
#ifdef BUG_TWO_STEPS
	account[me] = account[me] - 128;
	atomic { tally = tally + (1 << 16); out[me] = 0 };
	goto next;
#endif
	if
	:: !MINE(t, me) -> SETTLE(give)
	:: else
	fi;
	e = account[me];
	if
	:: NET(e, t, me) < 1 ->	/* ErrNotHeld, if the tally is t still */
		if :: tally != t -> goto give :: else -> assert(false) fi
	:: else
	fi;
	atomic {
		if
		:: tally == t && MINE(t, me) -> tally = ADD(t, 1); out[me] = 0
		:: tally == t && !MINE(t, me) -> tally = TALLY(FREE(t) + 1, 1, me, NUMBER(e) + 1); out[me] = 0
		:: else -> goto give
		fi
	};
next:
	atomic { t = 0; e = 0; k++; if :: k < ROUNDS -> goto take :: else fi };
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

proctype Repairer() {
	int t;
	short e;
	byte d;
again:
	atomic { d = 0; t = 0; e = 0 };
	do
	:: atomic { ANY(TODO) -> pick() };
#ifdef BUG_REPAIR_STORES
		t = HELD(account[d]);
		tally = tally + (t << 16);
		MAYDIE;
		account[d] = NUMBER(account[d]);
		out[d] = 0;
		goto repaired;
#endif
give:
		t = tally;
#ifndef BUG_REPAIR_FORGETS
		if
		:: !MINE(t, d) -> SETTLE(give)
		:: else
		fi;
#endif
		MAYDIE;
		e = account[d];
#ifdef BUG_REPAIR_FORGETS
		if
		:: HELD(e) == 0 -> goto repaired
		:: else
		fi;
#endif
		if
		:: NET(e, t, d) < 1 ->
			if :: tally != t -> goto give :: else -> goto repaired fi
		:: else
		fi;
		atomic {
			if
			:: tally == t && MINE(t, d) -> tally = ADD(t, 1); out[d] = 0
			:: tally == t && !MINE(t, d) -> tally = TALLY(FREE(t) + 1, 1, d, NUMBER(e) + 1); out[d] = 0
			:: else
			fi
		};
		MAYDIE;
		goto give;
repaired:
		atomic { mended[d] = 1; d = 0; t = 0; e = 0; assert(BALANCED) }
	:: atomic { ALL(ENDED) -> assert(BALANCED && FREE(tally) == PERMITS); break }
	od
}

init {
	atomic {
		run Holder(1); run Holder(2);
#if PARTIES > 2
		run Holder(3);
#endif
		run Repairer(); run Killer()
	}
}
