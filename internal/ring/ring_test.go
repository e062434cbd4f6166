package ring_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/ring"
)

const slots = 8

// bed is a queue on the Go heap and its participants.
type bed struct {
	t     testing.TB
	shape object.Shape
	mem   mem.Region
	core  *ring.Ring
	uses  map[uint32]*object.Use
}

func newBed(t testing.TB, spec ring.Spec) *bed {
	spec, err := withDefaults(spec).Validate()
	if err != nil {
		t.Helper() // in vain, it costs more than much of this, in every schedule of a search
		t.Fatal(err)
	}
	shape := object.Shape{Spec: spec.Pack(), Slots: slots}
	n, err := ring.Kind().Size(shape)
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
	b := &bed{t: t, shape: shape, mem: mem.Heap(n), uses: map[uint32]*object.Use{}}
	if err := ring.Kind().Format(b.mem, shape); err != nil {
		t.Helper()
		t.Fatal(err)
	}
	if b.core, err = ring.Attach(b.mem, shape); err != nil {
		t.Helper()
		t.Fatal(err)
	}
	return b
}

func withDefaults(s ring.Spec) ring.Spec {
	set := func(p *int64, x int64) {
		if *p == 0 {
			*p = x
		}
	}
	set(&s.Cap, 4)
	set(&s.Mode, ring.MPMC)
	set(&s.SlotSize, 64)
	set(&s.MaxSize, s.SlotSize)
	if s.MaxSize > s.SlotSize {
		set(&s.Heap, 4*s.MaxSize)
	}
	return s
}

// port returns a new port of participant slot, with process-local state of its own.
func (b *bed) port(slot uint32) *ring.Port {
	use := object.NewUse(&object.Mapping{Region: b.mem}, slot, nil)
	p, err := ring.New(use, &object.Object{Kind: ring.Kind(), Shape: b.shape, Region: b.mem})
	if err != nil {
		b.t.Helper()
		b.t.Fatal(err)
	}
	b.uses[slot] = use
	return p
}

func (b *bed) check() {
	b.t.Helper()
	live := func(slot uint32) bool { return b.uses[slot] != nil }
	for _, err := range b.core.Check(live) {
		b.t.Error(err)
	}
	if b.t.Failed() {
		b.t.Log(b.core.Dump())
	}
}

func (b *bed) checkEmpty() {
	b.t.Helper()
	b.check()
	if err := b.core.AtRest(); err != nil {
		b.t.Errorf("not empty: %v\n%s", err, b.core.Dump())
	}
}

// die makes participant slot a dead one, and repairs what it left.
func (b *bed) die(slot uint32) {
	b.core.Repair(object.Dead{Slot: slot})
	b.core.Repair(object.Dead{Slot: slot, Exited: true})
	delete(b.uses, slot)
}

func deadNow(slot uint32) object.Dead { return object.Dead{Slot: slot} }

func goneNow(slot uint32) object.Dead { return object.Dead{Slot: slot, Exited: true} }

func get(p *ring.Port) (string, error) {
	m, err := p.TryTake()
	if err != nil {
		return "", err
	}
	s := string(p.Bytes(m))
	p.Finish(m)
	return s, nil
}

func mustGet(t testing.TB, p *ring.Port, want ...string) {
	t.Helper()
	for _, w := range want {
		if s, err := get(p); err != nil || s != w {
			t.Fatalf("got %.40q, %v; want %.40q", s, err, w)
		}
	}
}

func mustPut(t testing.TB, p *ring.Port, messages ...string) {
	t.Helper()
	for _, s := range messages {
		if err := p.TryPut([]byte(s)); err != nil {
			t.Fatalf("putting %.40q: %v", s, err)
		}
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

// long returns a message of n bytes that is different for each i.
func long(n, i int) string {
	b := make([]byte, n)
	for k := range b {
		b[k] = byte(k*7 + i + k>>8)
	}
	return string(b)
}

// within returns a context that only a hang outlasts, and that lasts longer than
// those tests wait that expect none.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestOrder(t *testing.T) {
	for _, n := range []int64{1, 2, 3, 4, 7, 64} {
		for _, lap := range []uint64{0, 1<<40 - 2} {
			t.Run(fmt.Sprintf("cap=%d/lap=%d", n, lap), func(t *testing.T) {
				b := newBed(t, ring.Spec{Cap: n})
				b.core.SetLap(lap)
				b.core.SetTickets(1<<32 - 2)
				b.core.SetEvents(1<<32 - 4)
				p, c := b.port(1), b.port(2)
				put, got := 0, 0
				for round := range 20 {
					for {
						err := p.TryPut([]byte(fmt.Sprint(put)))
						if errors.Is(err, ring.ErrFull) {
							break
						}
						if err != nil {
							t.Fatal(err)
						}
						put++
					}
					if int64(put-got) != n || c.Len() != int(n) {
						t.Fatalf("full with %d, Len %d", put-got, c.Len())
					}
					for range 1 + round%int(n) {
						mustGet(t, c, fmt.Sprint(got))
						got++
					}
				}
				for got < put {
					mustGet(t, c, fmt.Sprint(got))
					got++
				}
				_, err := c.TryTake()
				wantError(t, err, ring.ErrEmpty)
				b.checkEmpty()
			})
		}
	}
}

func TestSizes(t *testing.T) {
	for _, spec := range []ring.Spec{
		{Cap: 3, SlotSize: 64, MaxSize: 64},
		{Cap: 3, SlotSize: 64, MaxSize: 5000},
		{Cap: 3, SlotSize: 3000, MaxSize: 3000},
		{Cap: 3, SlotSize: 3000, MaxSize: 9000},
		{Cap: 3, SlotSize: 3000, MaxSize: 9000, Granule: 9000},
	} {
		t.Run(fmt.Sprint(spec), func(t *testing.T) {
			b := newBed(t, spec)
			p, c := b.port(1), b.port(2)
			for n := int64(0); n <= spec.MaxSize; n = n + 1 + n/5 {
				mustPut(t, p, long(int(n), 1))
				b.check()
				mustGet(t, c, long(int(n), 1))
			}
			mustPut(t, p, long(int(spec.MaxSize), 2))
			mustGet(t, c, long(int(spec.MaxSize), 2))
			wantError(t, p.TryPut(make([]byte, spec.MaxSize+1)), ring.ErrTooLarge)
			wantError(t, p.Put(within(t), make([]byte, spec.MaxSize+1)), ring.ErrTooLarge)
			for i := range 3 { // SlotSize fits Cap times, whatever else is there
				mustPut(t, p, long(int(spec.SlotSize), i))
			}
			wantError(t, p.TryPut([]byte("x")), ring.ErrFull)
			for i := range 3 {
				mustGet(t, c, long(int(spec.SlotSize), i))
			}
			b.checkEmpty()
		})
	}
}

func TestBadSpecs(t *testing.T) {
	good := withDefaults(ring.Spec{MaxSize: 1000})
	for name, change := range map[string]func(*ring.Spec){
		"no cap":           func(s *ring.Spec) { s.Cap = 0 },
		"negative cap":     func(s *ring.Spec) { s.Cap = -1 },
		"large cap":        func(s *ring.Spec) { s.Cap = 1 << 40 },
		"mode":             func(s *ring.Spec) { s.Mode = 3 },
		"slot size":        func(s *ring.Spec) { s.SlotSize = -5 },
		"max size":         func(s *ring.Spec) { s.MaxSize = 10 },
		"heap":             func(s *ring.Spec) { s.Heap = -1 },
		"heap too small":   func(s *ring.Spec) { s.Heap = 999 },
		"negative granule": func(s *ring.Spec) { s.Granule = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			s := good
			change(&s)
			_, err := ring.Kind().Size(object.Shape{Spec: s.Pack(), Slots: 8})
			wantError(t, err, fs.ErrInvalid)
		})
	}
	_, err := ring.Kind().Size(object.Shape{Spec: good.Pack(), Slots: 5000})
	wantError(t, err, fs.ErrInvalid)
	if _, err := ring.Kind().Size(object.Shape{Spec: good.Pack(), Slots: 8}); err != nil {
		t.Fatal(err)
	}
}

func TestReceive(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 3, MaxSize: 4000})
	p, c, d := b.port(1), b.port(2), b.port(3)
	mustPut(t, p, "a", long(3000, 1), "c")
	m1, err := c.TryReceive()
	if err != nil || m1.Attempt() != 1 || string(c.Bytes(m1)) != "a" {
		t.Fatal(m1, err)
	}
	m2, err := c.TryReceive()
	if err != nil || string(c.Bytes(m2)) != long(3000, 1) {
		t.Fatal(m2, err)
	}
	if c.Len() != 1 {
		t.Fatal("Len", c.Len())
	}
	c.Nack(m1)
	c.Nack(m1) // nothing
	if c.Len() != 2 {
		t.Fatal("Len", c.Len())
	}
	m1, err = d.TryReceive()
	if err != nil || m1.Attempt() != 2 || string(d.Bytes(m1)) != "a" {
		t.Fatal(m1, err)
	}
	b.check()
	c.Nack(m2)
	mustGet(t, d, long(3000, 1), "c")
	if err := d.Ack(m1); err != nil {
		t.Fatal(err)
	}
	if err := d.Ack(m1); err == nil {
		t.Fatal("acknowledged twice")
	}
	b.checkEmpty()
}

// A delivery that is held for long does not stop the ring, but takes one place.
func TestHeldDeliveries(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 3})
	p, c := b.port(1), b.port(2)
	mustPut(t, p, "held", "x", "y")
	m, err := c.TryReceive()
	if err != nil {
		t.Fatal(err)
	}
	mustGet(t, c, "x", "y")
	for i := range 50 {
		mustPut(t, p, fmt.Sprint(i), fmt.Sprint(-i))
		wantError(t, p.TryPut([]byte("no")), ring.ErrFull)
		mustGet(t, c, fmt.Sprint(i), fmt.Sprint(-i))
		b.check()
	}
	mustPut(t, p, "next")
	c.Nack(m)
	mustGet(t, c, "held", "next")
	b.checkEmpty()
}

// With every place lent, producers come round any number of laps, and consumers
// find their way all the same.
func TestAllHeld(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 3})
	p, c, d := b.port(1), b.port(2), b.port(3)
	var held []ring.Message
	for i := range 3 {
		mustPut(t, p, fmt.Sprint(i))
		m, err := c.TryReceive()
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, m)
	}
	for range 10000 {
		wantError(t, p.TryPut([]byte("no")), ring.ErrFull)
	}
	_, err := d.TryTake()
	wantError(t, err, ring.ErrEmpty)
	b.check()
	if err := c.Ack(held[1]); err != nil {
		t.Fatal(err)
	}
	mustPut(t, p, "new")
	wantError(t, p.TryPut([]byte("no")), ring.ErrFull)
	mustGet(t, d, "new")
	c.Nack(held[2])
	c.Nack(held[0])
	first, err1 := get(d)
	second, err2 := get(d)
	if err1 != nil || err2 != nil || first+second != "02" && first+second != "20" {
		t.Fatal(first, second, err1, err2)
	}
	b.checkEmpty()
}

func TestShutdown(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 3})
	p, c, d := b.port(1), b.port(2), b.port(3)
	mustPut(t, p, "a", "b")
	p.Shutdown()
	p.Shutdown()
	wantError(t, p.TryPut([]byte("c")), ring.ErrShutdown)
	wantError(t, p.Put(within(t), []byte("c")), ring.ErrShutdown)
	wantError(t, ring.ErrShutdown, fs.ErrClosed)
	m, err := c.TryReceive()
	if err != nil {
		t.Fatal(err)
	}
	mustGet(t, c, "b")
	_, err = c.TryTake() // its own delivery does not count
	wantError(t, err, ring.ErrShutdown)
	_, err = d.TryTake() // c may give it back
	wantError(t, err, ring.ErrEmpty)
	c.Nack(m)
	mustGet(t, d, "a")
	_, err = d.TryTake()
	wantError(t, err, ring.ErrShutdown)
	b.checkEmpty()
}

func TestSPSC(t *testing.T) {
	b := newBed(t, ring.Spec{Mode: ring.SPSC})
	p, c := b.port(1), b.port(2)
	mustPut(t, p, "a")
	wantError(t, c.TryPut([]byte("b")), fs.ErrPermission)
	mustGet(t, c, "a")
	_, err := p.TryTake()
	wantError(t, err, fs.ErrPermission)
	b.core.Leave(1)
	mustPut(t, c, "c")
	b.die(2)
	mustGet(t, p, "c")
	mustPut(t, p, "d")
}
