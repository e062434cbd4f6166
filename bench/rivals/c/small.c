// small sem: ns for sem_wait and sem_post with nobody else
// small futex GAP CPU0 CPU1: round trip of two processes that sleep, GAP µs after the last, ns
// small memcpy SIZE: GB/s of one copy in cache
// small attach|create|allocate SIZE: ns of shm_open and mmap, one page touched, and munmap and close;
//   allocate has the file system allocate all of it, as Shoal does
#include "common.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void semaphore(void) {
	enum { N = 5000000 };
	sem_t *s = share(sizeof *s);
	sem_init(s, 1, 1);
	uint64_t start = now_ns();
	for (int i = 0; i < N; i++) sem_wait(s), sem_post(s);
	print_value((double)(now_ns() - start) / N);
}

static void await(_Atomic uint32_t *w, uint32_t not_this) {
	while (atomic_load(w) == not_this) syscall(SYS_futex, w, FUTEX_WAIT, not_this, NULL, NULL, 0);
}

static void publish(_Atomic uint32_t *w, uint32_t v) {
	atomic_store(w, v);
	syscall(SYS_futex, w, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void sleepers(useconds_t gap, int cpu0, int cpu1) {
	enum { N = 1000 };
	struct { _Alignas(128) _Atomic uint32_t there; _Alignas(128) _Atomic uint32_t back; } *s = share(512);
	if (!fork()) {
		pin(cpu1);
		for (uint32_t i = 0; i < N; i++) await(&s->there, i), publish(&s->back, i + 1);
		_exit(0);
	}
	pin(cpu0);
	static uint64_t times[N];
	for (uint32_t i = 0; i < N; i++) {
		if (gap) usleep(gap); // the other sleeps
		uint64_t start = now_ns();
		publish(&s->there, i + 1), await(&s->back, i);
		times[i] = now_ns() - start;
	}
	reap(1);
	print_times(times, N);
}

static void copy(size_t size) {
	unsigned char *a = share(size), *b = share(size);
	size_t n = (1ull << 31) / size;
	memset(a, 1, size), memset(b, 1, size);
	uint64_t start = now_ns();
	for (size_t i = 0; i < n; i++) {
		memcpy(b, a, size);
		__asm__ volatile("" ::: "memory");
	}
	print_value((double)n * (double)size / (double)(now_ns() - start));
}

static void segments(const char *how, size_t size) {
	int allocate = !strcmp(how, "allocate"), create = allocate || !strcmp(how, "create");
	enum { N = 2000 };
	static uint64_t times[N];
	char name[64];
	snprintf(name, sizeof name, "/bench-%d", getpid());
	int kept = -1;
	if (!create && ((kept = shm_open(name, O_CREAT | O_RDWR, 0600)) < 0 || ftruncate(kept, (off_t)size))) die("shm_open");
	for (int i = 0; i < N; i++) {
		uint64_t start = now_ns();
		int fd = shm_open(name, create ? O_CREAT | O_EXCL | O_RDWR : O_RDWR, 0600);
		if (fd < 0 || (create && (allocate ? posix_fallocate(fd, 0, (off_t)size) : ftruncate(fd, (off_t)size)))) die("shm_open");
		volatile unsigned char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p == MAP_FAILED) die("mmap");
		p[0] = 1;
		times[i] = now_ns() - start;
		munmap((void *)p, size), close(fd);
		if (create) shm_unlink(name);
	}
	if (!create) shm_unlink(name);
	print_times(times, N);
}

int main(int argc, char **argv) {
	if (argc < 2) return 2;
	if (!strcmp(argv[1], "sem")) semaphore();
	else if (!strcmp(argv[1], "futex")) sleepers((useconds_t)atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
	else if (!strcmp(argv[1], "memcpy")) copy(strtoull(argv[2], 0, 10));
	else segments(argv[1], strtoull(argv[2], 0, 10));
}
