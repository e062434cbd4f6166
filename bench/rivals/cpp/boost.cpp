// needs: /usr/include/boost/lockfree/spsc_queue.hpp, by apt-get install libboost-dev
//
// boost spsc|mpmc|mq SIZE CPU0 CPU1: million messages a second from one process to
//   another, by lockfree::spsc_queue, lockfree::queue, interprocess::message_queue
#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>

#include <array>
#include <atomic>
#include <new>
#include <string>

#include "../c/common.h"

template <size_t N> using message = std::array<unsigned char, N>;

template <size_t N> constexpr size_t depth = N > 4096 ? 8 : N > 256 ? 256 : 4096;

// stream has a child put and this process get, for 0.4 s.
template <class Put, class Get> static int stream(int cpu0, int cpu1, Put put, Get get) {
	pid_t child = fork();
	if (child == 0) {
		pin(cpu1);
		for (;;) put();
	}
	pin(cpu0);
	get();
	uint64_t start = now_ns(), n = 0;
	while (now_ns() - start < 400000000)
		for (int k = 0; k < 64; k++, n++) get();
	print_value(double(n) * 1e3 / double(now_ns() - start));
	fflush(stdout);
	kill(child, SIGKILL);
	return 0;
}

template <class Q, size_t N> static int ring(int cpu0, int cpu1) {
	Q *q = new (share(sizeof(Q) + 4096)) Q();
	message<N> in{}, out{};
	return stream(cpu0, cpu1, [&] { used(&in); while (!q->push(in)) relax(); }, [&] { while (!q->pop(out)) relax(); used(&out); });
}

template <size_t N> static int kinds(const std::string &kind, int cpu0, int cpu1) {
	namespace lf = boost::lockfree;
	using one = lf::spsc_queue<message<N>, lf::capacity<depth<N>>>;
	using many = lf::queue<message<N>, lf::capacity<depth<N>>>;
	if (kind == "spsc") return ring<one, N>(cpu0, cpu1);
	if (kind == "mpmc") return ring<many, N>(cpu0, cpu1);
	namespace ip = boost::interprocess;
	std::string name = "bench-" + std::to_string(getpid());
	ip::message_queue q(ip::create_only, name.c_str(), N > 4096 ? 64 : 1024, N);
	ip::message_queue::remove(name.c_str());
	message<N> in{}, out{};
	unsigned priority;
	ip::message_queue::size_type got;
	return stream(cpu0, cpu1, [&] { q.send(in.data(), N, 0); }, [&] { q.receive(out.data(), N, got, priority); });
}

int main(int argc, char **argv) {
	if (argc != 5) return 2;
	int cpu0 = atoi(argv[3]), cpu1 = atoi(argv[4]);
	switch (atoi(argv[2])) {
	case 8: return kinds<8>(argv[1], cpu0, cpu1);
	case 64: return kinds<64>(argv[1], cpu0, cpu1);
	case 1024: return kinds<1024>(argv[1], cpu0, cpu1);
	case 65536: return kinds<65536>(argv[1], cpu0, cpu1);
	}
	return 2;
}
