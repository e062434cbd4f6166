/* The life of a segment's name: package shm (create.go, open.go, remove.go, keeper.go).
 *
 * User     OpenOrCreate: openPath, attachLocked, expired, expire, unlink; createAt,
 *          sys.LinkFile; then Segment.Close: left, endLifetime. Twice with ROUNDS=2
 * Remover  Remove: removeFile, removeMarked
 * Pruner   Prune, and what Create clears away: clearEnded
 * Kernel   marks a dead participant's word, and ends it wholly, which frees its
 *          lock of the file; either may come long after the kill, in any order
 *
 * name is the file that has the name, 0 none. Of file i: lock, its structural lock;
 * removed, its state; users, a bit for each participant that has not left. A dead
 * participant that is not marked counts as alive, until it is marked or an audit
 * finds it gone.
 *
 * Holds, with Lifetime LastUser: all that have the segment open have the same one,
 * and while they do, it has the name and is not removed (unless Remove was called,
 * which only whoever opens later notices); a file that is found is complete and has
 * had a user; when all have closed, none of them killed, the name is free; nobody is stuck.
 * Out of scope: files that are no segments, and those of other backends.
 *
 * RUN  two, one dies             -DPARTIES=2 -DKILLS=1
 * LONG two, twice, both die      -DPARTIES=2 -DKILLS=2 -DROUNDS=2
 * FULL three                     -DPARTIES=3
 * FULL removed meanwhile         -DPARTIES=3 -DKILLS=1 -DREMOVER
 * FULL pruned meanwhile         -DPARTIES=3 -DKILLS=1 -DPRUNER
 * BUG  BUG_NO_SECOND_LOOK        -DPARTIES=3 -DREMOVER
 * BUG  BUG_UNLINKS_BLINDLY       -DPARTIES=3 -DPRUNER
 * BUG  BUG_CLOSES_UNLOCKED       -DPARTIES=2
 * BUG  BUG_LINKS_EARLY           -DPARTIES=2
 * BUG  BUG_LINKS_OVER            -DPARTIES=2
 * BUG  BUG_KEEPS_NAME            -DPARTIES=2
 * BUG  BUG_LEAVES_LATE           -DPARTIES=2
 */
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define FILES 6
byte name, made, lock[FILES], users[FILES], has[PARTIES + 1];
bit removed[FILES], complete[FILES], marked[PARTIES + 1], gone[PARTIES + 1], killed;
inline died(v) { has[v] = 0; killed = 1 }
#include "world.h"

#define TOOK assert(name == i && !removed[i] && SAME)
#define BIT(v) (1 << v)
#define LIVE(v) ((users[i] & BIT(v)) && !marked[v])
#ifdef REMOVER
#define SAME true
#else
#define SAME (name == i && !removed[i] && (!has[1] || has[1] == i) && (!has[2] || has[2] == i) && (!has[PARTIES] || has[PARTIES] == i))
#endif
#define AUDIT(v) if :: gone[v] -> marked[v] = 1 :: else fi
inline audit() {
	atomic {
		AUDIT(1);
		AUDIT(2);
#if PARTIES > 2
		AUDIT(3)
#endif
	}
}
#define CLEAR i = 0; k = 0

proctype User(byte me) {
	byte i, k;
	{
	skip;
look:
	atomic { i = name; if :: i == 0 -> goto create :: else fi };
	atomic { lock[i] == 0 -> lock[i] = me };
#ifndef BUG_NO_SECOND_LOOK
	if :: name != i -> lock[i] = 0; goto look :: else fi;
	if :: removed[i] -> goto unlink :: else fi;
#endif
	assert(complete[i]);
	audit();
	if
	:: !ANY(LIVE) -> removed[i] = 1; goto unlink
	:: else
	fi;
	/* repairDead frees the slots of the marked */
	atomic {
		if :: marked[1] -> users[i] = users[i] & ~BIT(1) :: else fi;
		if :: marked[2] -> users[i] = users[i] & ~BIT(2) :: else fi;
		if :: marked[PARTIES] -> users[i] = users[i] & ~BIT(PARTIES) :: else fi
	};
	atomic { users[i] = users[i] | BIT(me); has[me] = i; TOOK };
	lock[i] = 0;
	goto open;
unlink:
	if
	:: name == i -> name = 0
	:: else
	fi;
	lock[i] = 0;
	goto look;
create:
	/* a file without a name, with this process as its first participant */
	atomic {
		if :: made == FILES - 1 -> goto out :: else fi;
		made++; i = made;
#ifdef BUG_LINKS_EARLY
		if :: name == 0 -> name = i; complete[i] = 1 :: else -> goto look fi
#endif
	};
	users[i] = BIT(me);
	complete[i] = 1;
#ifdef BUG_LINKS_OVER
	atomic { name = i; has[me] = i };
#elif defined(BUG_LINKS_EARLY)
	atomic { has[me] = i };
#else
	atomic { if :: name == 0 -> name = i; has[me] = i; assert(SAME) :: else -> goto look fi };
#endif
open:
	assert(SAME);
#ifdef BUG_LEAVES_LATE
	atomic { has[me] = 0 };
#else
	atomic { users[i] = users[i] & ~BIT(me); has[me] = 0 };
#endif
#ifndef BUG_CLOSES_UNLOCKED
	atomic { lock[i] == 0 -> lock[i] = me };
#endif
	audit();
#ifdef BUG_CLOSES_UNLOCKED
	if :: ANY(LIVE) || removed[i] -> goto out :: else fi;
#else
	if :: ANY(LIVE) || removed[i] -> goto unlock :: else fi;
#endif
	removed[i] = 1;
#ifndef BUG_KEEPS_NAME
	if :: name == i -> name = 0 :: else fi;
#endif
unlock:
#ifndef BUG_CLOSES_UNLOCKED
	lock[i] = 0;
#endif
#ifdef BUG_LEAVES_LATE
	users[i] = users[i] & ~BIT(me);
#endif
	atomic { k++; i = 0; if :: k < ROUNDS -> goto look :: else fi };
out:
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

proctype Remover(byte me) {
	byte i, k;
	{
	skip;
look:
	atomic { i = name; if :: i == 0 -> goto out :: else fi };
	atomic { lock[i] == 0 -> lock[i] = me };
	if :: name != i -> lock[i] = 0; goto look :: else fi;
	removed[i] = 1;
	if :: name == i -> name = 0 :: else fi;
	lock[i] = 0;
out:
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

proctype Pruner(byte me) {
	byte i, k;
	{
	skip;
	atomic { i = name; if :: i == 0 -> goto out :: else fi };
	atomic { lock[i] == 0 -> lock[i] = me };
	if :: removed[i] -> goto unlink :: else fi;
	audit();
	if :: ANY(LIVE) -> goto unlock :: else fi;
	removed[i] = 1;
unlink:
	if
#ifdef BUG_UNLINKS_BLINDLY
	:: true -> name = 0
#else
	:: name == i -> name = 0
	:: else
#endif
	fi;
unlock:
	lock[i] = 0;
out:
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

#define OVER(v) (fin[v] || gone[v])
#define FREED(j, v) if :: lock[j] == v -> lock[j] = 0 :: else fi
#define LATER(v) \
	:: atomic { dead[v] && !marked[v] -> marked[v] = 1 } \
	:: atomic { dead[v] && !gone[v] -> gone[v] = 1; FREED(1, v); FREED(2, v); FREED(3, v); FREED(4, v); FREED(5, v) }
proctype Kernel() {
	do
	LATER(1)
	LATER(2)
#if PARTIES > 2
	LATER(3)
#endif
	:: atomic { ALL(OVER) -> assert(killed || made == FILES - 1 || name == 0); break }
	od
}

init {
	atomic {
		run User(1); run User(2);
#if PARTIES > 2
#ifdef REMOVER
		run Remover(3);
#elif defined(PRUNER)
		run Pruner(3);
#else
		run User(3);
#endif
#endif
		run Kernel(); run Killer()
	}
}
