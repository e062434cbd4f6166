/* One direction of a pipe, with bytes in it: internal/duplex.
 *
 * Writer    End.Write: tryEnter, writeSome, writeSlow, enter, awaitRoom, sleep; then,
 *           if it is the last one, End.Close: change. 1 and 2 are goroutines of one
 *           process. With EARLY the first one that is through closes
 * Reader    End.Read until io.EOF: available, remaining, readSome, sleep; with LEAVES
 *           it reads once, and closes its own end
 * Repairer  Core.Repair; it may die between its steps
 *
 * A Write is SIZE pieces, that of 2 is one, or with ALONE none; the ring holds LIMIT.
 * A cell says whose a piece is and which. over says of each end that its title is
 * closed, or lost. A bell is a version, which counts exactly, and awaited. Pen is freed
 * by repair (see mutex.pml for how it is waited for); with one reader there is no need
 * of eye.
 *
 * Holds: what is read is what was written, once, in order, the pieces of a Write
 * together; nothing is published behind io.EOF, which comes behind all that was;
 * when nothing moves any more, everybody is through.
 * Out of scope: messages; an end that changes hands; Close that does not get pen within
 * a second, and the second look at the title that is there for it; deadlines.
 *
 * RUN  two Writes                -DSIZE=2
 * RUN  the reader leaves         -DSIZE=2 -DLEAVES
 * RUN  writer dies               -DSIZE=2 -DALONE -DKILLS=1 -DVICTIMS=2
 * FULL room for two              -DSIZE=3 -DLIMIT=2 -DALONE -DKILLS=1 -DVICTIMS=2
 * LONG either dies, repairer     -DSIZE=2 -DALONE -DKILLS=1 -DVICTIMS=10 -DREPAIRERS=1
 * LONG closed early              -DSIZE=2 -DEARLY
 * BUG  BUG_LOOKS_ONCE            -DSIZE=2
 * BUG  BUG_PART_WITHOUT_TURN     -DSIZE=2
 * BUG  BUG_ENDS_BLINDLY          -DSIZE=1
 * BUG  BUG_REPAIR_SAME           -DSIZE=2 -DALONE -DKILLS=1 -DVICTIMS=2
 * BUG  BUG_RINGS_FIRST           -DSIZE=2
 * BUG  BUG_OVERTAKES             -DSIZE=2
 * BUG  BUG_LOOKS_AT_LINE_FIRST   -DSIZE=2
 * BUG  BUG_CLOSES_WITHOUT_PEN    -DSIZE=2 -DEARLY
 * BUG  BUG_CLOSES_QUIETLY        -DSIZE=2
 * BUG  BUG_LEAVES_QUIETLY        -DSIZE=2 -DLEAVES
 * BUG  BUG_NO_ROOM_BELL          -DSIZE=2
 * BUG  BUG_FREES_FIRST           -DSIZE=2
 * BUG  BUG_PUBLISHES_FIRST       -DSIZE=2
 * BUG  BUG_REPAIR_QUIET          -DSIZE=2 -DALONE -DKILLS=1 -DVICTIMS=2
 * BUG  BUG_REPAIR_TRUSTS         -DSIZE=2 -DALONE -DKILLS=1 -DVICTIMS=2
 * BUG  BUG_REPAIR_RINGS_FIRST    -DSIZE=2 -DALONE -DKILLS=1 -DVICTIMS=8
 * BUG  BUG_REPAIR_KEEPS_TITLE    -DSIZE=2 -DALONE -DKILLS=1 -DVICTIMS=8
 */
#define PARTIES 3
inline died(v) {
	if	/* a process dies with all its goroutines */
	:: v == 1 && !fin[2] -> dead[2] = 1; asleep[2] = 0
	:: v == 2 && !fin[1] -> dead[1] = 1; asleep[1] = 0
	:: else
	fi
}
#include "world.h"

#ifndef LIMIT
#define LIMIT 1
#endif
#ifndef OTHER
#define OTHER 1	/* pieces that 2 writes */
#endif
#if defined(ALONE) || defined(EARLY)
#define CLOSES 1	/* which Write is the last one before Close */
#else
#define CLOSES 2
#endif
#define LENGTH (me == 1 -> SIZE : OTHER)
#define MINE 0	/* the writers' end */
#define THEIRS 1
#define DATA 0	/* the bell on which readers sleep */
#define ROOM 1
byte written, readPos, cell[LIMIT], pen, version[2];
bit over[2], awaited[2];
byte length, turn, seen;	/* of the writers' process: its line */
byte through;	/* Writes that are; nobody sees it */
bit eof;	/* and nor does anybody see this */

inline rouse(b) {
	d_step {
		if
		:: b == DATA -> asleep[3] = 0
		:: else -> asleep[1] = 0; asleep[2] = 0
		fi
	}
}

inline ring(b) {
	atomic {
		c = awaited[b];
		if
		:: c -> awaited[b] = 0; version[b]++
		:: else
		fi
	};
	if :: atomic { c -> c = 0; rouse(b) } :: else fi
}

/* Whoever is about to sleep announces it, looks again and then calls FUTEX_WAIT. */
inline announce(b) { atomic { awaited[b] = 1; x = version[b] } }
inline await(b) {
	if
	:: !ok ->
		atomic { if :: awaited[b] && version[b] == x -> asleep[me] = 1 :: else fi };
		!asleep[me]
	:: else
	fi;
	x = 0
}

/* writeSome writes nothing if there is no room for least pieces. The caller has pen. */
inline writeSome(least) {
	refused = over[MINE] || over[THEIRS];	/* with pen, the first of them stands still */
	if
	:: !refused ->
		d_step {
			if :: LIMIT - (written - seen) < LENGTH - wrote -> seen = readPos :: else fi;
			n = LIMIT - (written - seen);
			if :: n > LENGTH - wrote -> n = LENGTH - wrote :: else fi;
			if :: n < least -> n = 0 :: else fi
		};
#ifdef BUG_RINGS_FIRST
		ring(DATA);
#endif
#ifdef BUG_PUBLISHES_FIRST
		atomic { written = written + n; i = 0 };
		do
		:: i < n -> atomic { cell[(written - n + i) % LIMIT] = 4 * me + wrote + i; i++ }
		:: else -> break
		od;
#else
		do
		:: i < n -> atomic { cell[(written + i) % LIMIT] = 4 * me + wrote + i; i++ }
		:: else -> break
		od;
		atomic { assert(!eof || !n); written = written + n };
#endif
		atomic { wrote = wrote + n; i = 0; n = 0 }
	:: else
	fi
}

/* roomy says whether there may be room, or never will be. */
inline roomy() {
	ok = (written - readPos < LIMIT);
	if :: !ok -> ok = over[MINE] :: else fi;
	if :: !ok -> ok = over[THEIRS] :: else fi
}

#define CLEAR n = 0; i = 0; c = 0; x = 0; wrote = 0; refused = 0; ok = 0

proctype Writer(byte me) {
	byte n, i, c, x, wrote;
	bit refused, ok;
	{
#ifndef BUG_OVERTAKES
	if :: length == 0 :: else -> goto slow fi;
#endif
	atomic { if :: !pen -> pen = me :: else -> goto slow fi };
#if !defined(BUG_OVERTAKES) && !defined(BUG_LOOKS_AT_LINE_FIRST)
	if :: length == 0 :: else -> pen = 0; goto slow fi;
#endif
#ifdef BUG_PART_WITHOUT_TURN
	writeSome(1);
#else
	writeSome(LENGTH);
#endif
	pen = 0;
#ifndef BUG_RINGS_FIRST
	ring(DATA);
#endif
	if :: refused || wrote == LENGTH -> goto out :: else fi;
slow:
	length++;
	atomic { !turn -> turn = me };
again:
	atomic { !pen -> pen = me };
	writeSome(1);
	pen = 0;
#ifndef BUG_RINGS_FIRST
	ring(DATA);
#endif
	if :: refused || wrote == LENGTH -> goto left :: else fi;
	roomy();
	do
	:: ok -> break
	:: else ->
		announce(ROOM);
#ifndef BUG_LOOKS_ONCE
		roomy();
#endif
		await(ROOM);
		roomy()
	od;
	goto again;
left:
	turn = 0;
	length--;
out:
	atomic {
		wrote = 0;
		through++;
		if :: through == CLOSES :: else -> goto done fi
	};
#ifndef BUG_CLOSES_WITHOUT_PEN
	atomic { !pen -> pen = me };
#endif
	over[MINE] = 1;
#ifndef BUG_CLOSES_WITHOUT_PEN
	pen = 0;
#endif
	ring(ROOM);
#ifndef BUG_CLOSES_QUIETLY
	ring(DATA);
#endif
done:
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

/* readable says whether there is something to read, or never will be. */
inline readable() {
	ok = (written != readPos);
	if :: !ok -> ok = over[MINE] :: else fi
}

#undef CLEAR
#define CLEAR n = 0; i = 0; c = 0; x = 0; whose = 0; next = 0; ok = 0

proctype Reader(byte me) {
	byte n, i, c, x, whose, next;
	bit ok;
	{
	skip;
again:
	n = written - readPos;
	if
	:: !n ->
		if
		:: over[MINE] ->
#ifndef BUG_ENDS_BLINDLY
			n = written - readPos;
#endif
			if :: !n -> eof = 1; goto out :: else fi
		:: else ->
			readable();
			do
			:: ok -> break
			:: else ->
				announce(DATA);
#ifndef BUG_LOOKS_ONCE
				readable();
#endif
				await(DATA);
				readable()
			od;
			goto again
		fi
	:: else
	fi;
#ifdef BUG_FREES_FIRST
	readPos = readPos + n;
#define FROM (readPos - n)
#else
#define FROM readPos
#endif
	do
	:: i < n -> atomic {
			x = cell[(FROM + i) % LIMIT];
			if :: !next -> whose = x / 4 :: else fi;
			assert(x == 4 * whose + next);
			next = (next + 1) % (whose == 1 -> SIZE : OTHER);
			x = 0; i++ }
	:: else -> break
	od;
#ifndef BUG_FREES_FIRST
	readPos = readPos + n;
#endif
	atomic { i = 0; n = 0 };
#ifndef BUG_NO_ROOM_BELL
	ring(ROOM);
#endif
#ifndef LEAVES
	goto again;
#endif
out:
	over[THEIRS] = 1;
#ifndef BUG_LEAVES_QUIETLY
	ring(ROOM);
#endif
	ring(DATA);
	atomic { fin[me] = 1; CLEAR }
	} unless { d_step { dead[me] -> CLEAR } }
}

inline ringAnyway(b) {
#ifdef BUG_REPAIR_TRUSTS
	if :: awaited[b] -> version[b]++; rouse(b) :: else fi
#else
#ifndef BUG_REPAIR_SAME
	version[b]++;
	MAYDIE;
#endif
#ifndef BUG_REPAIR_QUIET
	rouse(b)
#endif
#endif
}

inline lose() {
#ifndef BUG_REPAIR_KEEPS_TITLE
	if :: d == 3 -> over[THEIRS] = 1 :: else -> over[MINE] = 1 fi;
#endif
	MAYDIE
}

proctype Repairer() {
	byte d;
again:
	d = 0;
end:	do
	:: atomic { ANY(TODO) -> pick() };
#ifndef BUG_REPAIR_RINGS_FIRST
		lose();
#endif
		d_step { if :: pen == d -> pen = 0 :: else fi };
		MAYDIE;
		ringAnyway(DATA);
		MAYDIE;
		ringAnyway(ROOM);
		MAYDIE;
#ifdef BUG_REPAIR_RINGS_FIRST
		lose();
#endif
		atomic { mended[d] = 1; d = 0 }
	od
}

init {
	atomic {
		run Writer(1); run Reader(3); run Repairer(); run Killer();
#ifdef ALONE
		fin[2] = 1
#else
		run Writer(2)
#endif
	}
	timeout -> assert(ALL(ENDED) && !ANY(TODO) && (!eof || readPos == written))
}
