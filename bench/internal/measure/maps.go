package measure

import (
	"context"
	"fmt"
	"sync"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
	"github.com/shoal-ipc/shoal/kv"
)

// entries is how many a map has: they fit into the caches, so that the map is what
// is measured and not the memory.
const entries = 256

func mapJobs() map[string]Job {
	return map[string]Job{
		"shoal/map":   shoalMap,
		"go/sync.Map": goSyncMap,
	}
}

// sixteen returns keys of 16 bytes.
func sixteen() []string {
	keys := make([]string, entries)
	for i := range keys {
		keys[i] = fmt.Sprintf("client-%09d", i)
	}
	return keys
}

func shoalMap(ctx context.Context, p *Place) (harness.Sample, error) {
	seg, err := p.open(ctx)
	if err != nil {
		return harness.Sample{}, err
	}
	m, err := kv.Create[string, [2]int64](ctx, seg, "m", kv.Spec{Cap: entries, KeySize: 16})
	if err != nil {
		return harness.Sample{}, err
	}
	keys := sixteen()
	for _, key := range keys {
		if err := m.Store(ctx, key, [2]int64{1, 2}); err != nil {
			return harness.Sample{}, err
		}
	}
	var failed error
	sum := int64(0)
	ops := map[string]func(){
		"load": func() {
			for i := range burst {
				x, err := m.Load(keys[i%entries])
				if err != nil {
					failed = err
				}
				sum += x[0]
			}
		},
		"store": func() {
			for i := range burst {
				if err := m.Store(ctx, keys[i%entries], [2]int64{int64(i)}); err != nil {
					failed = err
				}
			}
		},
		"update": func() {
			add := func(x *[2]int64, _ bool) error { x[0]++; return nil }
			for i := range burst {
				if err := m.Update(ctx, keys[i%entries], add); err != nil {
					failed = err
				}
			}
		},
	}
	s, err := p.operation(ops, 2000)
	if err == nil {
		err = failed
	}
	return s, err
}

// goSyncMap is what one process has.
func goSyncMap(_ context.Context, p *Place) (harness.Sample, error) {
	var m sync.Map
	keys := sixteen()
	for _, key := range keys {
		m.Store(key, [2]int64{1, 2})
	}
	sum := int64(0)
	ops := map[string]func(){
		"load": func() {
			for i := range burst {
				if x, ok := m.Load(keys[i%entries]); ok {
					sum += x.([2]int64)[0] //nolint:errcheck // nothing else is put there
				}
			}
		},
		"store": func() {
			for i := range burst {
				m.Store(keys[i%entries], [2]int64{int64(i)})
			}
		},
	}
	return p.operation(ops, 2000)
}
