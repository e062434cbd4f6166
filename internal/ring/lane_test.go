package ring_test

import (
	"math/rand/v2"
	"testing"

	"github.com/shoal-ipc/shoal/internal/ring"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// straight returns a pair with lanes for messages of size bytes, each side of which
// belongs to this goroutine.
func straight(t *testing.T, spec ring.Spec, size int) (b *bed, p, c *ring.Port) {
	t.Helper()
	if !satomic.Lanes || !sys.Probe().Membarrier {
		t.Skip("no lanes here")
	}
	spec.Mode = ring.SPSC
	b = newBed(t, spec)
	p, c = b.port(1), b.port(2)
	if !p.Straighten(size) || !c.Straighten(size) {
		t.Fatal("no lanes")
	}
	mustPut(t, p, "first") // whoever was successful once is alone
	mustGet(t, c, "first")
	return b, p, c
}

// text is message n of size bytes, no two parts of which are alike.
func text(n, size int) []byte {
	m := make([]byte, size)
	for i := range m {
		m[i] = byte(7*n + i + i>>8)
	}
	return m
}

// TestLanes puts and gets by lanes and by the operations that they stand for, in turns,
// with messages of every size, around the end of the ring and of the numbers of laps.
func TestLanes(t *testing.T) {
	for size := 1; size <= 150; size++ {
		b, p, c := straight(t, ring.Spec{Cap: 5, SlotSize: 150}, size)
		if size%3 == 0 {
			b.core.SetLap(1<<40 - 3)
			p, c = b.port(1), b.port(2)
			p.Straighten(size)
			c.Straighten(size)
		}
		dice := rand.New(rand.NewPCG(uint64(size), 1))
		sent, got, quick := 0, 0, 0
		dst := make([]byte, size+2)
		for range 300 {
			if dice.IntN(2) == 0 {
				m := text(sent, size)
				switch by := dice.IntN(2); {
				case by == 0 && p.PutAlone(&m[0]):
					quick++
					sent++
				case by == 1 && p.TryPut(m) == nil:
					sent++
				case sent-got < 5 && by == 1:
					t.Fatalf("%d bytes: full with %d messages", size, sent-got)
				}
				continue
			}
			dst[0], dst[size+1] = 'a', 'z'
			if dice.IntN(2) == 0 {
				if !c.GetAlone(&dst[1]) {
					continue
				}
				quick++
			} else if s, err := get(c); err == nil {
				copy(dst[1:], s)
			} else if sent > got {
				t.Fatalf("%d bytes: %v", size, err)
			} else {
				continue
			}
			if want := text(got, size); string(dst[1:size+1]) != string(want) || dst[0] != 'a' || dst[size+1] != 'z' {
				t.Fatalf("message %d is %x, want %x", got, dst, want)
			}
			got++
		}
		if quick < 80 {
			t.Errorf("%d bytes: %d of %d went by a lane", size, quick, sent+got)
		}
		for got < sent {
			mustGet(t, c, string(text(got, size)))
			got++
		}
		b.checkEmpty()
	}
}

// TestLanesLeaveTheSame puts and gets by lanes in one ring, and by the operations that
// they stand for in another: all words of both are the same after each of them.
func TestLanesLeaveTheSame(t *testing.T) {
	const size = 31
	for _, n := range []int64{1, 7, 8, 19} {
		spec := ring.Spec{Cap: n, SlotSize: 40}
		b, p, c := straight(t, spec, size)
		b2, p2, c2 := straight(t, spec, size)
		compare := func(what string, k int) {
			t.Helper()
			if one, other := b.core.Dump(), b2.core.Dump(); one != other {
				t.Fatalf("%d slots, %s message %d: by a lane\n%s\nelse\n%s", n, what, k, one, other)
			}
		}
		dst := make([]byte, size)
		for k := range int(3*n + 20) {
			m := text(k, size)
			if !p.PutAlone(&m[0]) {
				t.Fatal("no way for message", k)
			}
			claim, err := p2.TryClaim()
			if err != nil {
				t.Fatal(err)
			}
			copy(p2.Inline(claim), m)
			p2.Publish(claim, size)
			compare("put", k)
			if !c.GetAlone(&dst[0]) || string(dst) != string(m) {
				t.Fatalf("got %x, not %x", dst, m)
			}
			taken, err := c2.TryTake()
			if err != nil {
				t.Fatal(err)
			}
			c2.Finish(taken)
			compare("get", k)
		}
	}
}

// laneSize is the size of the messages that stand in a lane's way.
const laneSize = 24

// TestLanesTurnBack has something stand in each lane's way: it does nothing then.
func TestLanesTurnBack(t *testing.T) {
	for _, o := range obstacles() {
		t.Run(o.name, func(t *testing.T) {
			b, p, c := straight(t, ring.Spec{Cap: 3, SlotSize: 64, MaxSize: 256}, laneSize)
			o.prepare(t, b, p, c)
			m := text(9, laneSize)
			before := b.core.Dump()
			if o.puts && p.PutAlone(&m[0]) || !o.puts && c.GetAlone(&m[0]) {
				t.Error("it went on")
			}
			if after := b.core.Dump(); after != before || string(m) != string(text(9, laneSize)) {
				t.Errorf("it has done something: before\n%s\nafter\n%s", before, after)
			}
			b.check()
		})
	}
}

// obstacle is what stands in the way of putting, or of getting.
type obstacle struct {
	name    string
	puts    bool
	prepare func(t *testing.T, b *bed, p, c *ring.Port)
}

func obstacles() []obstacle {
	fill := func(t *testing.T, p *ring.Port, n int) {
		t.Helper()
		for k := range n {
			mustPut(t, p, string(text(k, laneSize)))
		}
	}
	return []obstacle{
		{"full", true, func(t *testing.T, _ *bed, p, _ *ring.Port) { fill(t, p, 3) }},
		{"shut down", true, func(_ *testing.T, _ *bed, p, _ *ring.Port) { p.Shutdown() }},
		{"strict", true, func(_ *testing.T, b *bed, _, _ *ring.Port) { b.core.SetStrict() }},
		{"another's role", true, func(_ *testing.T, b *bed, _, _ *ring.Port) { b.core.SetRoles(3) }},
		{"a loan", true, func(t *testing.T, _ *bed, p, _ *ring.Port) {
			if _, err := p.TryReserve(ring.Terms{Size: laneSize}); err != nil {
				t.Fatal(err)
			}
		}},
		{"empty", false, func(*testing.T, *bed, *ring.Port, *ring.Port) {}},
		{"strict", false, func(t *testing.T, b *bed, p, _ *ring.Port) {
			fill(t, p, 1)
			b.core.SetStrict()
		}},
		{"another's role", false, func(t *testing.T, b *bed, p, _ *ring.Port) {
			fill(t, p, 1)
			b.core.SetRoles(3)
		}},
		{"given back", false, func(t *testing.T, _ *bed, p, c *ring.Port) {
			fill(t, p, 2)
			m, err := c.TryReceive()
			if err != nil {
				t.Fatal(err)
			}
			c.Nack(m)
		}},
		{"another length", false, func(t *testing.T, _ *bed, p, _ *ring.Port) { mustPut(t, p, "short") }},
		{"a block", false, func(t *testing.T, _ *bed, p, _ *ring.Port) { mustPut(t, p, string(text(0, 200))) }},
	}
}

// TestLanesOfOthers has a goroutine come that is not the owner.
func TestLanesOfOthers(t *testing.T) {
	b, p, c := straight(t, ring.Spec{Cap: 3}, 8)
	m := text(1, 8)
	done := make(chan bool)
	go func() {
		ok := p.PutAlone(&m[0]) || c.GetAlone(&m[0])
		mustPut(t, p, "by claim") // and so the owner is none any more
		done <- ok
	}()
	if <-done {
		t.Error("another goroutine went by the lane")
	}
	if p.PutAlone(&m[0]) {
		t.Error("the former owner went by the lane")
	}
	mustGet(t, c, "by claim")
	b.checkEmpty()
}
