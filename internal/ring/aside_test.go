package ring_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/internal/ring"
)

// A place that becomes free out of turn is used at once, and what is put there
// comes in its turn.
func TestHole(t *testing.T) {
	for _, m := range []string{"e", long(1500, 5)} {
		b := newBed(t, ring.Spec{Cap: 3, MaxSize: 2000})
		p, c, q := b.port(1), b.port(2), b.patient(3)
		mustPut(t, p, "a", "b", "c")
		held, err := c.TryReceive()
		if err != nil {
			t.Fatal(err)
		}
		mustGet(t, c, "b")
		mustPut(t, p, "d") // past the delivery, which gives up its place for this
		wantError(t, p.TryPut([]byte(m)), ring.ErrFull)
		wait := mustBlock(t, func() error { return q.Put(within(t), []byte(m)) })
		if err := c.Ack(held); err != nil {
			t.Fatal(err)
		}
		if err := wait(); err != nil {
			t.Fatal(err)
		}
		b.check()
		wantError(t, p.TryPut([]byte("no")), ring.ErrFull)
		_, err = p.TryReserve(ring.Terms{})
		wantError(t, err, ring.ErrFull)
		mustGet(t, c, "c")
		l := mustReserve(t, q, ring.Terms{})
		wantError(t, p.TryPut([]byte("no")), ring.ErrFull)
		mustPublish(t, q, l, "f")
		mustGet(t, c, "d", m, "f")
		b.checkEmpty()
	}
}

// The places that a dead producer had claimed are there again.
func TestHoleOfTheDead(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 3})
	p, victim := b.port(1), b.port(2)
	mustPut(t, p, "a")
	if _, err := victim.TryClaim(); err != nil {
		t.Fatal(err)
	}
	mustPut(t, p, "b")
	wantError(t, p.TryPut([]byte("no")), ring.ErrFull)
	b.die(2)
	mustPut(t, p, "c")
	wantError(t, p.TryPut([]byte("no")), ring.ErrFull)
	mustGet(t, p, "a", "b", "c")
	b.checkEmpty()
}
