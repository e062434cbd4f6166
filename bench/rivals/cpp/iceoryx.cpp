// needs: /usr/include/iceoryx/v2.0.3/iceoryx_posh/popo/publisher.hpp, by apt-get install iceoryx libiceoryx-posh-dev libiceoryx-hoofs-dev
// flags: -std=c++17 -I/usr/include/iceoryx/v2.0.3 -liceoryx_posh -liceoryx_hoofs -liceoryx_platform
//
// iceoryx stream|rtt SIZE CPU0 CPU1: million messages a second from one process to
//   another, or the time of one there and back; both poll
#include <array>
#include <atomic>
#include <iostream>
#include <new>
#include <string>

#include "iceoryx_hoofs/log/logmanager.hpp"
#include "iceoryx_posh/popo/publisher.hpp"
#include "iceoryx_posh/popo/subscriber.hpp"
#include "iceoryx_posh/runtime/posh_runtime.hpp"

#include "../c/common.h"

template <size_t N> struct message { unsigned char bytes[N]; };

static pid_t roudi; // the daemon, without which nothing works

static void start_daemon() {
	int ends[2];
	if (pipe(ends)) die("pipe");
	roudi = fork();
	if (roudi == 0) {
		dup2(ends[1], 1);
		execlp("iox-roudi", "iox-roudi", "-m", "off", (char *)nullptr);
		_exit(127);
	}
	close(ends[1]);
	std::string said;
	char c;
	while (said.find("ready for clients") == std::string::npos) {
		if (read(ends[0], &c, 1) != 1) { fputs("iox-roudi does not start\n", stderr); exit(1); }
		said += c;
	}
}

template <size_t N> struct end {
	iox::popo::Publisher<message<N>> out;
	iox::popo::Subscriber<message<N>> in;

	static iox::popo::PublisherOptions publisher() {
		iox::popo::PublisherOptions o;
		o.subscriberTooSlowPolicy = iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
		return o;
	}
	static iox::popo::SubscriberOptions subscriber() {
		iox::popo::SubscriberOptions o;
		o.queueCapacity = 256;
		o.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
		return o;
	}
	end(const char *to, const char *from)
		: out({"bench", iox::capro::IdString_t(iox::cxx::TruncateToCapacity, to), "m"}, publisher()),
		  in({"bench", iox::capro::IdString_t(iox::cxx::TruncateToCapacity, from), "m"}, subscriber()) {
		while (!out.hasSubscribers() || in.getSubscriptionState() != iox::SubscribeState::SUBSCRIBED) usleep(1000);
	}
	void put() {
		static message<N> x;
		out.loan().and_then([&](auto &sample) { memcpy(sample->bytes, x.bytes, N); sample.publish(); }).or_else([](auto &) { _exit(1); });
	}
	void get(const std::atomic<int> &stop) {
		static message<N> x;
		for (bool got = false; !got && !stop;) in.take().and_then([&](auto &sample) { memcpy(x.bytes, sample->bytes, N), used(&x), got = true; });
	}
};

// Both processes end as clients should, so that the daemon does, too.
template <size_t N> static void other(bool stream, std::atomic<int> &stop) {
	iox::runtime::PoshRuntime::initRuntime("bench-b");
	end<N> e("back", "there");
	while (!stop) {
		if (!stream) e.get(stop);
		if (!stop) e.put();
	}
}

template <size_t N> static void measure(bool stream, std::atomic<int> &stop) {
	enum { ROUNDS = 10000 };
	iox::runtime::PoshRuntime::initRuntime("bench-a");
	end<N> e("there", "back");
	if (stream) {
		e.get(stop);
		uint64_t start = now_ns(), n = 0;
		while (now_ns() - start < 400000000)
			for (int k = 0; k < 16; k++, n++) e.get(stop);
		print_value(double(n) * 1e3 / double(now_ns() - start));
	} else {
		PRINT_TRIPS(ROUNDS, (e.put(), e.get(stop)));
	}
	fflush(stdout);
	stop = 1;
}

template <size_t N> static void run(bool stream, int cpu0, int cpu1) {
	auto *stop = new (share(sizeof(std::atomic<int>))) std::atomic<int>(0);
	pid_t child = fork();
	pin(child ? cpu0 : cpu1);
	if (child == 0) other<N>(stream, *stop), exit(0);
	measure<N>(stream, *stop);
	waitpid(child, nullptr, 0);
	exit(0);
}

int main(int argc, char **argv) {
	if (argc != 5) return 2;
	bool stream = argv[1][0] == 's';
	int cpu0 = atoi(argv[3]), cpu1 = atoi(argv[4]);
	start_daemon();
	iox::log::LogManager::GetLogManager().SetDefaultLogLevel(iox::log::LogLevel::kOff, iox::log::LogLevelOutput::kHideLogLevel);
	if (fork() == 0) { // not this process: the daemon waits for its clients to be gone, and a zombie is not
		if (atoi(argv[2]) == 64) run<64>(stream, cpu0, cpu1);
		run<1024>(stream, cpu0, cpu1);
	}
	int status;
	wait(&status);
	kill(roudi, SIGTERM);
	waitpid(roudi, nullptr, 0);
	return status != 0;
}
