package cases

import (
	"fmt"
	"strconv"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
)

func sizeName(size int) string {
	if size < 1024 {
		return fmt.Sprintf("%dB", size)
	}
	if size < 1<<20 {
		return fmt.Sprintf("%dKiB", size>>10)
	}
	return fmt.Sprintf("%dMiB", size>>20)
}

// streams are messages that go one way as fast as they can.
func streams() []harness.Case {
	return append(append(singles(), batches()...), many()...)
}

func singles() []harness.Case {
	targets := map[int][]harness.Target{
		8: {{Rival: "c ring", Ratio: 0.5}},
		64: {
			{Rival: "c ring", Ratio: 0.7},
			{Rival: "boost lockfree", Ratio: 1},
			{Rival: "python queue", Ratio: 100},
			{Rival: "posix mq", Ratio: 15},
			{Rival: "boost mq", Ratio: 8},
			{Rival: "iceoryx", Ratio: 20},
			{Rival: "pipe", Ratio: 15},
			{Rival: "unix", Ratio: 40},
			{Rival: "shmipc-go", Ratio: 5},
		},
		1024:  {{Rival: "c ring", Ratio: 0.8}, {Rival: "boost lockfree", Ratio: 1}},
		65536: {{Rival: "c ring", Ratio: 0.8}},
	}
	var list []harness.Case
	for _, size := range []int{8, 64, 1024, 65536, 1 << 20} {
		n := strconv.Itoa(size)
		arg := "size=" + n
		mine := own("shoal", "shoal/stream", arg, "batch=1", "mode=spsc", "sides=2")
		if size >= 65536 {
			mine = own("shoal", "shoal/bigstream", arg, "sides=2")
		}
		c := harness.Case{
			Name: "spsc/" + sizeName(size), Unit: harness.Millions, Targets: targets[size],
			Plot: harness.Plot{Picture: ThroughputOverSize, X: float64(size)},
			Impls: []harness.Impl{
				mine,
				native("c ring", "c/ring.c", "spsc", n, "1", "1", "1"),
				own("pipe", "go/stream", arg, "by=pipe", "sides=2"),
				own("unix", "go/stream", arg, "by=unix", "sides=2"),
			},
		}
		if size <= 1024 {
			c.Impls = append(c.Impls,
				own("pipe bufio", "go/stream", arg, "by=pipe", "buffered=yes", "sides=2"),
				own("unix bufio", "go/stream", arg, "by=unix", "buffered=yes", "sides=2"),
				native("boost lockfree", "cpp/boost.cpp", "spsc", n), native("boost mq", "cpp/boost.cpp", "mq", n),
				native("posix mq", "c/mq.c", "stream", n), script("python queue", "python/mp.py", "queue", n),
				own("gob", "go/gob", arg, "by=unix", "sides=2"))
		}
		if size == 65536 {
			c.Impls = append(c.Impls, own("shoal by value", "shoal/stream", arg, "batch=1", "mode=spsc", "sides=2"))
		}
		if size == 64 {
			c.Impls = append(c.Impls, native("iceoryx", "cpp/iceoryx.cpp", "stream", n),
				own("shmipc-go", "shmipc/stream", arg, "sides=2"), free("channel", "go/channel"))
		}
		list = append(list, c)
	}
	return list
}

func batches() []harness.Case {
	var list []harness.Case
	for _, b := range []struct {
		size, batch int
		ratio       float64
	}{{8, 64, 0.7}, {64, 16, 1}, {1024, 16, 0.9}} {
		size, batch := strconv.Itoa(b.size), strconv.Itoa(b.batch)
		list = append(list, harness.Case{
			Name: fmt.Sprintf("spsc/%s×%d", sizeName(b.size), b.batch), Unit: harness.Millions,
			Impls: []harness.Impl{
				own("shoal", "shoal/stream", "size="+size, "batch="+batch, "mode=spsc", "sides=2"),
				native("c ring", "c/ring.c", "spsc", size, batch, "1", "1"),
				own("unix bufio", "go/stream", "size="+size, "by=unix", "buffered=yes", "sides=2"),
			},
			Targets: []harness.Target{{Rival: "c ring", Ratio: b.ratio}, {Rival: "unix bufio", Ratio: 3}},
		})
	}
	return list
}

func many() []harness.Case {
	var list []harness.Case
	for _, m := range []struct {
		each  int
		ratio float64
	}{{1, 0.6}, {2, 0.5}, {4, 0}} {
		n := strconv.Itoa(m.each)
		c := harness.Case{
			Plot: harness.Plot{Picture: ThroughputOverProcesses, X: float64(2 * m.each)},
			Name: fmt.Sprintf("mpmc/64B/%d+%d", m.each, m.each), Unit: harness.Millions,
			Impls: []harness.Impl{
				own("shoal", "shoal/stream", "size=64", "batch=1", "mode=mpmc", "sides="+strconv.Itoa(2*m.each)),
				native("c vyukov", "c/ring.c", "mpmc", "64", "1", n, n),
			},
		}
		if m.ratio > 0 {
			c.Targets = []harness.Target{{Rival: "c vyukov", Ratio: m.ratio}}
		}
		if m.each == 1 {
			c.Impls = append(c.Impls, native("boost lockfree", "cpp/boost.cpp", "mpmc", "64"))
			c.Targets = append(c.Targets, harness.Target{Rival: "boost lockfree", Ratio: 4})
		}
		list = append(list, c)
	}
	return list
}

// roundTrips are messages that go there and back, one at a time.
func roundTrips() []harness.Case {
	var list []harness.Case
	for _, size := range []int{8, 64, 1024, 65536, 1 << 20, 16 << 20} {
		n, arg := strconv.Itoa(size), "size="+strconv.Itoa(size)
		hot, slow := "20000", "2000" // round trips without system calls, and with some
		mine := own("shoal", "shoal/roundtrip", arg, "rounds="+hot, "mode=spsc", "sides=2")
		if size >= 65536 {
			hot = strconv.Itoa(min((1<<30)/size, 4000))
			slow = strconv.Itoa(min((1<<30)/size, 2000))
			mine = own("shoal", "shoal/bigtrip", arg, "rounds="+hot, "sides=2")
		}
		c := harness.Case{
			Name: "roundtrip/" + sizeName(size), Unit: harness.Nanoseconds,
			Plot: harness.Plot{Picture: LatencyOverSize, X: float64(size)},
			Impls: []harness.Impl{
				mine,
				own("shoal in place", "shoal/inplace", arg, "rounds=20000", "sides=2"),
				native("c ring", "c/ring.c", "rtt", n, hot),
				own("pipe", "go/roundtrip", arg, "by=pipe", "rounds="+slow, "sides=2"),
				own("unix", "go/roundtrip", arg, "by=unix", "rounds="+slow, "sides=2"),
			},
		}
		if size == 65536 {
			c.Impls = append(c.Impls, own("shoal by value", "shoal/roundtrip", arg, "rounds="+hot, "sides=2"))
		}
		if size < 65536 {
			c.Impls = append(c.Impls, own("shoal mpmc", "shoal/roundtrip", arg, "rounds="+hot, "mode=mpmc", "sides=2"))
		}
		if size <= 65536 {
			c.Impls = append(c.Impls, own("net/rpc", "go/rpc", arg, "by=unix", "rounds=2000", "sides=2"))
		}
		if size == 64 {
			c.Impls = append(c.Impls, native("iceoryx", "cpp/iceoryx.cpp", "rtt", n), native("posix mq", "c/mq.c", "rtt", n),
				own("shmipc-go", "shmipc/roundtrip", arg, "rounds=2000", "sides=2"), script("python pipe", "python/mp.py", "pipe-rtt", n))
			c.Targets = []harness.Target{{Rival: "c ring", Ratio: 1.3}, {Rival: "iceoryx", Ratio: 1.0 / 6}, {Rival: "pipe", Ratio: 1.0 / 30}}
		}
		list = append(list, c)
	}
	for _, size := range []int{65536, 16 << 20} {
		list = append(list, harness.Case{
			Name: "inplace/" + sizeName(size), Unit: harness.Nanoseconds,
			Impls: []harness.Impl{
				own("shoal", "shoal/inplace", "size="+strconv.Itoa(size), "rounds=20000", "sides=2"),
				own("shoal 64B", "shoal/inplace", "size=64", "rounds=20000", "sides=2"),
			},
			Targets: []harness.Target{{Rival: "shoal 64B", Ratio: 1.5}},
		})
	}
	return list
}

// sleepers are messages there and back of which each finds the other side asleep:
// what counts is what the kernel needs to wake it.
func sleepers() []harness.Case {
	targets := []harness.Target{{Rival: "c futex", Ratio: 1.2}}
	apart := []string{"size=64", "gap=200", "rounds=1000", "sides=2"}
	close := []string{"size=64", "gap=0", "rounds=1000", "sides=2"}
	return []harness.Case{
		{
			Name: "asleep/64B/two processors", Unit: harness.Nanoseconds, Targets: targets,
			Impls: []harness.Impl{
				own("shoal", "shoal/asleep", apart...), native("c futex", "c/small.c", "futex", "200"),
				own("go futex", "go/futex", apart...), own("pipe", "go/asleep", append(apart, "by=pipe")...),
			},
		},
		{
			Name: "asleep/64B/one processor", Unit: harness.Nanoseconds, Targets: targets, Alone: true,
			Impls: []harness.Impl{
				together("shoal", "shoal/asleep", close...),
				{Name: "c futex", Command: func(t *harness.Tools) ([]string, error) {
					cpu := strconv.Itoa(t.CPUs[0])
					return t.Compiled("c/small.c", "futex", "0", cpu, cpu)
				}},
				together("go futex", "go/futex", close...), together("pipe", "go/asleep", append(close, "by=pipe")...),
			},
		},
	}
}

// together is own with both sides on one processor.
func together(name, job string, args ...string) harness.Impl {
	return harness.Impl{Name: name, Command: func(t *harness.Tools) ([]string, error) {
		return t.Self(append([]string{job, cpu("cpu0", t.CPUs[0]), cpu("cpu1", t.CPUs[0])}, args...)...), nil
	}}
}

func segments() []harness.Case {
	return []harness.Case{
		{
			Name: "attach", Unit: harness.Nanoseconds, Alone: true,
			Impls:   []harness.Impl{own("shoal", "shoal/attach", "sides=2"), alone("c shm_open", "c/small.c", "attach", "1048576")},
			Targets: []harness.Target{{Rival: "c shm_open", Ratio: 3}},
		},
		{
			Name: "create", Unit: harness.Nanoseconds, Alone: true,
			Impls: []harness.Impl{
				own("shoal", "shoal/create"), alone("c shm_open", "c/small.c", "create", "65536"),
				// As many bytes as Shoal's segment has, most of which are its tables.
				alone("c fallocate", "c/small.c", "allocate", "348160"),
			},
			Targets: []harness.Target{{Rival: "c shm_open", Ratio: 5}},
		},
		{
			Name: "death", Unit: harness.Nanoseconds, Alone: true,
			Impls: []harness.Impl{
				own("shoal", "shoal/death", "sides=2", "kills=100"), native("c robust", "c/lock.c", "death", "robust", "100"),
			},
			Bounds: []harness.Bound{
				{Of: harness.Value, Unit: harness.Nanoseconds, Limit: 1e6}, {Of: harness.P99, Unit: harness.Nanoseconds, Limit: 5e6},
			},
		},
		{
			Name: "idle/10000 handles", Unit: harness.Nanoseconds, Alone: true,
			Impls: []harness.Impl{free("shoal", "shoal/idle", "segments=100", "handles=10000")},
			Bounds: []harness.Bound{
				{Of: "CPU a second", Unit: harness.Nanoseconds, Limit: 5e6},
				{Of: "threads", Unit: harness.Count, Limit: 20},
				{Of: "memory", Unit: harness.Mebibytes, Limit: 64},
			},
		},
	}
}

// processes are those of this very program: what starting it again costs. They
// go where they like.
func processes() []harness.Case {
	run := func(name, job string) harness.Impl {
		return harness.Impl{Name: name, Command: func(t *harness.Tools) ([]string, error) { return t.Self(job), nil }}
	}
	return []harness.Case{{
		Name: "process/run", Unit: harness.Nanoseconds, Alone: true,
		Impls:   []harness.Impl{run("shoal", "shoal/process"), run("os/exec", "go/exec")},
		Targets: []harness.Target{{Rival: "os/exec", Ratio: 1.3}},
	}}
}
