// What the programs share: time, placement, shared memory, and the one line of
// JSON that each prints.
#ifndef COMMON_H
#define COMMON_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t now_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void die(const char *what) {
	perror(what);
	exit(1);
}

static inline void pin(int cpu) {
	if (cpu < 0) return;
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set)) die("sched_setaffinity");
}

static inline void *share(size_t n) {
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (p == MAP_FAILED) die("mmap");
	return p;
}

// used tells the compiler that somebody looks at what p points to. A message that
// nobody looks at is not copied out of a ring that was compiled into its caller.
static inline void used(const void *p) { __asm__ volatile("" : : "r"(p) : "memory"); }

static inline void relax(void) { __builtin_ia32_pause(); }

static inline void print_value(double value) { printf("{\"value\":%.6g}\n", value); }

static inline int by_size(const void *a, const void *b) {
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

// print_sample prints a value, and percentiles of n times, which it sorts.
static inline void print_sample(double value, uint64_t *ns, size_t n) {
	qsort(ns, n, sizeof *ns, by_size);
	printf("{\"value\":%.6g,\"p50\":%llu,\"p99\":%llu,\"p999\":%llu}\n", value,
		(unsigned long long)ns[(n + 1) / 2 - 1], (unsigned long long)ns[(n * 99 + 99) / 100 - 1], (unsigned long long)ns[(n * 999 + 999) / 1000 - 1]);
}

static inline int by_mean(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

// LAPS is into how many parts round trips are cut, of which the median counts.
#define LAPS 40

// trips_of is how many round trips print_trips makes in all.
static inline size_t trips_of(size_t rounds) { return rounds / 10 + rounds / LAPS * LAPS + rounds; }

// PRINT_TRIPS measures as the program in Go does: it warms up, takes means without
// a clock between the trips, and then percentiles of single trips.
#define PRINT_TRIPS(rounds, trip) do { \
	size_t n_ = (rounds); \
	double means_[LAPS]; \
	uint64_t *times_ = (uint64_t *)calloc(n_, sizeof *times_), start_; \
	if (!times_) die("calloc"); \
	for (size_t i_ = 0; i_ < n_ / 10; i_++) { trip; } \
	for (int lap_ = 0; lap_ < LAPS; lap_++) { \
		start_ = now_ns(); \
		for (size_t i_ = 0; i_ < n_ / LAPS; i_++) { trip; } \
		means_[lap_] = (double)(now_ns() - start_) / (double)(n_ / LAPS); \
	} \
	for (size_t i_ = 0; i_ < n_; i_++) { \
		start_ = now_ns(); \
		trip; \
		times_[i_] = now_ns() - start_; \
	} \
	qsort(means_, LAPS, sizeof *means_, by_mean); \
	print_sample(means_[LAPS / 2], times_, n_); \
} while (0)

// print_times prints the median of n times as the value, and percentiles.
static inline void print_times(uint64_t *ns, size_t n) {
	qsort(ns, n, sizeof *ns, by_size);
	print_sample((double)ns[n / 2], ns, n);
}

static inline void reap(int children) {
	for (int i = 0; i < children; i++) {
		int status;
		if (wait(&status) < 0 || status) exit(1);
	}
}
#endif
