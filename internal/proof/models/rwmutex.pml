/* The read-write mutex: internal/rw, on the mutex of internal/robust.
 *
 * Reader    RLock: arrive, queue; RUnlock: depart
 * Writer    Lock: Mark(Shut), drain, read, enter; Unlock; cancelled while it
 *           queues or drains
 * Repairer  Core.Repair: cell.RepairEvent, RepairMarked; it may die between steps
 *
 * w is the word: OWNER, P poisoned, W sleepers, WR shut: a writer wants or has it,
 * WX a writer is inside. r[v] counts the readers of v, ever has a bit for each v
 * that was one. bell is what a writer sleeps on that waits for readers: flag,
 * sticky and a version, which is exact: bit v of fresh says that it has not
 * changed since v looked. Sleepers on the two words are told apart by what
 * they wait for (on): a wake-up of one word reaches sleepers on that word only.
 *
 * Holds: a writer inside is alone; nobody is inside of what is broken; everybody
 * gets in, is refused or gives up; at rest no reader is counted; the mutex ends
 * poisoned if and only if a writer died inside.
 * Out of scope: starving (see mutex.pml), the user's repair, Downgrade, Close.
 *
 * RUN  reader, writer           -DPARTIES=2 -DREADERS=1 -DKILLS=1 -DREPAIRERS=1 -DCANCELS=1
 * FULL two readers, writer      -DPARTIES=3 -DREADERS=2
 * FULL reader, two writers      -DPARTIES=3 -DREADERS=1
 * FULL both die                 -DPARTIES=2 -DREADERS=1 -DKILLS=2 -DREPAIRERS=1
 * BUG  BUG_LOOKS_FIRST          -DPARTIES=2 -DREADERS=1
 * BUG  BUG_NO_DRAIN_WAKE        -DPARTIES=2 -DREADERS=1
 * BUG  BUG_BACKS_OFF_QUIETLY    -DPARTIES=2 -DREADERS=1
 * BUG  BUG_NO_RESCAN            -DPARTIES=2 -DREADERS=1
 * BUG  BUG_KEEPS_COUNT          -DPARTIES=2 -DREADERS=1 -DKILLS=1
 * BUG  BUG_REPAIR_QUIET_DRAIN   -DPARTIES=2 -DREADERS=1 -DKILLS=1
 * BUG  BUG_REPAIR_COUNT_LAST    -DPARTIES=2 -DREADERS=1 -DKILLS=1
 * BUG  BUG_FALSE_POISON         -DPARTIES=2 -DREADERS=1 -DKILLS=1
 * BUG  BUG_NO_POISON            -DPARTIES=2 -DREADERS=1 -DKILLS=1
 * BUG  BUG_CANCEL_KEEPS_WR      -DPARTIES=2 -DREADERS=1 -DCANCELS=1
 * BUG  BUG_CANCEL_QUIET         -DPARTIES=2 -DREADERS=1 -DCANCELS=1
 */
bit writing[PARTIES + 1], broken;
byte reading[PARTIES + 1];
byte r[PARTIES + 1];
byte on[PARTIES + 1]; /* 1: asleep on w, 2: on drain */
inline died(v) {
	on[v] = 0; reading[v] = 0;
	if
	:: writing[v] -> writing[v] = 0; broken = 1
	:: else
	fi
}
#include "world.h"

#define OWNER 7
#define P 16
#define W 32
#define WR 64
#define WX 128
byte w, fresh;
bit slept, flag, sticky;
byte ever;

#define WRITING(v) writing[v]
#define READING(v) reading[v]
#define NOTCOUNTED(v) (r[v] == 0)
#define OPEN(x) (!((x) & P) && !((x) & OWNER))
#ifdef RELEASE
#define SOUND true
#else
#define SOUND (!broken)
#endif
#define SOME(q) (on[1] == q || on[2] == q || on[PARTIES] == q)
/* FUTEX_WAKE(k) on word q. */
inline rouse(q, k) {
	atomic {
		n = k;
		do
		:: n > 0 && on[1] == q -> on[1] = 0; n--
		:: n > 0 && on[2] == q -> on[2] = 0; n--
#if PARTIES > 2
		:: n > 0 && on[3] == q -> on[3] = 0; n--
#endif
		:: n == 0 || !SOME(q) -> break
		od;
		n = 0
	}
}
inline drainwake() {
	atomic { n = flag; if :: flag -> flag = 0; fresh = 0 :: else fi };
	if :: n -> rouse(2, EVERYBODY) :: else fi
}
#define CLEAR want = 0; n = 0; c = 0; waited = 0; fresh = fresh & ~(1 << me)

/* Waits for w as a mutex, and takes it with bits. */
#define QUEUE(bits, refused, giveup, got) \
	atomic { \
		if \
		:: w & P -> goto refused \
		:: OPEN(w) -> w = me | (w & W) | (waited -> W : 0) | (bits); goto got \
		:: else \
		fi \
	}; \
	slept = 1; \
	atomic { \
		want = 0; \
		if \
		:: (w & P) || OPEN(w) \
		:: else -> w = w | W; want = w \
		fi \
	}; \
	atomic { if :: want && w == want -> on[me] = 1 :: else fi; waited = 1 }; \
	if \
	:: atomic { on[me] == 0 -> want = 0 } \
	:: atomic { cancels > 0 && on[me] == 1 -> cancels--; on[me] = 0; want = 0; goto giveup } \
	fi

proctype Reader(byte me) {
	byte want, n, c;
	bit waited;
	{
	ever = ever | (1 << me);
#ifdef BUG_LOOKS_FIRST
	c = w;
	r[me] = r[me] + 1;
#else
	r[me] = r[me] + 1;
	c = w;
#endif
	atomic {
		if
		:: !(c & (WR | P)) -> c = 0; reading[me] = 1; assert(!ANY(WRITING)); assert(SOUND); goto inside
		:: else
		fi
	}
	r[me] = r[me] - 1;
#ifndef BUG_BACKS_OFF_QUIETLY
	drainwake();
#endif
	if :: c & P -> goto out :: else fi;
	c = 0;
look:
	QUEUE(0, out, giveup, gained);
	goto look;
gained:
	r[me] = r[me] + 1;
	atomic { c = w & W; w = 0; reading[me] = 1; assert(!ANY(WRITING)); assert(SOUND) };
	if :: c -> rouse(1, 1) :: else fi;
inside:
	reading[me] = 0;
	r[me] = r[me] - 1;
#ifndef BUG_NO_DRAIN_WAKE
	drainwake();
#endif
	goto out;
giveup:
	rouse(1, 1);
out:
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

proctype Writer(byte me) {
	byte want, n, c, x;
	bit waited;
	{
	skip;
look:
	QUEUE(0, out, giveup, gained);
	goto look;
gained:
	w = w | WR;
again:
	/* It looks at one count after the other, of those that were readers. */
	atomic { c = 1; x = ever };
scan:
	if
	:: c > PARTIES -> goto drained
	:: c <= PARTIES && (!(x & (1 << c)) || r[c] == 0) -> c++; goto scan
	:: c <= PARTIES && (x & (1 << c)) && r[c] != 0
	fi;
	atomic { flag = 1; sticky = 1; fresh = fresh | (1 << me) };
	atomic { c = 1; x = ever };
#ifndef BUG_NO_RESCAN
rescan:
	if
	:: c > PARTIES -> goto drained
	:: c <= PARTIES && (!(x & (1 << c)) || r[c] == 0) -> c++; goto rescan
	:: c <= PARTIES && (x & (1 << c)) && r[c] != 0
	fi;
#endif
	atomic { if :: flag && (fresh & (1 << me)) -> on[me] = 2 :: else fi; fresh = fresh & ~(1 << me) };
	if
	:: on[me] == 0
	:: atomic { cancels > 0 && on[me] == 2 -> cancels--; on[me] = 0; goto undo }
	fi;
	goto again;
drained:
	atomic { w = w | WX; writing[me] = 1; assert(!ANY(READING)); assert(SOUND); fresh = fresh & ~(1 << me) };
	skip;
	atomic { assert(!ANY(READING)); c = w & W; w = 0; writing[me] = 0 };
	if :: c -> rouse(1, 1) :: else fi;
	goto out;
undo:
#ifdef BUG_CANCEL_KEEPS_WR
	atomic { c = w & W; w = WR };
#else
	atomic { c = w & W; w = 0 };
#endif
#ifndef BUG_CANCEL_QUIET
	if :: c -> rouse(1, 1) :: else fi;
#endif
	goto out;
giveup:
	rouse(1, 1);
out:
	atomic { fin[me] = 1; x = 0; CLEAR }
	} unless { d_step { dead[me] -> x = 0; CLEAR } }
}

proctype Repairer() {
	byte d, n, woken;
again:
	atomic { d = 0; n = 0 };
	do
	:: atomic { ANY(TODO) -> pick() };
#if !defined(BUG_KEEPS_COUNT) && !defined(BUG_REPAIR_COUNT_LAST)
		r[d] = 0;
		MAYDIE;
		ever = ever & ~(1 << d);
		MAYDIE;
#endif
#ifndef BUG_REPAIR_QUIET_DRAIN
		if
		:: sticky -> fresh = 0; MAYDIE; rouse(2, EVERYBODY)
		:: else
		fi;
		MAYDIE;
#endif
#ifdef BUG_REPAIR_COUNT_LAST
		r[d] = 0;
#endif
		atomic {
			if
			:: (w & OWNER) != d
#if defined(RELEASE) || defined(BUG_NO_POISON)
			:: (w & OWNER) == d -> w = 0
#elif defined(BUG_FALSE_POISON)
			:: (w & OWNER) == d -> w = P
#else
			:: (w & OWNER) == d -> w = ((w & WX) -> P : 0)
#endif
			fi
		};
		MAYDIE;
		if :: slept -> rouse(1, EVERYBODY) :: else fi;
		MAYDIE;
		atomic { mended[d] = 1; d = 0 }
	:: atomic { ALL(ENDED) ->
		assert(!(w & (OWNER | WR | WX)) && ALL(NOTCOUNTED));
#ifndef RELEASE
		assert(((w & P) != 0) == broken);
#endif
		break }
	od
}

init {
	atomic {
		run Reader(1);
#if READERS > 1
		run Reader(2);
#else
		run Writer(2);
#endif
#if PARTIES > 2
		run Writer(3);
#endif
		run Repairer(); run Killer()
	}
}
