package ring_test

import (
	"fmt"
	"testing"

	"github.com/shoal-ipc/shoal/internal/ring"
)

func mustReserve(t testing.TB, p *ring.Port, terms ring.Terms) ring.Loan {
	t.Helper()
	l, err := p.TryReserve(terms)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustPublish(t testing.TB, p *ring.Port, l ring.Loan, m string) {
	t.Helper()
	if err := p.PublishBytes(l, []byte(m)); err != nil {
		t.Fatal(err)
	}
}

// Each loan counts as one message, neither more nor less.
func TestLoansCount(t *testing.T) {
	for _, n := range []int64{1, 2, 3, 64, 65, 300} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			b := newBed(t, ring.Spec{Cap: n})
			p, c := b.port(1), b.port(2)
			most := int(min(n, 256)) // loans at once
			for range 3 {
				var loans []ring.Loan
				for i := range most {
					loans = append(loans, mustReserve(t, p, ring.Terms{Tag: uint16(i), Lent: i%2 == 0}))
				}
				_, err := c.TryReserve(ring.Terms{})
				wantError(t, err, ring.ErrFull)
				for range int(n) - most {
					mustPut(t, c, "other")
				}
				wantError(t, c.TryPut([]byte("no")), ring.ErrFull)
				for i, l := range loans {
					if i%3 == 0 {
						p.Abandon(l)
						mustPut(t, c, "instead")
					} else {
						mustPublish(t, p, l, "loan")
					}
					wantError(t, c.TryPut([]byte("no")), ring.ErrFull)
				}
				if c.Len() != int(n) {
					t.Fatal("Len", c.Len())
				}
				b.check()
				for range n {
					if _, err := get(c); err != nil {
						t.Fatal(err)
					}
				}
				b.checkEmpty()
			}
		})
	}
}

// A loan that is published when others have been quicker to fill the ring stays
// in its own slot, and in order.
func TestPublishLate(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 3})
	p, q, c := b.port(1), b.port(2), b.port(3)
	first, second, third := mustReserve(t, p, ring.Terms{Tag: 0}), mustReserve(t, p, ring.Terms{Tag: 4}), mustReserve(t, p, ring.Terms{Tag: 8})
	for i := range 3 {
		if err := q.PutAnyway([]byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	mustPublish(t, p, second, "c")
	mustPublish(t, p, third, "a")
	mustPublish(t, p, first, "b")
	b.check()
	if c.Len() != 3 {
		t.Fatal("Len", c.Len())
	}
	mustGet(t, c, "0", "1", "2")
	wantError(t, p.TryPut([]byte("no")), ring.ErrFull)
	mustGet(t, c, "c")
	wantError(t, p.TryPut([]byte("later")), nil)
	m, err := c.TryReceive()
	if err != nil || string(c.Bytes(m)) != "a" || m.Attempt() != 1 {
		t.Fatal(m, err)
	}
	c.Nack(m)
	mustGet(t, c, "a", "b", "later")
	b.checkEmpty()
}

// What is held, given back or abandoned frees its place at once.
func TestPlacesComeBack(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 3})
	p, c := b.port(1), b.port(2)
	for range 5 {
		mustPut(t, p, "a", "b", "c")
		m1, err1 := c.TryReceive()
		m2, err2 := c.TryReceive()
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		for range 10 {
			wantError(t, p.TryPut([]byte("no")), ring.ErrFull)
		}
		if err := c.Ack(m1); err != nil {
			t.Fatal(err)
		}
		mustPut(t, p, "d")
		wantError(t, p.TryPut([]byte("no")), ring.ErrFull)
		c.Nack(m2)
		wantError(t, p.TryPut([]byte("no")), ring.ErrFull)
		mustGet(t, c, "b")
		mustPut(t, p, "e")
		mustGet(t, c, "c", "d", "e")
		b.checkEmpty()
	}
}
