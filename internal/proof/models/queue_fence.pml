/* Publishing by plain stores: internal/ring/publish.go, solo.go and alone.go.
 *
 * What the producer stores goes into a store buffer, out of which it comes in
 * order, at any later time (Buffer): its loads may overtake it. An exchange or a
 * compare-and-swap waits until the buffer is empty; a fence, which another one
 * asks for (membarrier), empties it at that moment. All other participants store
 * with a fence, so they have no buffers.
 *
 * Producer  claimAlone, Publish, leave; another goroutine's operation on the
 *           same side with CROWD; it dies with DIES, also in the middle
 * Consumer  takeWait: announce, fence, the last look, Sleep; nothing, aboutToPut
 * Closer    Port.Shutdown
 * Other     with CROWD: join, revoke, and an operation of the crowd
 * Repairer  Ring.Repair of the producer's slot, behind a fence
 *
 * Holds: when nothing moves any more, the consumer has the message, or was told
 * that there will be none, and then there is none; and the owner of a side and
 * one of the crowd are never inside at once.
 * Out of scope: more than one message, lost wake-ups of other kinds (queue_wake).
 *
 * RUN  put and take              -DMESSAGES=1
 * RUN  shut down                 -DCLOSES
 * RUN  the producer dies         -DCLOSES -DDIES
 * RUN  another goroutine comes   -DCROWD
 * BUG  BUG_NO_FENCE              -DMESSAGES=1
 * BUG  BUG_FENCE_FIRST           -DMESSAGES=1
 * BUG  BUG_END_NO_FENCE          -DCLOSES
 * BUG  BUG_END_NOT_BUSY          -DCLOSES
 * BUG  BUG_END_QUIET             -DCLOSES
 * BUG  BUG_REPAIR_BUSY           -DCLOSES -DDIES
 * BUG  BUG_REVOKE_NO_FENCE       -DCROWD
 * BUG  BUG_NO_SECOND_LOOK        -DCROWD
 * BUG  BUG_HEARS_NO_FENCE        -DCROWD
 * BUG  BUG_LEAVES_QUIETLY        -DCROWD
 */
#define READY 1
#define BUSY 2
#define INSIDE 3
chan buffer = [6] of { byte, bit };
bit ready, busy, inside, closing, flag, asleep, told, taken, dead, gone, mended, done;
bit owner = 1, wanted, idle, ownerIn, otherIn, sent, landed;

inline apply() {
	buffer ? w, x;
	if
	:: w == READY -> ready = x; landed = 1
	:: w == BUSY -> busy = x
	:: w == INSIDE -> inside = x
	fi;
	w = 0; x = 0
}
inline fence() { atomic { do :: nempty(buffer) -> apply() :: empty(buffer) -> break od } }
/* A channel is locked by an exchange, but who finds it full does not lock it. */
inline ring() { if :: atomic { !idle && empty(buffer) -> idle = 1 } :: idle fi }
inline wakeup() { atomic { flag -> flag = 0; asleep = 0 } }
#ifdef DIES
#define MAYDIE if :: goto died :: skip fi
#else
#define MAYDIE skip
#endif

proctype Buffer() {
	byte w; bit x;
end:	do :: atomic { nempty(buffer) -> apply() } od
}

proctype Producer() {
	MAYDIE;
	buffer ! INSIDE, 1;
	buffer ! BUSY, 1;
	MAYDIE;
#ifndef BUG_NO_SECOND_LOOK
	if :: owner :: else -> goto revoked fi;
#endif
	if :: closing -> goto over :: else fi;
	ownerIn = 1;
	assert(!otherIn);
	MAYDIE;
	atomic { ownerIn = 0; sent = 1; buffer ! READY, 1 }
	MAYDIE;
	buffer ! BUSY, 0;
	buffer ! INSIDE, 0;
#ifndef BUG_LEAVES_QUIETLY
	if :: wanted -> ring() :: else fi;
#endif
	MAYDIE;
	if :: flag -> empty(buffer); if :: wakeup() :: !flag fi :: else fi;
	goto out;
revoked:	/* turnedAway; the rest is an operation of the crowd, which exchanges */
	buffer ! BUSY, 0;
	buffer ! INSIDE, 0;
	ring();
	empty(buffer);
	ready = 1;
	if :: flag -> if :: wakeup() :: !flag fi :: else fi;
	goto out;
over:
	buffer ! BUSY, 0;
	buffer ! INSIDE, 0;
	empty(buffer);
#ifndef BUG_END_QUIET
	if :: flag -> if :: wakeup() :: !flag fi :: else fi;
#endif
	goto out;
died:
	ownerIn = 0;
	dead = 1;
out:	gone = 1
}

/* LOOK: is there a message, or the end of all? */
inline look() {
	found = 0;
	if
	:: ready -> found = 1
	:: else ->
		if
		:: closing ->
#ifndef BUG_END_NO_FENCE
			fence();
#endif
#ifndef BUG_END_NOT_BUSY
			if :: busy :: else ->
#endif
				if :: ready -> found = 1 :: else -> told = 1; found = 1 fi
#ifndef BUG_END_NOT_BUSY
			fi
#endif
		:: else
		fi
	fi
}

proctype Consumer() {
	byte w; bit x, found;
	do
	::	look();
		if :: found -> break :: else fi;
#ifdef BUG_FENCE_FIRST
		fence();
#endif
		flag = 1;
#if !defined(BUG_NO_FENCE) && !defined(BUG_FENCE_FIRST)
		fence();
#endif
		look();
		if :: found -> break :: else fi;
		atomic { if :: flag -> asleep = 1 :: else fi }	/* else the word has changed: it does not sleep */
sleeps:		!asleep
	od;
	if :: !told -> taken = 1; ready = 0 :: else fi;
	done = 1
}

proctype Closer() {
	closing = 1;
	if :: flag -> if :: wakeup() :: !flag fi :: else fi
}

proctype Other() {
	byte w; bit x;
	if :: idle = 1 :: skip fi;	/* left behind by an earlier owner */
	wanted = 1;
	owner = 0;
#ifndef BUG_REVOKE_NO_FENCE
	fence();
#endif
	do
	:: inside ->
		atomic { idle -> idle = 0 };
#ifndef BUG_HEARS_NO_FENCE
		fence()
#endif
	:: else -> break
	od;
	wanted = 0;
	otherIn = 1;
	assert(!ownerIn && sent == landed);	/* and what the owner published can be seen */
	otherIn = 0
}

proctype Repairer() {
	byte w; bit x;
	if
	:: dead ->
		fence();
#ifndef BUG_REPAIR_BUSY
		busy = 0;
#endif
		atomic { flag = 0; asleep = 0 }
	:: gone && !dead
	fi;
	mended = 1
}

/* At the end: who was told that there is nothing more is right. */
proctype Judge() {
	done && gone && empty(buffer);
#ifdef DIES
	mended;
#endif
	assert(!told || !ready)
}

init {
	atomic {
		run Buffer(); run Producer(); run Consumer(); run Judge();
#ifdef CLOSES
		run Closer();
#endif
#ifdef CROWD
		run Other();
#endif
#ifdef DIES
		run Repairer()
#endif
	}
}
