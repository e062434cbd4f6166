package ring_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/ring"
)

// worn returns a queue in every kind of use at once.
func worn(t testing.TB, granule int64) (b *bed, ports []*ring.Port) {
	b = newBed(t, ring.Spec{Cap: 6, SlotSize: 64, MaxSize: 4000, Heap: 12000, Granule: granule})
	for slot := uint32(1); slot <= 3; slot++ {
		ports = append(ports, b.port(slot))
	}
	p, c := ports[0], ports[1]
	mustPut(t, p, "a", long(2000, 1), "b", "c")
	m, err := c.TryReceive()
	if err != nil {
		t.Fatal(err)
	}
	mustGet(t, c, long(2000, 1))
	c.Nack(m)
	if _, err := c.TryReceive(); err != nil {
		t.Fatal(err)
	}
	mustReserve(t, p, ring.Terms{Size: 1500, Lent: true})
	mustPut(t, p, long(1000, 3))
	return b, ports
}

// harmless reports whether err is one that bytes may cause.
func harmless(err error) bool {
	var c *mem.Corruption
	for _, ok := range []error{
		ring.ErrFull, ring.ErrEmpty, ring.ErrShutdown, ring.ErrTooLarge, fs.ErrClosed, fs.ErrPermission,
		context.DeadlineExceeded,
	} {
		if errors.Is(err, ok) {
			return true
		}
	}
	return err == nil || errors.As(err, &c)
}

// useAll does everything with a queue whose bytes may be anything.
func useAll(t testing.TB, b *bed, ports []*ring.Port) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
	defer cancel()
	check := func(err error) {
		t.Helper()
		if !harmless(err) && !errors.Is(err, ring.ErrBusyForTests) {
			t.Errorf("strange error: %v", err)
		}
	}
	read := func(p *ring.Port, m ring.Message) {
		sum := byte(0)
		for _, x := range p.Bytes(m) {
			sum += x
		}
		_ = sum
	}
	for _, p := range ports {
		check(p.TryPut([]byte("x")))
		check(p.TryPut(make([]byte, 3000)))
		if m, err := p.TryTake(); err == nil {
			read(p, m)
			p.Finish(m)
		} else {
			check(err)
		}
		if m, err := p.TryReceive(); err == nil {
			read(p, m)
			check(p.Ack(m))
			p.Nack(m)
		} else {
			check(err)
		}
		if l, err := p.TryReserve(ring.Terms{Size: 1000, Tag: 3, Lent: true}); err == nil {
			clear(p.BlockBytes(l, 1000))
			check(p.PublishBlock(l, 1000))
			p.Abandon(l)
		} else {
			check(err)
		}
		p.Len()
	}
	check(ports[0].Put(ctx, make([]byte, 4000)))
	check(ports[1].Join(ctx))
	if m, err := ports[2].Take(ctx); err == nil {
		ports[2].Finish(m)
	} else {
		check(err)
	}
	b.core.Check(func(uint32) bool { return true })
	b.core.Holds(func(object.Hold) bool { return true })
	_ = b.core.State()
	for slot := uint32(1); slot <= 3; slot++ {
		b.core.Leave(slot)
		b.core.Repair(deadNow(slot))
		b.core.Repair(goneNow(slot))
	}
	ports[0].Shutdown()
	_, err := ports[1].TryTake()
	check(err)
}

// FuzzRingAttach changes bytes of a queue in use: everything still returns, and
// nothing but the queue is touched.
func FuzzRingAttach(f *testing.F) {
	f.Add([]byte{})
	for field := range uint16(120) {
		f.Add(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint16(nil, field*8), rand.Uint64()))
	}
	f.Fuzz(func(t *testing.T, edits []byte) {
		b, ports := worn(t, 512)
		words, err := mem.Slice[uint64](b.mem, 0, b.mem.Len()/8)
		if err != nil {
			t.Fatal(err)
		}
		for ; len(edits) >= 10; edits = edits[10:] {
			at := int(binary.LittleEndian.Uint16(edits)) % len(words)
			words[at] ^= binary.LittleEndian.Uint64(edits[2:])
		}
		useAll(t, b, ports)
	})
}

// TestScribbled overwrites single words, and many, by values of all kinds.
func TestScribbled(t *testing.T) {
	b, _ := worn(t, 512)
	n := int(b.mem.Len() / 8)
	values := []uint64{0, 1, ^uint64(0), 1 << 63, 1 << 24, 0xfff, 7 << 20, 4<<20 | 2, 5 << 20, 2 << 60, 3<<60 | 1<<40, 4 << 60}
	step := 1
	if testing.Short() || race.Enabled {
		step = 7
	}
	for at := 0; at < n; at += step {
		if at > 500 && at%41 != 0 {
			continue // payload
		}
		b, ports := worn(t, 512)
		words, err := mem.Slice[uint64](b.mem, 0, int64(n))
		if err != nil {
			t.Fatal(err)
		}
		words[at] = values[at%len(values)]
		if at%3 == 0 {
			for range 20 {
				words[rand.IntN(n)] = values[rand.IntN(len(values))]
			}
		}
		useAll(t, b, ports)
	}
}

// TestScribbler writes nonsense into a queue while it is in use: errors are
// fine, and every call ends soon after its context.
func TestScribbler(t *testing.T) {
	if race.Enabled {
		t.Skip("a scribbler is a race")
	}
	b, ports := worn(t, 512)
	words, err := mem.Slice[uint64](b.mem, 0, b.mem.Len()/8)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	scribbled := background(t, func() error {
		for {
			select {
			case <-stop:
				return nil
			default:
			}
			at := rand.IntN(len(words))
			if rand.IntN(2) == 0 {
				at = rand.IntN(200)
			}
			words[at] = []uint64{rand.Uint64(), uint64(rand.IntN(1 << 24)), words[rand.IntN(len(words))]}[rand.IntN(3)]
		}
	})
	end := time.Now().Add(time.Second)
	for time.Now().Before(end) {
		wait := background(t, func() error { useAll(t, b, ports); return nil })
		if err := wait(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := scribbled(); err != nil {
		t.Fatal(err)
	}
}
