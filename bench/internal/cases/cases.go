// Package cases lists what is measured: the cases, who takes part in each, and
// the ratios that Shoal aims at.
package cases

import (
	"fmt"
	"strconv"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
)

// All returns the cases in the order of the table.
func All() []harness.Case {
	var all []harness.Case
	for _, group := range [][]harness.Case{cells(), maps(), locks(), streams(), roundTrips(), pipes(), sleepers(), segments(), processes(), pools()} {
		all = append(all, group...)
	}
	return all
}

// own is measured by this program.
func own(name string, job string, args ...string) harness.Impl {
	return harness.Impl{Name: name, Command: func(t *harness.Tools) ([]string, error) {
		return t.Self(append([]string{job, cpu("cpu0", t.CPUs[0]), cpu("cpu1", t.CPUs[1])}, args...)...), nil
	}}
}

func cpu(key string, n int) string { return key + "=" + strconv.Itoa(n) }

// native is measured by a C or C++ program, to whose arguments both processors
// are added.
func native(name, source string, args ...string) harness.Impl {
	return harness.Impl{Name: name, Command: func(t *harness.Tools) ([]string, error) {
		return t.Compiled(source, append(args, strconv.Itoa(t.CPUs[0]), strconv.Itoa(t.CPUs[1]))...)
	}}
}

// alone is native without processors.
func alone(name, source string, args ...string) harness.Impl {
	return harness.Impl{Name: name, Command: func(t *harness.Tools) ([]string, error) {
		return t.Compiled(source, args...)
	}}
}

// script is measured by a program in Python, to whose arguments both processors
// are added.
func script(name, source string, args ...string) harness.Impl {
	return harness.Impl{Name: name, Command: func(t *harness.Tools) ([]string, error) {
		return t.Script(source, append(args, strconv.Itoa(t.CPUs[0]), strconv.Itoa(t.CPUs[1]))...)
	}}
}

// free is measured by this program, on the processors that the kernel chooses.
func free(name, job string, args ...string) harness.Impl {
	return harness.Impl{Name: name, Command: func(t *harness.Tools) ([]string, error) {
		return t.Self(append([]string{job}, args...)...), nil
	}}
}

func cells() []harness.Case {
	var list []harness.Case
	for _, op := range []string{"load", "store", "add"} {
		list = append(list, harness.Case{
			Name: "atomic/" + op, Unit: harness.Nanoseconds, Alone: true,
			Impls:   []harness.Impl{own("shoal", "shoal/atomic", "op="+op), own("sync/atomic", "go/atomic", "op="+op)},
			Targets: []harness.Target{{Rival: "sync/atomic", Ratio: 1.1}},
		})
	}
	mutex := own("shoal mutex", "shoal/mutex")
	list = append(list, harness.Case{
		Name: "value/load", Unit: harness.Nanoseconds, Alone: true,
		Impls:   []harness.Impl{own("shoal", "shoal/value", "op=load"), own("go copy", "go/copy")},
		Targets: []harness.Target{{Rival: "go copy", Ratio: 10}},
	}, harness.Case{
		Name: "value/store", Unit: harness.Nanoseconds, Alone: true,
		Impls:   []harness.Impl{own("shoal", "shoal/value", "op=store"), mutex},
		Targets: []harness.Target{{Rival: "shoal mutex", Ratio: 3}},
	})
	for _, op := range []string{"at", "set"} {
		list = append(list, harness.Case{
			Name: "array/" + op, Unit: harness.Nanoseconds, Alone: true,
			Impls:   []harness.Impl{own("shoal", "shoal/array", "op="+op), own("go slice", "go/slice", "op="+op)},
			Targets: []harness.Target{{Rival: "go slice", Ratio: 1.2}},
		})
	}
	for _, op := range []string{"copyin", "copyout"} {
		list = append(list, harness.Case{
			Name: "array/" + op + "/64KiB", Unit: harness.Gigabytes, Alone: true,
			Impls: []harness.Impl{
				own("shoal", "shoal/array", "op="+op), alone("c memcpy", "c/small.c", "memcpy", "65536"),
				own("go copy", "go/copy", "op=bulk"),
			},
			Targets: []harness.Target{{Rival: "c memcpy", Ratio: 1 / 1.1}},
		})
	}
	return list
}

// Pictures of several cases.
const (
	LatencyOverSize         = "latency over message size"
	ThroughputOverSize      = "throughput over message size"
	ThroughputOverProcesses = "messages over processes"
	LocksOverProcesses      = "locks over processes"
)

// contended are processes that all want one mutex. Two are bound to a processor
// each; as many as there are otherwise, they go where they like.
func contended(n int, targets []harness.Target, bounds ...harness.Bound) harness.Case {
	sides := strconv.Itoa(n)
	mine := free("shoal", "shoal/contend", "sides="+sides)
	if n == 2 {
		mine = own("shoal", "shoal/contend", "sides="+sides)
	}
	return harness.Case{
		Name: fmt.Sprintf("mutex/%d", n), Unit: harness.Millions, Alone: n == 1,
		Plot: harness.Plot{Picture: LocksOverProcesses, X: float64(n)},
		Impls: []harness.Impl{
			mine, native("c robust", "c/lock.c", "share", "robust", sides), native("c futex", "c/lock.c", "share", "futex", sides),
		},
		Targets: targets, Bounds: bounds,
	}
}

func locks() []harness.Case {
	robust := func(ratio float64) []harness.Target { return []harness.Target{{Rival: "c robust", Ratio: ratio}} }
	return []harness.Case{
		{
			Name: "mutex/alone", Unit: harness.Nanoseconds, Alone: true,
			Impls: []harness.Impl{
				own("shoal", "shoal/mutex"), alone("c robust", "c/lock.c", "alone", "robust"), alone("c futex", "c/lock.c", "alone", "futex"),
				own("sync.Mutex", "go/mutex"), own("gofrs/flock", "go/flock"),
			},
			Targets: []harness.Target{{Rival: "c robust", Ratio: 1}, {Rival: "c futex", Ratio: 1.3}},
		},
		contended(1, nil),
		contended(2, robust(1), harness.Bound{Of: "least share", Unit: harness.Percent, Limit: 40}),
		contended(4, nil),
		contended(8, robust(1.3)),
		{
			Name: "mutex/8/longest wait", Unit: harness.Nanoseconds,
			Impls: []harness.Impl{
				free("shoal", "shoal/waits", "sides=8"),
				native("c robust", "c/lock.c", "waits", "robust", "8"), native("c futex", "c/lock.c", "waits", "futex", "8"),
			},
			Bounds: []harness.Bound{{Of: harness.Value, Unit: harness.Nanoseconds, Limit: 20e6}},
		},
		{
			Name: "semaphore/alone", Unit: harness.Nanoseconds, Alone: true,
			Impls:   []harness.Impl{own("shoal", "shoal/semaphore"), alone("c sem_t", "c/small.c", "sem")},
			Targets: []harness.Target{{Rival: "c sem_t", Ratio: 2}},
		},
	}
}
