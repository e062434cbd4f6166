package ring_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/internal/ring"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// TestLone has messages come alone, and in a stream: a consumer lingers only for those
// of a stream, and finds out when they are one again.
func TestLone(t *testing.T) {
	p := newBed(t, ring.Spec{Cap: 256, Mode: ring.SPSC}).port(1)
	if !p.LingerEmpty() {
		if satomic.Checked {
			t.Skip("nobody lingers here")
		}
		t.Skip("one processor: nobody lingers")
	}
	lingers := func(times int) (n int) {
		for range times {
			if p.LingerEmpty() {
				n++
			}
		}
		return n
	}
	const enough, again = 4, 32
	if n := lingers(enough - 1); n != enough-1 {
		t.Errorf("lingers %d times for the first %d", n, enough)
	}
	if n := lingers(3 * again); n != 3 {
		t.Errorf("lingers %d times for %d more that come alone", n, 3*again)
	}
	putSome(t, p, 3)
	if n := lingers(2 * again); n < again {
		t.Errorf("lingers %d times for %d of a stream", n, 2*again)
	}
	if n := lingers(again); n != again {
		t.Errorf("lingers %d times for %d of a stream", n, again)
	}
	getSome(t, p, 3)
	lingers(enough)
	if n := lingers(again - enough - 1); n != 0 {
		t.Errorf("still lingers %d times for what comes alone", n)
	}
}
