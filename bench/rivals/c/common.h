// What the programs share: time, placement, shared memory, and the one line of
// JSON that each prints.
#ifndef COMMON_H
#define COMMON_H
#define _GNU_SOURCE
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

static inline void relax(void) { __builtin_ia32_pause(); }

static inline void print_value(double value) { printf("{\"value\":%.6g}\n", value); }

static int by_size(const void *a, const void *b) {
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

// print_times prints the median of n times as the value, and percentiles.
static inline void print_times(uint64_t *ns, size_t n) {
	qsort(ns, n, sizeof *ns, by_size);
	printf("{\"value\":%llu,\"p50\":%llu,\"p99\":%llu,\"p999\":%llu}\n", (unsigned long long)ns[n / 2],
		(unsigned long long)ns[n / 2], (unsigned long long)ns[n * 99 / 100], (unsigned long long)ns[n * 999 / 1000]);
}

static inline void reap(int children) {
	for (int i = 0; i < children; i++) {
		int status;
		if (wait(&status) < 0 || status) exit(1);
	}
}
#endif
