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

// What was given back, or put aside before somebody began to look for it, is taken
// even if more such messages come at each step of the search.
func TestLateIsTakenWhileMoreCome(t *testing.T) {
	for _, lap := range []uint32{0, 1<<31 - 3, 1<<32 - 3} {
		b := newBed(t, ring.Spec{Cap: 3})
		b.core.SetTickets(lap)
		p, c := b.port(1), b.port(2)
		mustPut(t, p, "a", "b", "c")
		slow := mustTake(t, c)
		again := mustReceive(t, c)
		mustGet(t, c, "c")
		c.Nack(again)
		again = mustReceive(t, c)
		if err := c.Ack(again); err != nil {
			t.Fatal(err)
		}
		mustPut(t, p, "d", "e") // aside
		other := b.port(3)
		restless := func(want string) {
			t.Helper()
			var hook func()
			hook = func() {
				satomic.SetHook(nil)
				b.core.Leave(4) // counts as one
				satomic.SetHook(hook)
			}
			satomic.SetHook(hook)
			m, err := other.TryReceive()
			satomic.SetHook(nil)
			if err != nil || string(other.Bytes(m)) != want {
				t.Fatalf("%v, want %s", err, want)
			}
			if m.Attempt() > 1 {
				other.Finish(m)
			} else {
				other.Nack(m)
			}
		}
		restless("d")
		restless("d")
		restless("e")
		restless("e")
		c.Finish(slow)
		b.checkEmpty()
	}
}
