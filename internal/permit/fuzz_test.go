package permit_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/permit"
)

// FuzzPermitAttach lets any bytes be a semaphore: every operation must return, in
// the end with an error, and never panic or reach outside of the region.
func FuzzPermitAttach(f *testing.F) {
	f.Add([]byte{}, uint64(3), uint64(permit.Bounded), byte(0))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255}, uint64(3), uint64(permit.Bounded), byte(1))
	f.Add([]byte{1, 0, 0, 2, 0, 31, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 3}, uint64(700), uint64(permit.Bounded), byte(2))
	f.Add([]byte{0, 0, 0, 128, 0, 0, 0, 128}, uint64(0), uint64(permit.Signal), byte(3))
	f.Add([]byte{1, 0, 0, 0, 2}, uint64(permit.MaxSignal), uint64(permit.Signal), byte(4))
	f.Fuzz(func(t *testing.T, bytes []byte, permits, kind uint64, where byte) {
		const slots, behind = 4, 256
		shape := object.Shape{Spec: object.Spec{permits, kind}, Slots: slots}
		n, err := permit.Kind().Size(shape)
		if err != nil {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		all := mem.Heap(n + behind)
		r, err := all.Sub(0, n)
		if err != nil {
			t.Fatal(err)
		}
		if err := permit.Kind().Format(r, shape); err != nil {
			t.Fatal(err)
		}
		raw, err := all.Bytes(0, n+behind)
		if err != nil {
			t.Fatal(err)
		}
		copy(raw[int64(where)*8%n:n], bytes)
		core, err := permit.Kind().Attach(r, shape)
		if err != nil {
			t.Fatal(err)
		}
		use := object.NewUse(&object.Mapping{Region: r}, 2, nil)
		s, err := permit.New(use, &object.Object{Shape: shape, Region: r})
		if err != nil {
			t.Fatal(err)
		}
		abuse(t, s)
		inspect(core)
		core.Repair(object.Dead{Slot: 2})
		core.Repair(object.Dead{Slot: 3, Exited: true})
		use.End()
		core.Leave(2)
		inspect(core)
		for _, b := range raw[n:] {
			if b != 0 {
				t.Fatal("wrote behind the region")
			}
		}
	})
}

// abuse calls every operation. Its waits end by their context.
func abuse(t *testing.T, s *permit.Semaphore) {
	t.Helper()
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, n := range []int{1, 2, 255, 256, 600} {
		if err := s.Acquire(canceled, n); err == nil {
			t.Error("acquired with a context that is done")
		}
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Microsecond)
		held := s.Acquire(ctx, n) == nil
		cancel()
		if held {
			_ = s.Release(n)
		}
		if s.TryAcquire(n) == nil {
			_ = s.Release(n)
		}
		_ = s.Release(n)
		_, _ = s.Held(), s.Available()
	}
}

func inspect(c object.Core) {
	c.Check(func(slot uint32) bool { return slot == 1 })
	c.Holds(func(object.Hold) bool { return true })
	_ = c.State()
}

// FuzzOperations runs scripts of operations of three participants, in turn, and
// compares everything that can be seen with a model.
func FuzzOperations(f *testing.F) {
	f.Add([]byte{3, 0x00, 1, 0x11, 2, 0x22, 1, 0x30, 0})
	f.Add([]byte{255, 0x40, 255, 0x51, 20, 0x10, 255, 0x02, 9, 0x62, 3})
	f.Add([]byte{130, 0x00, 200, 0x10, 200, 0x20, 200, 0x31, 0, 0x00, 255})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 || len(script) > 128 {
			return
		}
		m := &model{free: 1 + 5*int(script[0])}
		m.all = m.free
		w := newWorld(t, permit.Bounded, m.all, 4)
		parties := [3]*party{w.join(2), w.join(3), w.join(4)}
		for i := 1; i+1 < len(script); i += 2 {
			who, n := int(script[i]&3)%3, m.amount(script[i+1])
			p := parties[who]
			switch script[i] >> 4 % 8 {
			case 0, 1:
				same(t, i, p.TryAcquire(n), m.take(who, n))
			case 2, 3:
				same(t, i, p.Release(n), m.give(who, n))
			case 4:
				mustAcquireOr(t, i, p, n, m.take(who, n))
			case 5: // one permit after the other
				for range min(n, 300) {
					same(t, i, p.TryAcquire(1), m.take(who, 1))
				}
			case 6:
				w.repair(uint32(2 + who))
				delete(w.dead, uint32(2+who))
				m.giveAll(who)
			case 7:
				w.close(p)
				m.giveAll(who)
				parties[who] = w.join(uint32(2 + who))
			}
			if parties[who].Held() != m.held[who] {
				t.Fatalf("operation %d: participant %d holds %d, want %d", i, who, parties[who].Held(), m.held[who])
			}
			w.check(m.free)
		}
	})
}

// model is a semaphore for one goroutine.
type model struct {
	all, free int
	held      [3]int
}

// amount returns a number of permits that is near to one that matters.
func (m *model) amount(b byte) int {
	near := []int{0, 1, 2, 254, 255, 256, m.all, m.free, m.held[0], m.held[1], m.held[2], m.all / 2}
	return near[int(b>>2)%len(near)] + int(b&3) - 1
}

func (m *model) take(who, n int) error {
	switch {
	case n < 1 || n > m.all:
		return fs.ErrInvalid
	case n > m.free:
		return permit.ErrNoPermit
	}
	m.free -= n
	m.held[who] += n
	return nil
}

func (m *model) give(who, n int) error {
	switch {
	case n < 1:
		return fs.ErrInvalid
	case n > m.held[who]:
		return permit.ErrNotHeld
	}
	m.free += n
	m.held[who] -= n
	return nil
}

func (m *model) giveAll(who int) {
	m.free += m.held[who]
	m.held[who] = 0
}

func same(t *testing.T, i int, got, want error) {
	t.Helper()
	if (got == nil) != (want == nil) || !errors.Is(got, want) {
		t.Fatalf("operation %d: %v, want %v", i, got, want)
	}
}

// mustAcquireOr acquires n permits with a short deadline, if they are not there.
func mustAcquireOr(t *testing.T, i int, p *party, n int, want error) {
	t.Helper()
	limit := watchdog
	if errors.Is(want, permit.ErrNoPermit) {
		limit, want = 100*time.Microsecond, context.DeadlineExceeded
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	same(t, i, p.Acquire(ctx, n), want)
}
