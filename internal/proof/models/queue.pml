/* The slots of a queue: internal/ring.
 *
 * Producer  Port.Put: tryClaim, walkClaim, claimable, publish; unclaim when the
 *           queue was shut down meanwhile. LARGE: putBlock, takeCell, queue
 * Consumer  Port.Take and Finish (mode READING), Port.Receive and Ack or Nack
 *           (mode LOANED): walkTake, takeLate, firstLate, finishSlow, nothing, quiet
 * Builder   Port.Reserve, settle, publishLate, vacate: a loan in a slot of its own
 * Closer    Port.Shutdown, at any time with EARLY, else when the producers ended
 * Repairer  Ring.Repair in both phases: repairSlot, unqueue, stillQueued, freeAll;
 *           it may die between its steps and is done again
 * Kernel    the end of the last system call of a dead participant
 *
 * word[i] is a slot's word: lap, tries, state, owner; slots from RING on are those
 * of loans. late is {seq, done}. block[b] is an owner word of the heap. Hints are
 * a walker's own only: each walks from where it was, as if the shared ones lagged
 * for ever. A walker that finds nothing stands still until that changes.
 *
 * Holds: each message that was published is consumed once, and none other, whoever
 * dies; what a dead producer had not published is never seen; who gets a message
 * gets all of it; the first deliveries of one producer are in its order; attempts
 * are counted; no slot is used while a system call of a dead consumer may still
 * read it; after somebody was told that this is the end nothing is published; a
 * FREE slot is never met behind a claimed one (the errors in walkClaim and
 * walkTake); nobody is stuck; at the end all slots and blocks are free.
 * Out of scope: wake-ups (queue_wake.pml), holes, runs of granules, batches, which
 * are these operations one by one, and the queue with one producer and one consumer.
 *
 * RUN  producer, two consumers     -DPRODUCERS=1 -DCONSUMERS=2 -DKILLS=1 -DVICTIMS=4
 * RUN  two messages, lent          -DPRODUCERS=1 -DCONSUMERS=1 -DM=2 -DMODE=LOANED -DKILLS=1 -DVICTIMS=2
 * FULL two kills                 -DPRODUCERS=1 -DCONSUMERS=2 -DKILLS=2 -DVICTIMS=6
 * FULL repairer dies             -DPRODUCERS=1 -DCONSUMERS=2 -DKILLS=1 -DVICTIMS=4 -DREPAIRERS=1
 * LONG both producers die        -DPRODUCERS=2 -DCONSUMERS=1 -DKILLS=2 -DVICTIMS=6
 * LONG large messages              -DPRODUCERS=1 -DCONSUMERS=2 -DM=2 -DLARGE -DKILLS=1 -DVICTIMS=6
 * LONG two producers               -DPRODUCERS=2 -DCONSUMERS=1 -DKILLS=1 -DVICTIMS=6 -DEARLY
 * LONG three consumers             -DPRODUCERS=1 -DCONSUMERS=3 -DKILLS=1 -DVICTIMS=4
 * FULL renewed                     -DPRODUCERS=1 -DCONSUMERS=2 -DM=3 -DMODE=LOANED -DNONACK
 * LONG shut down early             -DPRODUCERS=2 -DCONSUMERS=2 -DEARLY
 * FULL loan, ring full             -DPRODUCERS=1 -DCONSUMERS=1 -DM=3 -DLOANS=1 -DKILLS=1 -DVICTIMS=2
 * BUG  BUG_BACK_TO_FULL            -DPRODUCERS=1 -DCONSUMERS=2 -DM=2 -DKILLS=1 -DVICTIMS=4
 * BUG  BUG_NO_BUMP                 -DPRODUCERS=1 -DCONSUMERS=2 -DKILLS=1 -DVICTIMS=4
 * BUG  BUG_SAME_LAP                -DPRODUCERS=2 -DCONSUMERS=1 -DKILLS=1 -DVICTIMS=2
 * BUG  BUG_FORGETS_LATE            -DPRODUCERS=1 -DCONSUMERS=2 -DKILLS=1 -DVICTIMS=4 -DREPAIRERS=1
 * BUG  BUG_SERVED_BLINDLY          -DPRODUCERS=1 -DCONSUMERS=2 -DM=2 -DMODE=LOANED
 * BUG  BUG_ACK_BLINDLY             -DPRODUCERS=1 -DCONSUMERS=2 -DM=3 -DMODE=LOANED -DNONACK
 * BUG  BUG_TOO_EARLY               -DPRODUCERS=1 -DCONSUMERS=2 -DMODE=LOANED -DKILLS=1 -DVICTIMS=4
 * BUG  BUG_PUBLISH_FIRST           -DPRODUCERS=1 -DCONSUMERS=1
 * BUG  BUG_ANONYMOUS               -DPRODUCERS=1 -DCONSUMERS=1 -DKILLS=1 -DVICTIMS=2
 * BUG  BUG_NO_SECOND_LOOK          -DPRODUCERS=1 -DCONSUMERS=1 -DEARLY
 * BUG  BUG_ENDS_TOO_SOON           -DPRODUCERS=1 -DCONSUMERS=2 -DKILLS=1 -DVICTIMS=4
 * BUG  BUG_SLOT_BEFORE_BLOCK       -DPRODUCERS=1 -DCONSUMERS=2 -DLARGE -DKILLS=1 -DVICTIMS=4
 * BUG  BUG_ALWAYS_LATE             -DPRODUCERS=1 -DCONSUMERS=2 -DLARGE -DKILLS=1 -DVICTIMS=4
 * BUG  BUG_BLOCK_LEFT              -DPRODUCERS=1 -DCONSUMERS=1 -DLARGE -DKILLS=1 -DVICTIMS=2
 * BUG  BUG_LATE_AT_ONCE            -DPRODUCERS=1 -DCONSUMERS=1 -DM=3 -DLOANS=1
 */
#ifndef M
#define M 1
#endif
#ifndef LOANS
#define LOANS 0
#endif
#ifndef MODE
#define MODE READING
#endif
#define RING 2
#define SLOTS (RING + LOANS)
#define PARTIES (PRODUCERS + CONSUMERS)

#define FREE 0
#define WRITING 1
#define FULL 2
#define READING 3
#define LOANED 4
#define LATE 5
#define FILLING 6
#define MAKE(l, t, s, o) (((l) << 8) | ((t) << 6) | ((s) << 3) | (o))
#define LAP(x) ((x) >> 8)
#define TRIES(x) (((x) >> 6) & 3)
#define STATE(x) (((x) >> 3) & 7)
#define OWNER(x) ((x) & 7)
#define NEXTFREE(x) MAKE(LAP(x) + 1, 0, FREE, 0)
#define ONCEMORE(x) (TRIES(x) < 3 -> TRIES(x) + 1 : 3)
#define RENEWABLE(x) (STATE(x) == LOANED || STATE(x) == LATE)
#define PASSED(x) (STATE(x) == READING || RENEWABLE(x))
/* The position after w, when the slot of w has the word x of a later lap. */
#define JUMP(x, w) (LAP(x) - (w) / RING - 1 - (STATE(x) == FREE))
#define SKIP(x, w) ((w) + 1 + (JUMP(x, w) > 0 -> JUMP(x, w) * RING : 0))

short word[SLOTS];
byte pay[SLOTS], after[SLOTS], ticket[SLOTS];
byte seq, done, lent;
bit closing, ended;

/* What nobody sees: messages, and the memory that a dead consumer's system call uses. */
#define MESSAGES (M * PRODUCERS)
bit published[MESSAGES + 1], consumed[MESSAGES + 1];
byte handed[MESSAGES + 1], first[PRODUCERS + 1];
byte loose[SLOTS];

/* Heap: 0 free, 8 + participant owned, 16 + slot queued. */
#define OWNED 8
#define QUEUED 16
#ifdef LARGE
#define BLOCKS 2
byte block[BLOCKS], at[SLOTS], text[BLOCKS];
#endif

inline lose(i_, v) {
	if
	:: STATE(word[i_]) == LOANED && OWNER(word[i_]) == v -> loose[i_] = v
	:: else
	fi
}
inline died(v) {
	lose(0, v);
	lose(1, v);
#if LOANS > 0
	lose(2, v)
#endif
}
#include "world.h"

#define PENDING (seq != done)
#define QUIET0(i, me) (STATE(word[i]) == FREE || ((STATE(word[i]) == READING || STATE(word[i]) == LOANED) && OWNER(word[i]) == me))
#if LOANS > 0
#define QUIETED(me) (QUIET0(0, me) && QUIET0(1, me) && QUIET0(2, me))
#else
#define QUIETED(me) (QUIET0(0, me) && QUIET0(1, me))
#endif

/* Walks from w to a position that it claims, with the word x in slot i. A
 * position is renewed only if there is a free one behind it. */
#define CLAIM(noroom, busy) \
	atomic { \
		x = word[w % RING]; \
		if \
		:: LAP(x) > w / RING -> w = SKIP(x, w); goto busy \
		:: LAP(x) == w / RING && STATE(x) != FREE -> w++; goto busy \
		:: LAP(x) == w / RING && STATE(x) == FREE -> p = 255 \
		:: LAP(x) < w / RING -> \
			assert(STATE(x) != FREE); \
			if :: RENEWABLE(x) -> p = w; left = RING :: else -> goto noroom fi \
		fi \
	}; \
	do \
	:: p == 255 -> break \
	:: p != 255 -> \
		atomic { \
			y = word[p % RING]; \
			if \
			:: LAP(y) > p / RING -> p = SKIP(y, p) \
			:: LAP(y) < p / RING && !RENEWABLE(y) -> goto noroom \
			:: LAP(y) < p / RING && RENEWABLE(y) -> left--; p++; if :: left == 0 -> goto noroom :: else fi \
			:: LAP(y) == p / RING && STATE(y) == FREE -> p = 255 \
			:: LAP(y) == p / RING && STATE(y) != FREE -> p++ \
			fi; \
			y = 0 \
		} \
	od; \
	atomic { \
		p = 0; left = 0; \
		if \
		:: word[w % RING] != x -> goto busy \
		:: word[w % RING] == x && LAP(x) < w / RING -> word[w % RING] = MAKE(w / RING, TRIES(x), STATE(x), OWNER(x)); w++; goto busy \
		:: word[w % RING] == x && LAP(x) == w / RING -> \
			CLAIMED; \
			i = w % RING; w++; x = 0 \
		fi \
	}
#ifdef BUG_ANONYMOUS
#define CLAIMED word[w % RING] = MAKE(w / RING, 0, WRITING, 0)
#else
#define CLAIMED word[w % RING] = MAKE(w / RING, 0, WRITING, me)
#endif
#define ID(me) ((me - 1) * M + k + 1)
#define FILL assert(!loose[i]); pay[i] = ID(me)
#define PUBLISH word[i] = MAKE(LAP(word[i]), 0, FULL, 0); published[ID(me)] = 1; assert(!ended)
#define CLEAR w = 0; i = 0; k = 0; b = 0; x = 0; y = 0; p = 0; left = 0

proctype Producer(byte me) {
	byte w, i, k, b, p, left;
	short x, y;
	{
	skip;
put:	if :: k == M || closing -> goto out :: else fi;
#ifdef LARGE
	if
	:: atomic { block[0] == 0 -> block[0] = OWNED + me; b = 0 }
	:: atomic { block[0] != 0 && block[1] == 0 -> block[1] = OWNED + me; b = 1 }
	:: atomic { block[0] && block[1] && closing -> goto out }
	fi;
	text[b] = ID(me);
#endif
walk:
	CLAIM(noroom, walk);
#ifndef BUG_NO_SECOND_LOOK
	if :: closing -> word[i] = NEXTFREE(word[i]); goto undo :: else fi;
#endif
#ifdef LARGE
	atomic { FILL; at[i] = b };
	block[b] = QUEUED + i;
	atomic { PUBLISH };
#elif defined(BUG_PUBLISH_FIRST)
	atomic { PUBLISH };
	FILL;
#else
	atomic { FILL };
	atomic { PUBLISH };
#endif
	atomic { k++; i = 0; b = 0 };
	goto put;
noroom:
	atomic { p = 0; left = 0; y = 0 };
#ifdef LARGE
	atomic { block[b] = 0; b = 0 };
#endif
	atomic { word[w % RING] != x || closing -> x = 0 };
	goto put;
undo:
#ifdef LARGE
	block[b] = 0;
#endif
out:
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

/* A producer whose messages are built in the slot of a loan, RING. */
proctype Builder(byte me) {
	byte w, i, k, b, p, left;
	short x, y;
	{
	skip;
put:	if :: k == M || closing -> goto out :: else fi;
	atomic {
		if
		:: STATE(word[RING]) == FREE -> word[RING] = MAKE(LAP(word[RING]), 0, FILLING, me)
		:: STATE(word[RING]) != FREE && closing -> goto out
		fi
	};
	lent = 1;
	if :: closing -> goto vacate :: else fi;
walk:
	CLAIM(noroom, walk);
	atomic { FILL };
	atomic { PUBLISH };
	atomic { k++; i = 0 };
vacate:
	lent = 0;
	word[RING] = NEXTFREE(word[RING]);
	goto put;
noroom:	/* others were quicker: the message stays in the slot of the loan */
	atomic { i = RING; p = 0; left = 0; y = 0; x = 0; FILL };
#ifdef BUG_LATE_AT_ONCE
	after[RING] = 0;
#else
	after[RING] = w;
#endif
	ticket[RING] = seq;
	atomic { word[RING] = MAKE(LAP(word[RING]), 0, LATE, 0); published[ID(me)] = 1; assert(!ended) };
	atomic { seq++; k++; i = 0 };
	goto put;
out:
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}
#undef CLEAR
#define CLEAR r = 0; i = 0; q = 0; x = 0; y = 0; sq = 0; dn = 0; early = 0; best = 0; b_ = 0

#define HANDOUT(i, x) \
	assert(!loose[i]); \
	handed[pay[i]]++; \
	assert(published[pay[i]] && !consumed[pay[i]]); \
	assert(TRIES(x) == (handed[pay[i]] < 3 -> handed[pay[i]] : 3)); \
	if \
	:: handed[pay[i]] == 1 -> \
		assert(pay[i] > first[(pay[i] - 1) / M + 1]); \
		first[(pay[i] - 1) / M + 1] = pay[i] \
	:: else \
	fi
#define SETFREE(i, x) assert(LAP(x) >= LAP(word[i])); word[i] = NEXTFREE(x)
#define CONSUME assert(!consumed[pay[i]]); consumed[pay[i]] = 1

proctype Consumer(byte me) {
	byte r, i, q, sq, dn, best, b_;
	short x, y;
	bit early;
	{
	skip;
take:
	x = word[r % RING];
	/* After the slot's word, or order is lost. */
	atomic { sq = seq; dn = done };
	if
	:: sq != dn ->
scan:		atomic { i = 0; q = 255; y = 0; early = 0; best = 255 };
		do
		:: i < SLOTS ->
			atomic {
				if
				:: STATE(word[i]) != LATE
				:: STATE(word[i]) == LATE && TRIES(word[i]) == 0 && after[i] > r -> early = 1
				:: STATE(word[i]) == LATE && TRIES(word[i]) > 0 && (TRIES(y) == 0 || LAP(word[i]) * SLOTS + i < best) ->
					y = word[i]; q = i; best = LAP(y) * SLOTS + i	/* delivered before: first in line */
				:: STATE(word[i]) == LATE && TRIES(word[i]) == 0 && after[i] <= r && q == 255 -> y = word[i]; q = i
				:: else
				fi;
				i++
			}
		:: i == SLOTS -> break
		od;
		/* again, if nothing was found, or what was put aside since the search began */
		atomic { if :: seq != sq && (q == 255 || (q >= RING && TRIES(y) == 0 && ticket[q] > sq)) -> sq = seq; dn = done; goto scan :: else fi };
		if
		:: atomic { q == 255 ->
#ifdef BUG_SERVED_BLINDLY
			done = seq;
#else
			if :: !early && seq == sq && done == dn -> done = sq :: else fi;
#endif
			i = 0 }
		:: atomic { q != 255 ->
			if
			:: word[q] == y ->
				i = q; x = MAKE(LAP(y), ONCEMORE(y), MODE, me); word[i] = x;
				HANDOUT(i, x);
				goto have
			:: else -> goto scan
			fi }
		fi
	:: else
	fi;
	atomic {
		q = 0; y = 0; sq = 0; dn = 0; early = 0; best = 0;
		if
		:: LAP(x) > r / RING -> r = SKIP(x, r); goto take
		:: LAP(x) == r / RING && PASSED(x) -> r++; goto take
		:: LAP(x) == r / RING && STATE(x) == FULL ->
			if
			:: word[r % RING] == x ->
				i = r % RING; r++; x = MAKE(LAP(x), 1, MODE, me); word[i] = x;
				HANDOUT(i, x);
				goto have
			:: else -> goto take
			fi
		:: else -> assert(LAP(x) >= r / RING || PASSED(x))
		fi
	};
	/* nothing: is this the end? */
	if
	:: closing ->
		/* the tip's word, and late, before and after the look at all slots */
		sq = seq;
		atomic { if :: word[r % RING] == x -> i = 0 :: else -> goto take fi };
		do
		:: i < SLOTS ->
			atomic {
#ifdef BUG_ENDS_TOO_SOON
				if :: STATE(word[i]) == FREE || STATE(word[i]) == READING || STATE(word[i]) == LOANED -> i++ :: else -> goto wait fi
#else
				if :: QUIET0(i, me) -> i++ :: else -> goto wait fi
#endif
			}
		:: i == SLOTS -> break
		od;
		atomic {
			if
			:: word[r % RING] == x && seq == sq -> ended = 1; assert(QUIETED(me)); goto out
			:: else -> goto take
			fi
		}
	:: else
	fi;
wait:
	atomic { word[r % RING] != x || PENDING || (closing && QUIETED(me)) -> i = 0; x = 0; sq = 0 };
	goto take;
have:
#ifdef LARGE
	assert(text[at[i]] == pay[i] && block[at[i]] == QUEUED + i);
#endif
	skip;	/* the message is copied, or its user works with it */
#if MODE == LOANED
	if
	:: skip ->	/* Ack */
#ifdef BUG_ACK_BLINDLY
		atomic { CONSUME; SETFREE(i, x) }; goto freed
#elif defined(LARGE)
		atomic { word[i] = MAKE(LAP(word[i]), TRIES(x), READING, me) }
#else
		if
		:: atomic { word[i] == x && TRIES(x) == 1 -> CONSUME; SETFREE(i, x); goto freed }
		:: atomic { word[i] != x || TRIES(x) > 1 -> word[i] = MAKE(LAP(word[i]), TRIES(x), READING, me) }
		fi
#endif
#ifndef NONACK
	:: TRIES(x) < 2 ->	/* Nack */
		atomic { word[i] = MAKE(LAP(word[i]), TRIES(x), LATE, 0) };
		seq++;
		goto freed
#endif
	fi;
#endif
#ifdef LARGE
	atomic { b_ = at[i] };
#ifdef BUG_SLOT_BEFORE_BLOCK
	atomic { CONSUME; word[i] = NEXTFREE(word[i]) };
	if :: block[b_] == QUEUED + i -> block[b_] = OWNED + me :: else -> assert(false) fi;
#else
	atomic { assert(block[b_] == QUEUED + i); CONSUME; block[b_] = OWNED + me };
	word[i] = NEXTFREE(word[i]);
#endif
	atomic { block[b_] = 0; b_ = 0 };
#else
	atomic { CONSUME; if :: i >= RING -> lent = 0 :: else fi; word[i] = NEXTFREE(word[i]) };
#endif
freed:
	atomic { i = 0; x = 0 };
	goto take;
out:
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

#define LEFT(v) (v > PRODUCERS || ENDED(v))
proctype Closer() {
#ifdef EARLY
	skip;
#else
	ALL(LEFT);
#endif
	closing = 1
}

#define LOOSE(i) (loose[i] == d)
proctype Repairer() {
	byte d, i;
	bit phase, late;
again:
	atomic { d = 0; i = 0; phase = 0; late = 0 };
	do
	:: atomic { ANY(TODO) -> pick() };
#if LOANS > 0
second:		if :: phase -> (!LOOSE(0) && !LOOSE(1) && !LOOSE(2)) :: else fi;
#else
second:		if :: phase -> (!LOOSE(0) && !LOOSE(1)) :: else fi;
#endif
		do
		:: i < SLOTS ->
			if
			:: atomic { STATE(word[i]) == LATE ->
#ifndef BUG_FORGETS_LATE
				late = 1
#endif
			}
			:: OWNER(word[i]) == d && STATE(word[i]) == WRITING ->
#ifdef LARGE
#ifndef BUG_BLOCK_LEFT
				atomic { if :: block[0] == QUEUED + i -> block[0] = OWNED + d :: else fi };
				atomic { if :: block[1] == QUEUED + i -> block[1] = OWNED + d :: else fi };
#endif
				MAYDIE;
#endif
#ifdef BUG_SAME_LAP
				word[i] = MAKE(LAP(word[i]), 0, FREE, 0)
#else
				word[i] = NEXTFREE(word[i])
#endif
			:: OWNER(word[i]) == d && STATE(word[i]) == FILLING -> lent = 0; word[i] = NEXTFREE(word[i])
#ifdef BUG_TOO_EARLY
			:: atomic { OWNER(word[i]) == d && STATE(word[i]) == LOANED -> word[i] = MAKE(LAP(word[i]), TRIES(word[i]), LATE, 0); late = 1 }
#else
			:: atomic { OWNER(word[i]) == d && STATE(word[i]) == LOANED && phase -> word[i] = MAKE(LAP(word[i]), TRIES(word[i]), LATE, 0); late = 1 }
#endif
			:: atomic { OWNER(word[i]) == d && STATE(word[i]) == READING ->
#if defined(LARGE) && !defined(BUG_ALWAYS_LATE)
				if
				:: block[at[i]] == QUEUED + i -> word[i] = MAKE(LAP(word[i]), TRIES(word[i]), LATE, 0); late = 1
				:: else -> word[i] = NEXTFREE(word[i])
				fi
#elif defined(BUG_BACK_TO_FULL)
				word[i] = MAKE(LAP(word[i]), 0, FULL, 0)
#else
				word[i] = MAKE(LAP(word[i]), TRIES(word[i]), LATE, 0); late = 1;
				if :: i >= RING -> lent = 1 :: else fi
#endif
			}
			:: atomic { STATE(word[i]) != LATE && (OWNER(word[i]) != d || (STATE(word[i]) == LOANED && !phase)) -> skip }
			fi;
			MAYDIE;
			i++
		:: i == SLOTS -> break
		od;
#ifdef LARGE
		if
		:: phase ->
			atomic { if :: block[0] == OWNED + d -> block[0] = 0 :: else fi };
			MAYDIE;
			atomic { if :: block[1] == OWNED + d -> block[1] = 0 :: else fi }
		:: else
		fi;
#endif
#ifndef BUG_NO_BUMP
		if :: late -> seq++ :: else fi;
#endif
		MAYDIE;
		if
		:: !phase -> atomic { phase = 1; i = 0; late = 0 }; goto second
		:: else -> atomic { mended[d] = 1; d = 0; i = 0; phase = 0; late = 0 }
		fi
	:: atomic { ALL(ENDED) && closing -> break }
	od;
	d = 1;
	do
	:: d <= MESSAGES -> assert(published[d] == consumed[d]); d++
	:: else -> break
	od;
	assert(QUIETED(0) && lent == 0);
#ifdef LARGE
	assert(block[0] == 0 && block[1] == 0)
#endif
}

#define EXIT(i) :: atomic { loose[i] -> loose[i] = 0 }
proctype Kernel() {
end:	do
	EXIT(0)
	EXIT(1)
#if LOANS > 0
	EXIT(2)
#endif
	:: false
	od
}

init {
	atomic {
#if LOANS > 0
		run Builder(1);
#else
		run Producer(1);
#endif
#if PRODUCERS > 1
		run Producer(2);
#endif
		run Consumer(PRODUCERS + 1);
#if CONSUMERS > 1
		run Consumer(PRODUCERS + 2);
#endif
#if CONSUMERS > 2
		run Consumer(PRODUCERS + 3);
#endif
		run Closer(); run Repairer(); run Kernel(); run Killer()
	}
}
