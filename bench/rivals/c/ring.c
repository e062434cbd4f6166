// ring spsc|mpmc SIZE BATCH PRODUCERS CONSUMERS CPU0 CPU1: million messages a second
// ring rtt SIZE ROUNDS CPU0 CPU1: time of one message there and back, over two rings
//
// The rings that hand-written C has: one producer and one consumer with cached
// positions, and Vyukov's for many. Neither survives the death of a process.
#include "common.h"
#include <stdatomic.h>

#define LINE 128
#define SECONDS_NS 400000000ull

typedef struct {
	_Alignas(LINE) _Atomic uint64_t tail;
	uint64_t head_seen; // the producer's copy of head
	_Alignas(LINE) _Atomic uint64_t head;
	uint64_t tail_seen; // the consumer's copy of tail
	_Alignas(LINE) uint64_t cap, size, stride;
	_Alignas(LINE) unsigned char slots[];
} ring;

typedef struct {
	_Atomic uint64_t turn;
	unsigned char payload[];
} cell;

static ring *make(uint64_t cap, uint64_t size, int many) {
	uint64_t stride = many ? (size + sizeof(cell) + 63) / 64 * 64 : (size + 7) / 8 * 8;
	ring *r = share(sizeof(ring) + cap * stride);
	r->cap = cap, r->size = size, r->stride = stride;
	for (uint64_t i = 0; many && i < cap; i++) ((cell *)(r->slots + i * stride))->turn = i;
	return r;
}

static inline void fill(unsigned char *to, const unsigned char *from, uint64_t size) {
	switch (size) { // a constant lets the compiler copy inline, as it would in a program that knows its type
	case 8: memcpy(to, from, 8); break;
	case 64: memcpy(to, from, 64); break;
	case 1024: memcpy(to, from, 1024); break;
	default: memcpy(to, from, size);
	}
}

static inline void spsc_put(ring *r, const unsigned char *msg, uint64_t n) {
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	while (tail + n - r->head_seen > r->cap) {
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
		if (tail + n - r->head_seen > r->cap) relax();
	}
	for (uint64_t i = 0; i < n; i++) fill(r->slots + ((tail + i) & (r->cap - 1)) * r->stride, msg, r->size);
	atomic_store_explicit(&r->tail, tail + n, memory_order_release);
}

static inline uint64_t spsc_get(ring *r, unsigned char *msg, uint64_t most) {
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed), n;
	while ((n = r->tail_seen - head) == 0) {
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
		if (r->tail_seen == head) relax();
	}
	if (n > most) n = most;
	for (uint64_t i = 0; i < n; i++) fill(msg, r->slots + ((head + i) & (r->cap - 1)) * r->stride, r->size), used(msg);
	atomic_store_explicit(&r->head, head + n, memory_order_release);
	return n;
}

static inline void mpmc_put(ring *r, const unsigned char *msg) {
	uint64_t pos = atomic_load_explicit(&r->tail, memory_order_relaxed);
	for (int idle = 0;;) {
		cell *c = (cell *)(r->slots + (pos & (r->cap - 1)) * r->stride);
		int64_t ahead = (int64_t)(atomic_load_explicit(&c->turn, memory_order_acquire) - pos);
		if (ahead == 0) {
			if (atomic_compare_exchange_weak_explicit(&r->tail, &pos, pos + 1, memory_order_relaxed, memory_order_relaxed)) {
				fill(c->payload, msg, r->size);
				atomic_store_explicit(&c->turn, pos + 1, memory_order_release);
				return;
			}
		} else {
			if (ahead < 0 && ++idle % 256 == 0) sched_yield();
			else if (ahead < 0) relax();
			pos = atomic_load_explicit(&r->tail, memory_order_relaxed);
		}
	}
}

static inline int mpmc_get(ring *r, unsigned char *msg, _Atomic int *stop) {
	uint64_t pos = atomic_load_explicit(&r->head, memory_order_relaxed);
	for (int idle = 0;;) {
		cell *c = (cell *)(r->slots + (pos & (r->cap - 1)) * r->stride);
		int64_t ahead = (int64_t)(atomic_load_explicit(&c->turn, memory_order_acquire) - (pos + 1));
		if (ahead == 0) {
			if (atomic_compare_exchange_weak_explicit(&r->head, &pos, pos + 1, memory_order_relaxed, memory_order_relaxed)) {
				fill(msg, c->payload, r->size), used(msg);
				atomic_store_explicit(&c->turn, pos + r->cap, memory_order_release);
				return 1;
			}
		} else {
			if (ahead < 0 && atomic_load_explicit(stop, memory_order_relaxed)) return 0;
			if (ahead < 0 && ++idle % 256 == 0) sched_yield();
			else if (ahead < 0) relax();
			pos = atomic_load_explicit(&r->head, memory_order_relaxed);
		}
	}
}

static uint64_t capacity(uint64_t size) { return size > 1 << 20 ? 2 : size > 4096 ? 8 : size > 256 ? 256 : 4096; }

static void throughput(int many, uint64_t size, uint64_t batch, int producers, int consumers, int cpu0, int cpu1) {
	ring *r = make(capacity(size), size, many);
	struct { _Atomic int stop; _Alignas(LINE) _Atomic uint64_t got[64]; } *all = share(sizeof *all);
	for (int i = 0; i < producers + consumers; i++) {
		if (fork()) continue;
		pin(i < producers ? cpu0 : cpu1);
		unsigned char *msg = calloc(1, size);
		uint64_t n = 0;
		if (i < producers) {
			while (!atomic_load_explicit(&all->stop, memory_order_relaxed)) {
				for (int k = 0; k < 64; k++) many ? mpmc_put(r, msg) : spsc_put(r, msg, batch);
			}
			_exit(0);
		}
		// The consumer that first gets nothing more after the end is done; the last message wakes nobody.
		uint64_t start = now_ns();
		while (now_ns() - start < SECONDS_NS) {
			for (int k = 0; k < 256; k++) n += many ? (uint64_t)mpmc_get(r, msg, &all->stop) : spsc_get(r, msg, batch);
		}
		atomic_store(&all->got[i], (uint64_t)((double)n * 1e9 / (double)(now_ns() - start)));
		atomic_store(&all->stop, 1);
		if (!many) r->cap = 1ull << 62; // the producer must not wait for room
		else while (mpmc_get(r, msg, &all->stop)) {}
		_exit(0);
	}
	// Producers may wait for room that nobody makes: the parent makes it. Until then it
	// sleeps, for there is no third processor.
	unsigned char *msg = calloc(1, size);
	for (int left = producers + consumers; left > 0;) {
		if (waitpid(-1, NULL, WNOHANG) > 0) left--;
		else if (!atomic_load(&all->stop)) usleep(1000);
		else if (many) mpmc_get(r, msg, &all->stop);
	}
	double sum = 0;
	for (int i = 0; i < 64; i++) sum += (double)atomic_load(&all->got[i]);
	print_value(sum / 1e6);
}

static void round_trip(uint64_t size, size_t rounds, int cpu0, int cpu1) {
	ring *there = make(capacity(size), size, 0), *back = make(capacity(size), size, 0);
	unsigned char *msg = calloc(1, size);
	if (!fork()) {
		pin(cpu1);
		for (size_t i = 0; i < trips_of(rounds); i++) spsc_get(there, msg, 1), spsc_put(back, msg, 1);
		_exit(0);
	}
	pin(cpu0);
	PRINT_TRIPS(rounds, (spsc_put(there, msg, 1), spsc_get(back, msg, 1)));
	reap(1);
}

int main(int argc, char **argv) {
	if (argc == 8) throughput(argv[1][0] == 'm', strtoull(argv[2], 0, 10), strtoull(argv[3], 0, 10), atoi(argv[4]), atoi(argv[5]), atoi(argv[6]), atoi(argv[7]));
	else if (argc == 6) round_trip(strtoull(argv[2], 0, 10), strtoull(argv[3], 0, 10), atoi(argv[4]), atoi(argv[5]));
	else return 2;
}
