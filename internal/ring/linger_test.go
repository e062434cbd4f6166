package ring_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/ring"
)

// TestLinger counts for how many looks the sides linger by how far the other one is
// ahead, at the beginning of the ring and across its end.
func TestLinger(t *testing.T) {
	for _, c := range []struct{ size, ahead, putting, getting int }{
		{256, 0, 1, 1},
		{256, 1, 1, 1},
		{256, 2, 2, 2},
		{256, 3, 3, 3},
		{256, 4, 4, 4},
		{256, 10, 10, 4},
		{256, 31, 31, 4},
		{256, 32, 32, 4},
		{256, 64, 32, 4},
		{256, 65, 1, 1},
		{256, 256, 1, 1}, // far enough
		{12, 2, 2, 2},
		{12, 3, 3, 3},
		{12, 4, 1, 1},
		{5, 1, 1, 1},
		{5, 2, 1, 1},
		{3, 2, 1, 1},
		{2, 2, 1, 1},
		{1, 0, 1, 1},
		{1, 1, 1, 1},
	} {
		for _, from := range []int{0, c.size - 1, c.size / 2} {
			t.Run(fmt.Sprintf("size=%d/ahead=%d/from=%d", c.size, c.ahead, from), func(t *testing.T) {
				p := newBed(t, ring.Spec{Cap: int64(c.size), Mode: ring.SPSC}).port(1)
				pass(t, p, from)
				putSome(t, p, c.ahead)
				if _, n := p.Lingers(); n != c.getting {
					t.Errorf("the consumer looks %d times, want %d", n, c.getting)
				}
				putSome(t, p, c.size-c.ahead)
				getSome(t, p, c.ahead)
				if n, _ := p.Lingers(); n != c.putting {
					t.Errorf("the producer looks %d times, want %d", n, c.putting)
				}
			})
		}
	}
}

// TestLingerNonsense has positions that lie in no ring: whoever claims says so, and
// nobody lingers for them.
func TestLingerNonsense(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 8, Mode: ring.SPSC})
	b.core.SetPositions(7<<24 | 1<<23)
	p := b.port(1)
	if putting, getting := p.Lingers(); putting != 1 || getting != 1 {
		t.Errorf("%d and %d looks", putting, getting)
	}
	var corrupt *mem.Corruption
	if err := p.TryPut([]byte("x")); !errors.As(err, &corrupt) {
		t.Errorf("put: %v", err)
	}
	if _, err := p.TryTake(); !errors.As(err, &corrupt) {
		t.Errorf("take: %v", err)
	}
}

// pass puts and gets n messages, one at a time.
func pass(t *testing.T, p *ring.Port, n int) {
	t.Helper()
	for range n {
		putSome(t, p, 1)
		getSome(t, p, 1)
	}
}

func putSome(t *testing.T, p *ring.Port, n int) {
	t.Helper()
	for range n {
		if err := p.TryPut([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

func getSome(t *testing.T, p *ring.Port, n int) {
	t.Helper()
	for range n {
		m, err := p.TryTake()
		if err != nil {
			t.Fatal(err)
		}
		p.Finish(m)
	}
}
