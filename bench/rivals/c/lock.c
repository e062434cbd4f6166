// lock alone KIND: ns for lock and unlock with nobody else
// lock share KIND PROCESSES CPU0 CPU1: million locks a second, and the least share of a process in per cent
// lock waits KIND PROCESSES CPU0 CPU1: the longest time that a process waited for one lock, ns
// lock death KIND KILLS CPU0 CPU1: from the kill of a process that holds the lock until another has it, ns
// KIND: robust (pthread, process-shared and robust), futex (three states, no owner)
#include "common.h"
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

typedef struct {
	_Alignas(128) pthread_mutex_t robust;
	_Alignas(128) _Atomic uint32_t word;
	_Alignas(128) uint64_t counter;
	_Alignas(128) _Atomic int there, go;
	uint64_t got;
	_Alignas(128) struct { uint64_t locks, longest, pad[14]; } each[64];
} shared;

static int futex_kind;

static void futex(_Atomic uint32_t *w, int op, uint32_t val) { syscall(SYS_futex, w, op, val, NULL, NULL, 0); }

static inline void lock(shared *s) {
	if (!futex_kind) {
		if (pthread_mutex_lock(&s->robust)) die("lock");
		return;
	}
	uint32_t c = 0;
	if (atomic_compare_exchange_strong_explicit(&s->word, &c, 1, memory_order_acquire, memory_order_relaxed)) return;
	if (c != 2) c = atomic_exchange(&s->word, 2);
	while (c != 0) {
		futex(&s->word, FUTEX_WAIT, 2);
		c = atomic_exchange(&s->word, 2);
	}
}

static inline int try_lock(shared *s) {
	if (!futex_kind) return pthread_mutex_trylock(&s->robust) == 0;
	uint32_t c = 0;
	return atomic_compare_exchange_strong_explicit(&s->word, &c, 1, memory_order_acquire, memory_order_relaxed);
}

static inline void unlock(shared *s) {
	if (!futex_kind) {
		if (pthread_mutex_unlock(&s->robust)) die("unlock");
		return;
	}
	if (atomic_fetch_sub(&s->word, 1) != 1) {
		atomic_store(&s->word, 0);
		futex(&s->word, FUTEX_WAKE, 1);
	}
}

static shared *make(void) {
	shared *s = share(sizeof *s);
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	if (pthread_mutex_init(&s->robust, &a)) die("pthread_mutex_init");
	return s;
}

static void alone(shared *s) {
	enum { N = 5000000 };
	for (int i = 0; i < N / 10; i++) lock(s), unlock(s);
	uint64_t start = now_ns();
	for (int i = 0; i < N; i++) lock(s), unlock(s);
	print_value((double)(now_ns() - start) / N);
}

static void side(shared *s, int i, int timed) {
	uint64_t longest = 0, locks = 0, window = timed ? 1000000000 : 400000000;
	for (uint64_t start = now_ns(); now_ns() - start < window; locks += 16) {
		for (int k = 0; k < 16; k++) {
			if (!timed) lock(s);
			else if (!try_lock(s)) {
				uint64_t begin = now_ns();
				lock(s);
				uint64_t waited = now_ns() - begin;
				if (waited > longest) longest = waited;
			}
			s->counter++;
			unlock(s);
		}
	}
	s->each[i].locks = locks, s->each[i].longest = longest;
}

static void contend(shared *s, int n, int timed, int cpu0, int cpu1) {
	for (int i = 0; i < n; i++) {
		if (fork()) continue;
		if (n == 2) pin(i ? cpu1 : cpu0);
		atomic_fetch_add(&s->there, 1);
		while (!atomic_load(&s->go)) usleep(100);
		side(s, i, timed);
		_exit(0);
	}
	while (atomic_load(&s->there) < n) usleep(100);
	atomic_store(&s->go, 1);
	reap(n);
	uint64_t sum = 0, least = UINT64_MAX, longest = 0;
	for (int i = 0; i < n; i++) {
		sum += s->each[i].locks;
		if (s->each[i].locks < least) least = s->each[i].locks;
		if (s->each[i].longest > longest) longest = s->each[i].longest;
	}
	if (sum != s->counter) die("the books do not balance");
	if (timed) print_value((double)longest);
	else printf("{\"value\":%.6g,\"more\":{\"least share\":%.4g}}\n", (double)sum / 0.4e6, 100.0 * (double)least / (double)sum);
}

static void *wait_for_it(void *arg) {
	shared *s = arg;
	if (pthread_mutex_lock(&s->robust) != EOWNERDEAD) die("the owner is not dead");
	s->got = now_ns();
	pthread_mutex_consistent(&s->robust);
	pthread_mutex_unlock(&s->robust);
	return NULL;
}

static void deaths(shared *s, int kills, int cpu0, int cpu1) {
	uint64_t *times = calloc((size_t)kills, sizeof *times);
	pin(cpu0);
	for (int i = 0; i < kills; i++) {
		atomic_store(&s->there, 0);
		pid_t child = fork();
		if (!child) {
			pin(cpu1);
			lock(s);
			atomic_store(&s->there, 1);
			for (;;) pause();
		}
		while (!atomic_load(&s->there)) usleep(100);
		pthread_t waiter;
		if (pthread_create(&waiter, NULL, wait_for_it, s)) die("pthread_create");
		usleep(1000); // it sleeps
		uint64_t start = now_ns();
		kill(child, SIGKILL);
		pthread_join(waiter, NULL);
		times[i] = s->got - start;
		waitpid(child, NULL, 0);
	}
	print_times(times, (size_t)kills);
}

int main(int argc, char **argv) {
	if (argc < 3) return 2;
	futex_kind = argv[2][0] == 'f';
	shared *s = make();
	if (argc == 3) alone(s);
	else if (argv[1][0] == 'd') deaths(s, atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
	else contend(s, atoi(argv[3]), argv[1][0] == 'w', atoi(argv[4]), atoi(argv[5]));
}
