package cases

import "github.com/shoal-ipc/shoal/bench/internal/harness"

// pools are two workers with trivial tasks. Nothing is bound to processors: there
// are three processes for the two of the harness.
func pools() []harness.Case {
	python := func(what string) harness.Impl {
		return harness.Impl{Name: "python pool", Command: func(t *harness.Tools) ([]string, error) {
			return t.Script("python/mp.py", what)
		}}
	}
	return []harness.Case{{
		Name: "pool/map", Unit: harness.Nanoseconds,
		Impls:   []harness.Impl{free("shoal", "shoal/pool/map", "chunk=0"), python("pool-map")},
		Targets: []harness.Target{{Rival: "python pool", Ratio: 1.0 / 3}},
	}, {
		Name: "pool/map/chunk1", Unit: harness.Nanoseconds,
		Impls:   []harness.Impl{free("shoal", "shoal/pool/map", "chunk=1"), python("pool-chunk1")},
		Targets: []harness.Target{{Rival: "python pool", Ratio: 1.0 / 30}},
	}, {
		Name: "pool/call", Unit: harness.Nanoseconds,
		Impls:   []harness.Impl{free("shoal", "shoal/pool/call"), python("pool-apply")},
		Targets: []harness.Target{{Rival: "python pool", Ratio: 1.0 / 50}},
	}}
}
