package hashmap_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/shoal-ipc/shoal/internal/hashmap"
	"github.com/shoal-ipc/shoal/internal/race"
)

// TestRoomForAll has each of several participants replace keys of its own, of which
// it never has more than its share of the entries: so each finds room, always.
func TestRoomForAll(t *testing.T) {
	const parties, share = 6, 30
	rounds := 40000
	if race.Enabled {
		rounds = 2000
	}
	w := newWorld(hashmap.Spec{
		Cap: parties * share, KeySize: 16, ValueSize: 16, Keys: hashmap.Encoded, Values: hashmap.Fixed,
	})
	var all sync.WaitGroup
	for slot := range uint32(parties) {
		p := w.join(slot + 1)
		all.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(slot), 1))
			have := make([]string, share)
			for i := range rounds {
				k := rng.IntN(share)
				if have[k] != "" {
					if err := w.delete(p, have[k]); err != nil {
						t.Errorf("delete: %v", err)
						return
					}
				}
				have[k] = fmt.Sprintf("%d of %d", i, slot)
				if err := w.store(p, have[k], 1); err != nil {
					t.Errorf("store %d: %v", i, err)
					return
				}
			}
		})
	}
	all.Wait()
	w.Check(t)
}
