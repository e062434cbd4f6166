// mq stream SIZE CPU0 CPU1: million messages a second over one POSIX message queue
// mq rtt SIZE CPU0 CPU1: time of one message there and back over two
#include "common.h"
#include <fcntl.h>
#include <mqueue.h>

static mqd_t make(const char *what, long size) {
	char name[64];
	struct mq_attr a = {.mq_maxmsg = 1024, .mq_msgsize = size};
	snprintf(name, sizeof name, "/bench-%s-%d", what, getpid());
	mqd_t q = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &a);
	if (q == (mqd_t)-1) { // only root may have it so deep; everybody may have this
		a.mq_maxmsg = 10;
		q = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &a);
	}
	if (q == (mqd_t)-1) die("mq_open");
	mq_unlink(name);
	return q;
}

static void put(mqd_t q, char *msg, size_t n) {
	if (mq_send(q, msg, n, 0)) die("mq_send");
}

static void get(mqd_t q, char *msg, size_t n) {
	if (mq_receive(q, msg, n, NULL) < 0) die("mq_receive");
}

int main(int argc, char **argv) {
	if (argc != 5) return 2;
	size_t size = strtoull(argv[2], 0, 10);
	char *msg = calloc(1, size);
	int cpu0 = atoi(argv[3]), cpu1 = atoi(argv[4]);
	mqd_t there = make("there", (long)size), back = make("back", (long)size);
	enum { ROUNDS = 2000 };
	int streams = argv[1][0] == 's';
	pid_t child = fork();
	if (!child) {
		pin(cpu1);
		if (streams) for (;;) put(there, msg, size);
		for (size_t i = 0; i < trips_of(ROUNDS); i++) get(there, msg, size), put(back, msg, size);
		_exit(0);
	}
	pin(cpu0);
	if (streams) {
		get(there, msg, size);
		uint64_t start = now_ns(), n = 0;
		while (now_ns() - start < 400000000)
			for (int k = 0; k < 16; k++, n++) get(there, msg, size);
		print_value((double)n * 1e3 / (double)(now_ns() - start));
		fflush(stdout);
		kill(child, 9);
		return 0;
	}
	PRINT_TRIPS(ROUNDS, (put(there, msg, size), get(back, msg, size)));
	reap(1);
}
