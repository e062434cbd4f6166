package cases

import "github.com/shoal-ipc/shoal/bench/internal/harness"

// maps are operations on a shared map with keys of 16 bytes, beside what one process
// has.
func maps() []harness.Case {
	rival := func(op string) harness.Impl { return own("sync.Map", "go/sync.Map", "op="+op) }
	shoal := func(op string) harness.Impl { return own("shoal", "shoal/map", "op="+op) }
	return []harness.Case{
		{
			Name: "map/load/16B", Unit: harness.Nanoseconds, Alone: true,
			Impls:  []harness.Impl{shoal("load"), rival("load")},
			Bounds: []harness.Bound{{Of: harness.Value, Unit: harness.Nanoseconds, Limit: 100}},
		},
		{Name: "map/store/16B", Unit: harness.Nanoseconds, Alone: true, Impls: []harness.Impl{shoal("store"), rival("store")}},
		{Name: "map/update/16B", Unit: harness.Nanoseconds, Alone: true, Impls: []harness.Impl{shoal("update")}},
	}
}
