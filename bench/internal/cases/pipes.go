package cases

import (
	"github.com/shoal-ipc/shoal/bench/internal/harness"
)

// pipes are connections between two processes: messages of 64 bytes there and back,
// and bytes one way.
func pipes() []harness.Case {
	return []harness.Case{
		{
			Name: "pipe/roundtrip/64B", Unit: harness.Nanoseconds,
			Impls: []harness.Impl{
				own("shoal", "shoal/pipetrip", "rounds=20000", "sides=2"),
				script("python pipe", "python/mp.py", "pipe-rtt", "64"),
				own("pipe", "go/roundtrip", "size=64", "by=pipe", "rounds=2000", "sides=2"),
				own("unix", "go/roundtrip", "size=64", "by=unix", "rounds=2000", "sides=2"),
			},
			Targets: []harness.Target{{Rival: "python pipe", Ratio: 1.0 / 50}, {Rival: "pipe", Ratio: 1.0 / 30}},
		},
		{
			Name: "pipe/stream/64B", Unit: harness.Millions,
			Impls: []harness.Impl{
				own("shoal", "shoal/pipestream", "size=64", "sides=2"),
				own("pipe", "go/stream", "size=64", "by=pipe", "sides=2"),
				own("unix", "go/stream", "size=64", "by=unix", "sides=2"),
			},
			Targets: []harness.Target{{Rival: "pipe", Ratio: 3}},
		},
	}
}
