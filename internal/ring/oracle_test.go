package ring_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/ring"
)

// oracle is what a queue should be, as slices: one goroutine uses both.
type oracle struct {
	capacity int
	again    []string // given back: they come before waiting, in any order
	waiting  []string
	held     []string
	loans    int
	down     bool
}

func (o *oracle) full() bool {
	return len(o.again)+len(o.waiting)+len(o.held)+o.loans >= o.capacity
}

// putError is what a put or a reservation should return.
func (o *oracle) putError() error {
	switch {
	case o.down:
		return ring.ErrShutdown
	case o.full():
		return ring.ErrFull
	}
	return nil
}

// takeError is what a get should return.
func (o *oracle) takeError() error {
	switch {
	case len(o.again)+len(o.waiting) > 0:
		return nil
	case o.down && o.loans == 0:
		return ring.ErrShutdown
	}
	return ring.ErrEmpty
}

// take removes m, which a get returned, and reports whether it was its turn.
func (o *oracle) take(m string) bool {
	if i := slices.Index(o.again, m); i >= 0 {
		o.again = slices.Delete(o.again, i, i+1)
		return true
	}
	if len(o.again) > 0 || len(o.waiting) == 0 || o.waiting[0] != m {
		return false
	}
	o.waiting = o.waiting[1:]
	return true
}

// script plays operations, one for each byte, with a queue and with the oracle.
func script(t *testing.T, capacity int64, lap uint64, ops []byte) {
	b := newBed(t, ring.Spec{Cap: capacity, MaxSize: 2000, Granule: 256, Heap: 2000 * (capacity + 1)})
	b.core.SetLap(lap)
	p := b.port(1)
	o := &oracle{capacity: int(capacity)}
	var held []ring.Message
	var loans []ring.Loan
	number := 0
	next := func(kind byte) string {
		number++
		m := fmt.Sprint(number, "|")
		if kind&8 != 0 {
			m += long(200+number*37%1500, number)
		}
		return m
	}
	same := func(i int, op string, got, want error) bool {
		t.Helper()
		if !errors.Is(got, want) || got != nil && want == nil {
			t.Fatalf("op %d, %s: %v, want %v\n%s", i, op, got, want, b.core.Dump())
		}
		return got == nil
	}
	for i, op := range ops {
		switch op % 8 {
		case 0, 1:
			m := next(op)
			if same(i, "put", p.TryPut([]byte(m)), o.putError()) {
				o.waiting = append(o.waiting, m)
			}
		case 2:
			want := o.takeError()
			m, err := get(p)
			if same(i, "get", err, want) && !o.take(m) {
				t.Fatalf("op %d: got %.10q out of its turn", i, m)
			}
		case 3:
			want := o.takeError()
			m, err := p.TryReceive()
			if same(i, "receive", err, want) {
				s := string(p.Bytes(m))
				if !o.take(s) {
					t.Fatalf("op %d: received %.10q out of its turn", i, s)
				}
				held, o.held = append(held, m), append(o.held, s)
			}
		case 4, 5:
			if len(held) == 0 {
				continue
			}
			k := int(op/8) % len(held)
			if op%8 == 4 {
				same(i, "ack", p.Ack(held[k]), nil)
			} else {
				p.Nack(held[k])
				o.again = append(o.again, o.held[k])
			}
			held, o.held = slices.Delete(held, k, k+1), slices.Delete(o.held, k, k+1)
		case 6:
			l, err := p.TryReserve(ring.Terms{Tag: uint16(i), Lent: op&8 != 0})
			if same(i, "reserve", err, o.putError()) {
				loans = append(loans, l)
				o.loans++
			}
		case 7:
			if op == 255 {
				p.Shutdown()
				o.down = true
			}
			if len(loans) == 0 {
				continue
			}
			k := int(op/8) % len(loans)
			if op&64 != 0 {
				p.Abandon(loans[k])
			} else {
				m := next(0)
				same(i, "publish", p.PublishBytes(loans[k], []byte(m)), nil)
				o.waiting = append(o.waiting, m)
			}
			loans = slices.Delete(loans, k, k+1)
			o.loans--
		}
		if n := p.Len(); n != len(o.again)+len(o.waiting) {
			t.Fatalf("op %d: Len is %d, want %d\n%s", i, n, len(o.again)+len(o.waiting), b.core.Dump())
		}
	}
	b.check()
}

// FuzzOracle compares a queue with slices: order, errors, and what fits are
// exact while only one goroutine uses it.
func FuzzOracle(f *testing.F) {
	f.Add(uint8(1), []byte{0, 0, 3, 0, 5, 2, 6, 0, 7, 2})
	f.Add(uint8(2), []byte{0, 8, 3, 0, 4, 0, 6, 2, 6, 64 + 7, 255, 2, 2})
	f.Fuzz(func(t *testing.T, capacity uint8, ops []byte) {
		script(t, 1+int64(capacity%9), 0, ops[:min(len(ops), 500)])
	})
}

// TestOracle does so with random scripts.
func TestOracle(t *testing.T) {
	scripts := 3000
	if testing.Short() || race.Enabled {
		scripts = 300
	}
	for seed := range uint64(scripts) {
		rng := rand.New(rand.NewPCG(seed, 2))
		ops := make([]byte, 120)
		for i := range ops {
			ops[i] = byte(rng.IntN(256))
			if ops[i] == 255 && rng.IntN(4) > 0 {
				ops[i] = 0
			}
		}
		script(t, 1+int64(seed%8), 1<<40-1-seed%3, ops)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
