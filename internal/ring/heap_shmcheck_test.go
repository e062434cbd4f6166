//go:build shmcheck

package ring_test

import (
	"fmt"
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/ring"
)

// TestProofSchedulesOfRoom has one put a long message for which there is a block
// at all times, while others free blocks and take them.
func TestProofSchedulesOfRoom(t *testing.T) {
	cells := ring.Spec{Cap: 3, SlotSize: 1100}
	granules := ring.Spec{Cap: 8, SlotSize: 64, MaxSize: 256, Heap: 3 * 256, Granule: 256}
	scene := func(name string, quick, full explore.Limits, s ring.Spec, size int) explore.Scene {
		return dramas(t, s)(name, quick, full, func(d *drama) []explore.Body {
			other := d.port(2) // which goes on behind them
			for _, m := range []byte("ab") {
				d.mind("putting", d.sent(2, m, func() error { return other.TryPut(letter(m, size)) }))
			}
			return []explore.Body{
				d.body("producer", 1, func(p *ring.Port) error {
					err := d.sent(1, 'x', func() error { return p.TryPut(letter('x', size)) })
					if err == nil && !d.messages['x'].put {
						err = fmt.Errorf("it is full, but never was\n%s", d.core.Dump())
					}
					return err
				}),
				{Name: "consumer and producer", Slot: 2, Run: func() error {
					m, err := other.TryTake()
					if err != nil {
						return err
					}
					d.finish(2, other, m)
					return d.sent(2, 'y', func() error { return other.TryPut(letter('y', size)) })
				}},
			}
		})
	}
	explore.Prove(t, []explore.Scene{
		scene("cells", upTo(1, 0), upTo(2, 0), cells, 1100),
		scene("granules", upTo(1, 0), upTo(2, 0), granules, 200),
	})
}
