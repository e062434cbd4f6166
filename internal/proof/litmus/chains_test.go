//go:build linux

package litmus

// chains are of entries that come from one chain into another.
func chains() []shape {
	return []shape{
		{
			name: "Store, CompareAndSwap", labels: []string{"hashmap.owner"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { write(c, 1); c.x.Store(1); return 0, 0 },
				func(c *cell) (uint64, uint64) {
					if !c.x.CompareAndSwap(1, 2) {
						return 0, 0
					}
					return 1, read(c)
				},
			},
			allowed: published, forbids: "an entry is taken that is still in a chain",
		},
		{
			name: "a chain and its number", labels: []string{"hashmap.bucket"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { // x: the bucket, y: the link to an entry, z: the entry's own
					c.y.Store(1) // unlinked
					c.x.Store(1)
					c.z.Store(1) // used again
					return 0, 0
				},
				func(c *cell) (uint64, uint64) {
					began := c.x.Load()
					y := c.y.Load()
					z := c.z.Load()
					if c.x.Load() != began {
						return 0, 0
					}
					return 1, 10*y + z
				},
			},
			allowed: map[string]string{
				"0 | 0": "the chain has changed", "0 | 1": "it is as it was", "0 | 1,10": "the entry was passed by", "0 | 1,11": "the same",
			},
			forbids: "a walk leads into another chain, unnoticed",
		},
	}
}
