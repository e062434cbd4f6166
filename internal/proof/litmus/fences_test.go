//go:build linux

package litmus

import "github.com/shoal-ipc/shoal/internal/sys"

// fenced registers this process for the fences of others, and has one put into
// every thread of theirs. It reports whether that works here.
func fenced() bool {
	return sys.Probe().Membarrier && sys.RegisterMembarrier() == nil && sys.Membarrier() == nil
}

// publishOne is who publishes by a plain store, and then looks. Where the other
// side has no fences, it stores with one, as the code does.
func publishOne(c *cell) (uint64, uint64) {
	if fences {
		c.x.Publish(1)
	} else {
		c.x.Store(1)
	}
	return c.y.Load(), 0
}

// fences is whether this process can be reached by fences, and ask for them.
var fences = fenced()

// fencing are the pairings of a plain store with a fence that the other side asks for.
func fencing() []shape {
	return []shape{
		{
			name: "Publish, Load", labels: []string{"ring.slot.word"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { write(c, 1); c.x.Publish(1); return 0, 0 }, look,
			},
			allowed: published, forbids: "what was published is not there",
		},
		{
			name: "announce, fence, Publish", labels: []string{"ring.slot.word"},
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { c.y.CompareAndSwap(0, 1); fenced(); return c.x.Load(), 0 },
				publishOne,
			},
			allowed: oneSees, forbids: "a waiter sleeps, and who published by a plain store does not wake it",
		},
		{
			name: "closing, fence, busy", labels: []string{"ring.closing", "ring.putting"},
			parties: []func(*cell) (uint64, uint64){
				// The end of a queue: closing is y, putting is z, the slot is x.
				func(c *cell) (uint64, uint64) {
					c.y.Store(1)
					fenced()
					busy := c.z.Load()
					return busy, c.x.Load()
				},
				func(c *cell) (uint64, uint64) {
					enter := c.z.Publish
					if !fences {
						enter = c.z.Store
					}
					enter(1)
					if c.y.Load() != 0 {
						c.z.Publish(0)
						return 0, 0
					}
					c.x.Publish(1)
					c.z.Publish(0)
					return 1, 0
				},
			},
			allowed: map[string]string{
				"0 | 0": "the producer saw the end", "1 | 0": "it was about to", "1 | 1": "it is putting", "1,1 | 1": "it has just put", "0,1 | 1": "it has put",
			},
			forbids: "a queue is at its end, and a producer puts to it after that",
		},
		{
			name: "planted: announce, Publish, and no fence", seen: "0 | 0",
			parties: []func(*cell) (uint64, uint64){
				func(c *cell) (uint64, uint64) { c.y.CompareAndSwap(0, 1); return c.x.Load(), 0 },
				func(c *cell) (uint64, uint64) { *c.px = 1; return c.y.Load(), 0 },
			},
		},
	}
}
