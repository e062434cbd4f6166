//go:build shmcheck

package ring_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/internal/ring"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// at runs f at the n-th step of what follows, until the function returned is
// called, which reports whether f ran.
func at(n int, f func()) (stop func() bool) {
	steps, ran := 0, false
	satomic.SetHook(func() {
		if steps++; steps == n {
			satomic.SetHook(nil)
			ran = true
			f()
		}
	})
	return func() bool {
		satomic.SetHook(nil)
		return ran
	}
}

// A short message that was built in the block of its loan is out of the block
// before anybody else can have that, whenever the other one comes.
func TestShortMessageLeavesItsBlock(t *testing.T) {
	for n, ran := 1, true; ran; n++ {
		b := newBed(t, ring.Spec{Cap: 2, SlotSize: 2000})
		p, other := b.port(1), b.port(2)
		l := mustReserve(t, p, ring.Terms{Size: 2000, Lent: true})
		built := p.BlockBytes(l, 2000)[:100]
		copy(built, long(100, 5))
		for range 2 { // a whole lap, so that the other one looks first for the cell of the loan
			mustPut(t, other, "x")
			mustGet(t, other, "x")
		}
		stop := at(n, func() { _ = other.TryPut([]byte(long(1500, 9))) })
		if over, err := p.PublishLong(t.Context(), &l, built); err != nil || !over {
			t.Fatal(over, err)
		}
		ran = stop()
		for {
			m, err := get(p)
			if err != nil {
				wantError(t, err, ring.ErrEmpty)
				break
			}
			if len(m) == 100 && m != long(100, 5) {
				t.Fatalf("torn when another one comes at step %d", n)
			}
		}
		b.checkEmpty()
	}
}
