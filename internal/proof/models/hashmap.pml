/* The map: internal/hashmap.
 *
 * Writer    Map.Enter, Edit.Store and Edit.Delete, OPS of them: find, claim, replace,
 *           insert with link, remove with unlink, free. Writer 1 changes keys 1 and 2,
 *           and writer 2 key 3, or with SAME keys 1 and 2 as well
 * Reader    Map.Load of key 1: look and take, again until it is let
 * Repairer  Core.Repair: mendStripe, mendChain; it may die between its steps
 *
 * There are two entries, or with CHAIN three, all of them in one chain at first. Keys 1 and 2 are in bucket 0 of stripe 0, key 3 in bucket 1 of
 * stripe 1. A value is two words. What only the holder of a lock changes it looks
 * at in one step. The bucket's number counts exactly. The stripes' locks are freed
 * by repair (see mutex.pml for how they are waited for).
 *
 * Holds: Load returns what key 1 was at some instant of the call, whole, or that it was
 * not there at one; whoever dies, a change is done or not; when all have ended, an
 * entry is taken if and only if it is live, no free one is marked in the bitmap, the
 * counts are right and nothing is locked.
 * Out of scope: the hash, readers that ask for the lock, iteration, Close.
 *
 * RUN  a change each             -DPARTIES=2 -DOPS=1
 * RUN  a death                   -DPARTIES=2 -DOPS=1 -DKILLS=1 -DVICTIMS=2
 * RUN  one stripe, two die       -DPARTIES=2 -DOPS=1 -DSAME -DNOREADER -DKILLS=2 -DREPAIRERS=1
 * FULL two changes               -DPARTIES=2 -DOPS=2
 * LONG a chain, a death          -DPARTIES=2 -DOPS=1 -DCHAIN -DKILLS=1 -DVICTIMS=2
 * LONG repairer dies             -DPARTIES=2 -DOPS=1 -DKILLS=1 -DVICTIMS=2 -DREPAIRERS=1
 * LONG two changes, two die      -DPARTIES=2 -DOPS=2 -DNOREADER -DKILLS=2
 * BUG  BUG_NO_BUSY               -DPARTIES=2 -DOPS=2
 * BUG  BUG_BUSY_LATE             -DPARTIES=2 -DOPS=2
 * BUG  BUG_SAME_COPY             -DPARTIES=2 -DOPS=1
 * BUG  BUG_META_FIRST            -DPARTIES=2 -DOPS=1
 * BUG  BUG_NO_LAST_LOOK          -DPARTIES=2 -DOPS=1 -DCHAIN
 * BUG  BUG_SAME_BUCKET           -DPARTIES=2 -DOPS=1 -DCHAIN
 * BUG  BUG_FREES_FIRST           -DPARTIES=2 -DOPS=1 -DCHAIN
 * BUG  BUG_CLAIMS_BLINDLY        -DPARTIES=2 -DOPS=2
 * BUG  BUG_REPAIR_LEAVES         -DPARTIES=2 -DOPS=1 -DKILLS=1
 * BUG  BUG_REPAIR_SAME_BUCKET    -DPARTIES=2 -DOPS=1 -DCHAIN -DKILLS=1 -DVICTIMS=2
 * BUG  BUG_REPAIR_FREES_LIVE     -DPARTIES=2 -DOPS=1 -DKILLS=1
 * BUG  BUG_REPAIR_NO_BITS        -DPARTIES=2 -DOPS=1 -DKILLS=1
 * BUG  BUG_REPAIR_NO_COUNT       -DPARTIES=2 -DOPS=1 -DKILLS=1
 * BUG  BUG_REPAIR_UNLOCKS_FIRST  -DPARTIES=2 -DOPS=1 -DSAME -DKILLS=1
 */
inline died(v) { skip }
#include "world.h"

#ifdef CHAIN
#define E 3
#else
#define E 2
#endif
#define STRIPE(k) (k == 3)
#define LIVE(i) (meta[i] & 1)
#define AT(i, v) (2 * (i) + ((v) & 1))
/* Entries are numbered as links are: 0 is none. */
byte meta[E + 1], busy[E + 1], next[E + 1], key[E + 1], one[2 * E + 2], other[2 * E + 2], owner[E + 1];
byte head[2], changes[2], lock[2], count[2], bitmap;
/* What nobody sees: the value of key 1 now, 0 if it is not there, and those that it
 * had since the reader began; and how many values there were. */
byte now = 1, had, values = 2;

/* Only a reader tells values and versions apart, and sees that chains change. */
#ifdef NOREADER
#define NEWVALUE v = 1
#define VERSION(i) 0
#define BECOMES(k, v) skip
#define CHANGED(s) skip
#else
#define NEWVALUE v = values; values++
#define VERSION(i) (meta[i] >> 1)
#define BECOMES(k, v) if :: (k) == 1 -> now = v; had = had | (1 << (v)) :: else fi
#define CHANGED(s) changes[s]++
#endif
#define TAKEN(i) (((x >> i) & 1) || owner[i])
#define CLEAR s = 0; k = 0; v = 0; i = 0; p = 0; n = 0; x = 0; ops = 0

proctype Writer(byte me) {
	byte s, k, v, i, p, n, x, ops;
	{
	do
	:: ops < OPS ->
		ops++;
		atomic {
#ifndef SAME
			if
			:: me == 2 -> k = 3
			:: else ->
#endif
				if :: k = 1 :: k = 2 fi;
#ifndef SAME
			fi;
#endif
			s = STRIPE(k)
		};
		atomic { lock[s] == 0 -> lock[s] = me;
			i = head[s]; p = 0;
			do
			:: i && !(LIVE(i) && key[i] == k) -> p = i; i = next[i]
			:: else -> break
			od
		};
		if
		:: atomic { i -> NEWVALUE };	/* replace */
			n = VERSION(i) + 1;
#ifndef BUG_BUSY_LATE
			busy[i] = n;
#endif
#ifdef BUG_SAME_COPY
			one[AT(i, n + 1)] = v;
			other[AT(i, n + 1)] = v;
#else
#ifdef BUG_META_FIRST
			atomic { meta[i] = 2 * n + 1; BECOMES(k, v) };
#endif
			one[AT(i, n)] = v;
			other[AT(i, n)] = v;
#endif
#ifdef BUG_BUSY_LATE
			busy[i] = n;
#endif
			atomic { meta[i] = 2 * n + 1; BECOMES(k, v) }
		:: atomic { !i -> NEWVALUE; x = bitmap };	/* claim and insert */
			if
#ifdef BUG_CLAIMS_BLINDLY
			:: !(x & 2) -> i = 1; owner[1] = s + 1
			:: !(x & 4) -> i = 2; owner[2] = s + 1
#else
			:: atomic { !(x & 2) && owner[1] == 0 -> owner[1] = s + 1; i = 1 }
			:: atomic { !(x & 4) && owner[2] == 0 -> owner[2] = s + 1; i = 2 }
#endif
#ifdef CHAIN
			:: atomic { !(x & 8) && owner[3] == 0 -> owner[3] = s + 1; i = 3 }
#endif
			:: atomic { TAKEN(1) && TAKEN(2) && TAKEN(E) -> goto leave }
			fi;
			bitmap = bitmap | (1 << i);
			n = VERSION(i) + 1;
#ifndef BUG_BUSY_LATE
			busy[i] = n;
#endif
			key[i] = k;
			one[AT(i, n)] = v;
			other[AT(i, n)] = v;
#ifdef BUG_BUSY_LATE
			busy[i] = n;
#endif
			next[i] = head[s];
			atomic { head[s] = i; CHANGED(s) };
			atomic { meta[i] = 2 * n + 1; BECOMES(k, v) };
			count[s]++
		:: i ->	/* remove */
			n = VERSION(i) + 1;
			busy[i] = n;
			atomic { meta[i] = 2 * n; BECOMES(k, 0) };
#ifdef BUG_FREES_FIRST
			owner[i] = 0;
			bitmap = bitmap & ~(1 << i);
#endif
			n = next[i];
			if :: p -> next[p] = n :: else fi;
#ifdef BUG_SAME_BUCKET
			if :: !p -> head[s] = n :: else fi;
#else
			atomic { if :: !p -> head[s] = n :: else fi; CHANGED(s) };
#endif
			count[s]--;
#ifndef BUG_FREES_FIRST
			owner[i] = 0;
			bitmap = bitmap & ~(1 << i)
#endif
		:: true	/* what the user's function says is that nothing changes */
		fi;
leave:		lock[s] = 0;
		atomic { s = 0; k = 0; v = 0; i = 0; p = 0; n = 0; x = 0 }
	:: else -> break
	od;
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

proctype Reader() {
	byte i, m, v, u, h, c;
	had = 1 << now;
look:
	atomic { h = head[0]; c = changes[0]; i = h; m = 0; v = 0; u = 0 };
	do
	:: i ->
		m = meta[i];
		if
		:: m & 1 ->
			if
			:: key[i] == 1 ->
				v = one[AT(i, m >> 1)];
				u = other[AT(i, m >> 1)];
#ifndef BUG_NO_BUSY
				if :: busy[i] == (m >> 1) || busy[i] == (m >> 1) + 1 :: else -> goto look fi;
#endif
				assert(v == u && ((had >> v) & 1));
				goto out
			:: else
			fi
		:: else
		fi;
		i = next[i]
	:: else -> break
	od;
#ifndef BUG_NO_LAST_LOOK
	if :: head[0] == h && changes[0] == c :: else -> goto look fi;
#endif
	assert(had & 1);
out:	atomic { i = 0; m = 0; v = 0; u = 0; h = 0; c = 0; had = 0 }
}

#define IN(i, e) (LIVE(e) && owner[e] == i + 1)
#ifdef CHAIN
#define STRIPES(i) (IN(i, 1) + IN(i, 2) + IN(i, 3))
#else
#define STRIPES(i) (IN(i, 1) + IN(i, 2))
#endif
#define RIGHT(i) ((owner[i] != 0) == LIVE(i) && (owner[i] || !((bitmap >> i) & 1)))
#define FREE(i) \
	if \
	:: owner[i] == s + 1 && !((reached >> i) & 1) -> owner[i] = 0; MAYDIE; BITOFF(i) \
	:: owner[i] == 0 -> BITOFF(i) \
	:: else \
	fi; \
	MAYDIE
#ifdef BUG_REPAIR_NO_BITS
#define BITOFF(i) skip
#else
#define BITOFF(i) bitmap = bitmap & ~(1 << i)
#endif

proctype Repairer() {
	byte d, s, i, p, n, reached, live;
again:
	atomic { d = 0; s = 0; i = 0; p = 0; n = 0; reached = 0; live = 0 };
	do
	:: atomic { ANY(TODO) -> pick() };
		do
		:: s < 2 && lock[s] == d ->
#ifdef BUG_REPAIR_UNLOCKS_FIRST
			lock[s] = 0;
#endif
			i = head[s];
			do
			:: i ->
				n = next[i];
				if
				:: LIVE(i) -> atomic { reached = reached | (1 << i); live++; p = i }
#ifdef BUG_REPAIR_LEAVES
				:: else -> atomic { reached = reached | (1 << i); p = i }
#else
				:: else ->
					if :: p -> next[p] = n :: else fi;
					MAYDIE;
					atomic { if :: !p -> head[s] = n :: else fi; CHANGED(s) }
#endif
				fi;
				MAYDIE;
				i = n
			:: else -> break
			od;
#ifndef BUG_REPAIR_SAME_BUCKET
			CHANGED(s);
#endif
			MAYDIE;
#ifdef BUG_REPAIR_FREES_LIVE
			reached = 0;
#endif
			FREE(1);
			FREE(2);
#ifdef CHAIN
			FREE(3);
#endif
#ifndef BUG_REPAIR_NO_COUNT
			count[s] = live;
#endif
			MAYDIE;
			lock[s] = 0;
			MAYDIE;
			atomic { s++; i = 0; p = 0; n = 0; reached = 0; live = 0 }
		:: s < 2 && lock[s] != d -> s++
		:: else -> break
		od;
		atomic { mended[d] = 1; d = 0; s = 0 }
	:: atomic { ALL(ENDED) ->
		assert(RIGHT(1) && RIGHT(2) && RIGHT(E) && !lock[0] && !lock[1]);
		assert(count[0] == STRIPES(0) && count[1] == STRIPES(1));
		break }
	od
}

/* THERE(i) makes entry i one of key i, with the first value. */
#define THERE(i) meta[i] = 3; busy[i] = 1; key[i] = i; owner[i] = 1; one[AT(i, 1)] = 1; other[AT(i, 1)] = 1

init {
	atomic {
		THERE(1);
		head[0] = 1; count[0] = 1; bitmap = 2;
#ifdef CHAIN
		THERE(2);
		THERE(3);
		key[3] = 4; next[3] = 2; next[2] = 1;
		head[0] = 3; count[0] = 3; bitmap = 14;
#endif
		run Writer(1); run Writer(2);
#ifndef NOREADER
		run Reader();
#endif
		run Repairer(); run Killer()
	}
}
