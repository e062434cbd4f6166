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
	for _, group := range [][]harness.Case{cells(), locks(), streams(), roundTrips(), segments(), processes()} {
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

// script is measured by a program in Python.
func script(name, source string, args ...string) harness.Impl {
	return harness.Impl{Name: name, Command: func(t *harness.Tools) ([]string, error) { return t.Script(source, args...) }}
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

func locks() []harness.Case {
	contended := func(n int, targets ...harness.Target) harness.Case {
		sides := strconv.Itoa(n)
		mine := own("shoal", "shoal/contend", "sides="+sides)
		if n > 2 {
			mine = harness.Impl{Name: "shoal", Command: func(t *harness.Tools) ([]string, error) {
				return t.Self("shoal/contend", "sides="+sides), nil // as many as they are, they go where they like
			}}
		}
		return harness.Case{
			Name: fmt.Sprintf("mutex/%d", n), Unit: harness.Millions,
			Impls: []harness.Impl{
				mine, native("c robust", "c/lock.c", "share", "robust", sides), native("c futex", "c/lock.c", "share", "futex", sides),
			},
			Targets: targets,
		}
	}
	return []harness.Case{
		{
			Name: "mutex/alone", Unit: harness.Nanoseconds, Alone: true,
			Impls: []harness.Impl{
				own("shoal", "shoal/mutex"), alone("c robust", "c/lock.c", "alone", "robust"), alone("c futex", "c/lock.c", "alone", "futex"),
				own("sync.Mutex", "go/mutex"), own("gofrs/flock", "go/flock"),
			},
			Targets: []harness.Target{{Rival: "c robust", Ratio: 1}, {Rival: "c futex", Ratio: 1.3}},
		},
		contended(2, harness.Target{Rival: "c robust", Ratio: 1}),
		contended(8, harness.Target{Rival: "c robust", Ratio: 1.3}),
		{
			Name: "semaphore/alone", Unit: harness.Nanoseconds, Alone: true,
			Impls:   []harness.Impl{own("shoal", "shoal/semaphore"), alone("c sem_t", "c/small.c", "sem")},
			Targets: []harness.Target{{Rival: "c sem_t", Ratio: 2}},
		},
	}
}
