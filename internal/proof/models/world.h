/* What the models share: participants that may be killed before any step of
 * theirs, and futexes that wake anybody who sleeps on them.
 *
 * A model defines PARTIES, and died(v), which runs in the instant at which
 * participant v is killed, and then includes this. A proctype's body is
 *
 *	{ steps } unless { d_step { dead[me] -> its variables are cleared } }
 *
 * so that a kill takes effect between two steps. A step is one statement or one
 * atomic or d_step: one access to one shared word, or one system call. A loop
 * that reads a word and exchanges it, and decides by nothing but the value that
 * it replaces, is one step too.
 *
 * Whoever repairs notices a death at any later time. By then no instruction of
 * the dead runs: that the kernel and membarrier(2) see to this is assumed.
 * Nobody ever looks again by himself after a time, as sleepers do after 250 ms:
 * a lost wake-up is an invalid end state.
 */
#ifndef KILLS
#define KILLS 0
#endif
#ifndef REPAIRERS
#define REPAIRERS 0 /* how many of those who repair die while they do */
#endif
#ifndef CANCELS
#define CANCELS 0
#endif

bit dead[PARTIES + 1], fin[PARTIES + 1], mended[PARTIES + 1], asleep[PARTIES + 1];
byte kills = KILLS, repairers = REPAIRERS, cancels = CANCELS;

#define ENDED(v) (fin[v] || mended[v])
#define TODO(v) (dead[v] && !mended[v])
#if PARTIES == 1
#define ANY(f) (f(1))
#define ALL(f) (f(1))
#elif PARTIES == 2
#define ANY(f) (f(1) || f(2))
#define ALL(f) (f(1) && f(2))
#elif PARTIES == 3
#define ANY(f) (f(1) || f(2) || f(3))
#define ALL(f) (f(1) && f(2) && f(3))
#elif PARTIES == 4
#define ANY(f) (f(1) || f(2) || f(3) || f(4))
#define ALL(f) (f(1) && f(2) && f(3) && f(4))
#else
#define ANY(f) (f(1) || f(2) || f(3) || f(4) || f(5))
#define ALL(f) (f(1) && f(2) && f(3) && f(4) && f(5))
#endif
#define SLEEPS(v) asleep[v]
#define ANYBODY ANY(SLEEPS)
#define EVERYBODY PARTIES

/* FUTEX_WAKE(k): wakes any k sleepers, and counts them in woken. */
#define ONE(v) :: woken < (k_) && asleep[v] -> asleep[v] = 0; woken++
inline wake(k_) {
	atomic {
		woken = 0;
		do
		ONE(1)
#if PARTIES > 1
		ONE(2)
#endif
#if PARTIES > 2
		ONE(3)
#endif
#if PARTIES > 3
		ONE(4)
#endif
#if PARTIES > 4
		ONE(5)
#endif
		:: woken == (k_) || !ANYBODY -> break
		od
	}
}

/* A repairer may die here; its successor begins again at the label again. */
#if REPAIRERS > 0
#define MAYDIE if :: atomic { repairers > 0 -> repairers--; goto again } :: skip fi
#else
#define MAYDIE skip
#endif

/* PICK(d) chooses one of the dead that are not repaired. */
#define DEAD(v) :: TODO(v) -> d = v
inline pick() {
	if
	DEAD(1)
#if PARTIES > 1
	DEAD(2)
#endif
#if PARTIES > 2
	DEAD(3)
#endif
#if PARTIES > 3
	DEAD(4)
#endif
#if PARTIES > 4
	DEAD(5)
#endif
	fi
}

#ifndef VICTIMS
#define VICTIMS 255 /* bit v: participant v may be killed */
#endif
#define KILL(v) :: atomic { kills > 0 && ((VICTIMS >> v) & 1) && !dead[v] && !fin[v] -> dead[v] = 1; asleep[v] = 0; kills--; died(v) }
proctype Killer() {
end:	do
	KILL(1)
#if PARTIES > 1
	KILL(2)
#endif
#if PARTIES > 2
	KILL(3)
#endif
#if PARTIES > 3
	KILL(4)
#endif
#if PARTIES > 4
	KILL(5)
#endif
	:: false
	od
}
