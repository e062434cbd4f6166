// lock alone KIND: ns for lock and unlock with nobody else
// lock share KIND PROCESSES CPU0 CPU1: million locks a second; prints also the smallest
//   share of a process in per cent as p50 and the longest wait in ns as p999
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
	_Alignas(128) _Atomic int stop;
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

static void contend(shared *s, int n, int cpu0, int cpu1) {
	for (int i = 0; i < n; i++) {
		if (fork()) continue;
		if (n == 2) pin(i ? cpu1 : cpu0);
		uint64_t start = now_ns(), longest = 0, locks = 0;
		for (uint64_t last = start; last - start < 400000000;) {
			uint64_t before = last;
			for (int k = 0; k < 16; k++) {
				lock(s);
				s->counter++;
				unlock(s);
			}
			locks += 16;
			last = now_ns();
			if (last - before > longest) longest = last - before;
		}
		s->each[i].locks = locks, s->each[i].longest = longest;
		_exit(0);
	}
	reap(n);
	uint64_t sum = 0, least = UINT64_MAX, longest = 0;
	for (int i = 0; i < n; i++) {
		sum += s->each[i].locks;
		if (s->each[i].locks < least) least = s->each[i].locks;
		if (s->each[i].longest > longest) longest = s->each[i].longest;
	}
	if (sum != s->counter) die("the books do not balance");
	printf("{\"value\":%.6g,\"p50\":%.4g,\"p999\":%llu}\n", (double)sum / 0.4e6, 100.0 * (double)least / (double)sum, (unsigned long long)longest);
}

int main(int argc, char **argv) {
	if (argc < 3) return 2;
	futex_kind = argv[2][0] == 'f';
	shared *s = make();
	if (argc == 3) alone(s);
	else contend(s, atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
}
