/* One goroutine alone on a side of an SPSC queue: internal/ring/solo.go, and Enter
 * of internal/bare instruction by instruction.
 *
 * Goroutine enter (Enter: look, say so, look again, or turnedAway), and the work
 *           of claimAlone and Publish, or of claimInside and leave; else
 *           join, revoke, the work of the crowd, and part
 * Closer    end
 * Buffer    what plain stores wait in: see queue_fence.pml
 *
 * owner and inside are those of a tenure, cur says which one is the last. A fence
 * empties the buffers of all others, one after another. Whoever has worked as one of the
 * crowd may become the owner each time.
 *
 * Holds: an owner that is inside is alone: no other owner is, and nobody of the
 * crowd; who takes the ownership away sees what the owner has published; once end
 * has returned nobody is inside or comes in; nobody waits for ever.
 * Out of scope: the slots; deaths, which end all goroutines of a process at once;
 * how often a goroutine has to come alone before it becomes the owner.
 *
 * RUN  two goroutines            -DGOROUTINES=2 -DOPS=2
 * RUN  two, and the end          -DGOROUTINES=2 -DOPS=2 -DCLOSES
 * FULL three goroutines          -DGOROUTINES=3 -DOPS=1
 * LONG three, and the end        -DGOROUTINES=3 -DOPS=1 -DCLOSES
 * LONG two, more often           -DGOROUTINES=2 -DOPS=3 -DCLOSES
 * LONG three, more often         -DGOROUTINES=3 -DOPS=2
 * BUG  BUG_ONE_TENURE            -DGOROUTINES=2 -DOPS=2
 * BUG  BUG_NO_SECOND_LOOK        -DGOROUTINES=2 -DOPS=1
 * BUG  BUG_REVOKE_NO_FENCE       -DGOROUTINES=2 -DOPS=1
 * BUG  BUG_HEARS_NO_FENCE        -DGOROUTINES=2 -DOPS=2
 * BUG  BUG_LEAVES_QUIETLY        -DGOROUTINES=2 -DOPS=1
 * BUG  BUG_TURNED_QUIETLY        -DGOROUTINES=2 -DOPS=1
 * BUG  BUG_NO_TURN               -DGOROUTINES=2 -DOPS=2
 * BUG  BUG_ALONE_IN_A_CROWD      -DGOROUTINES=2 -DOPS=2
 * BUG  BUG_PARTS_QUIETLY         -DGOROUTINES=2 -DOPS=2 -DCLOSES
 * BUG  BUG_DEPARTS_QUIETLY       -DGOROUTINES=2 -DOPS=1 -DCLOSES
 */
#define ALONE 255
#define OVER 254
#define TENURES (GOROUTINES * OPS)	/* that there may be, beside the first one */
#ifdef BUG_ONE_TENURE
#define CELL(t) 0
#else
#define CELL(t) (t)
#endif
#define MESSAGE 100	/* in a buffer; else whose inside it is */

chan buffer[GOROUTINES + 2] = [6] of { byte, bit };
byte owner[TENURES + 1], cur, tenures, crowd = ALONE;
bit inside[TENURES + 1], wanted, turn, idle, empty_, ending, closed;
/* What nobody sees: who works, and how many messages wait in buffers. */
byte alone, many, underway;

inline apply(v) {
	buffer[v] ? w, b;
	if
	:: w == MESSAGE -> underway--
	:: else -> inside[w] = b
	fi;
	w = 0; b = 0
}
inline flush(v) { atomic { do :: nempty(buffer[v]) -> apply(v) :: empty(buffer[v]) -> break od } }
inline fence() {
	flush(1);
	flush(2);
#if GOROUTINES > 2
	flush(3);
#endif
}
/* An exchange, and whatever is one, waits until the own buffer is empty. */
#define MINE empty(buffer[me])

proctype Buffer() {
	byte w; bit b;
end:	do
	:: atomic { nempty(buffer[1]) -> apply(1) }
	:: atomic { nempty(buffer[2]) -> apply(2) }
#if GOROUTINES > 2
	:: atomic { nempty(buffer[3]) -> apply(3) }
#endif
	od
}

/* A channel is locked by an exchange, but who finds it full does not lock it. */
inline ring() { if :: atomic { !idle && MINE -> idle = 1 } :: idle fi }

/* revoke: crowd was ALONE */
inline revoke() {
#ifndef BUG_NO_TURN
	atomic { MINE && !turn -> turn = 1 };
#endif
	if
	:: crowd != ALONE
	:: else ->
		t = cur;
		atomic { MINE -> wanted = 1 };
		owner[CELL(t)] = 0;
#ifndef BUG_REVOKE_NO_FENCE
		fence();
#endif
		do
		:: inside[CELL(t)] ->
			atomic { idle -> idle = 0 };
#ifndef BUG_HEARS_NO_FENCE
			fence()
#endif
		:: else -> break
		od;
		wanted = 0;
		crowd = 0
	fi;
	atomic { turn = 0; t = 0 }
}

proctype Goroutine(byte me) {
	byte t, k, w; bit b;
	do
	:: k < OPS ->
		k++;
		t = cur;
		if :: owner[CELL(t)] == me :: else -> goto others fi;
		buffer[me] ! CELL(t), 1;
#ifndef BUG_NO_SECOND_LOOK
		if
		:: owner[CELL(t)] == me
		:: else ->
			buffer[me] ! CELL(t), 0;
#ifndef BUG_TURNED_QUIETLY
			ring();
#endif
			goto others
		fi;
#endif
		atomic { assert(!alone && !many && !closed); alone = me };
		if
		:: atomic { assert(alone == me && !many); alone = 0; underway++; buffer[me] ! MESSAGE, 1 };
			buffer[me] ! CELL(cur), 0
		:: atomic { MINE -> assert(alone == me && !many); alone = 0 };
			inside[CELL(cur)] = 0
		fi;
#ifndef BUG_LEAVES_QUIETLY
		if :: wanted -> ring() :: else fi;
#endif
		goto next;
others:		t = 0;
join:		if
		:: crowd == OVER -> goto next
		:: crowd == ALONE -> revoke(); goto join
		:: atomic { crowd < OVER && MINE -> crowd++ }
		fi;
		atomic { assert(!alone && !closed && underway == 0); many++ };
		many--;
		if
		:: atomic { tenures < TENURES -> tenures++; t = tenures };
			owner[CELL(t)] = me;
			cur = t;
			if
#ifdef BUG_ALONE_IN_A_CROWD
			:: atomic { crowd < OVER -> crowd = ALONE }
#else
			:: atomic { crowd == 1 -> crowd = ALONE }
#endif
#ifndef BUG_PARTS_QUIETLY
				if :: ending -> empty_ = 1 :: else fi;
#endif
				goto next
			:: else -> owner[CELL(t)] = 0
			fi
		:: true
		fi;
		atomic { crowd--; w = crowd };
#ifndef BUG_DEPARTS_QUIETLY
		if :: w == 0 -> empty_ = 1 :: else fi;
#endif
next:		atomic { t = 0; w = 0 }
	:: else -> break
	od;
	k = 0
}

proctype Closer() {
	byte t, w, me = GOROUTINES + 1; bit b;
	ending = 1;
	do
	:: crowd == OVER -> empty_ = 1; break
	:: crowd == ALONE -> revoke()
	:: atomic { crowd == 0 -> crowd = OVER }
	:: crowd > 0 && crowd < OVER -> atomic { empty_ -> empty_ = 0 }
	od;
	atomic { assert(!alone && !many && underway == 0); closed = 1 }
}

init {
	atomic {
		owner[0] = 1;
		run Buffer(); run Goroutine(1); run Goroutine(2);
#if GOROUTINES > 2
		run Goroutine(3);
#endif
#ifdef CLOSES
		run Closer()
#endif
	}
}
