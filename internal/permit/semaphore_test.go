package permit_test

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"testing"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/permit"
)

func TestCounts(t *testing.T) {
	w := newWorld(t, permit.Bounded, 2, 4)
	a, b := w.join(1), w.join(2)
	mustAcquire(t, a, 1)
	w.check(1)
	if err := b.TryAcquire(1); err != nil {
		t.Fatal(err)
	}
	w.check(0)
	wantErr(t, "TryAcquire at 0", a.TryAcquire(1), permit.ErrNoPermit)
	wantErr(t, "TryAcquire at 0", b.TryAcquire(2), permit.ErrNoPermit)
	w.check(0)
	if a.Held() != 1 || b.Held() != 1 {
		t.Errorf("held %d and %d, want 1 and 1", a.Held(), b.Held())
	}
	mustRelease(t, b, 1)
	mustRelease(t, a, 1)
	w.check(2)
	if a.Held() != 0 || b.Held() != 0 {
		t.Errorf("held %d and %d, want 0 and 0", a.Held(), b.Held())
	}
}

func TestImpossible(t *testing.T) {
	ctx := context.Background()
	for _, kind := range []int{permit.Bounded, permit.Signal} {
		w := newWorld(t, kind, 3, 2)
		p := w.join(1)
		most := 3
		if kind == permit.Signal {
			most = permit.MaxSignal
		}
		for _, n := range []int{0, -1, math.MinInt, most + 1, math.MaxInt} {
			wantErr(t, fmt.Sprintf("Acquire(%d)", n), p.Acquire(ctx, n), fs.ErrInvalid)
			wantErr(t, fmt.Sprintf("TryAcquire(%d)", n), p.TryAcquire(n), fs.ErrInvalid)
		}
		for _, n := range []int{0, -1, math.MinInt} {
			wantErr(t, fmt.Sprintf("Release(%d)", n), p.Release(n), fs.ErrInvalid)
		}
		w.check(3)
	}
}

func TestReleaseNeedsHolding(t *testing.T) {
	const all = 2000
	tests := []struct{ hold, other, release int }{
		{0, 0, 1},
		{1, 0, 2},
		{1, 5, 2},
		{254, 0, 255},
		{255, 0, 256},
		{600, 0, 601},
		{600, 1000, 1400},
		{1, 0, math.MaxInt},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			w := newWorld(t, permit.Bounded, all, 2)
			p, q := w.join(1), w.join(2)
			if tt.hold > 0 {
				mustAcquire(t, p, tt.hold)
			}
			if tt.other > 0 {
				mustAcquire(t, q, tt.other)
			}
			wantErr(t, "Release", p.Release(tt.release), permit.ErrNotHeld)
			w.check(all - tt.hold - tt.other)
			if p.Held() != tt.hold {
				t.Errorf("held %d, want %d", p.Held(), tt.hold)
			}
			if tt.hold > 0 {
				mustRelease(t, p, tt.hold)
			}
			w.check(all - tt.other)
		})
	}
}

// TestSizes takes and returns in one go, and in ones, what lies on both sides of
// what one step can do, and with other participants in between.
func TestSizes(t *testing.T) {
	for _, n := range []int{1, 2, 254, 255, 256, 257, 510, 511, 1000, permit.MaxBounded} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newWorld(t, permit.Bounded, n, 3)
			p, q := w.join(1), w.join(2)
			mustAcquire(t, p, n)
			w.check(0)
			wantErr(t, "TryAcquire", q.TryAcquire(1), permit.ErrNoPermit)
			mustRelease(t, p, n)
			w.check(n)
			if err := q.TryAcquire(n); err != nil {
				t.Fatal(err)
			}
			w.check(0)
			for left := min(n, 600); left > 0; left-- {
				mustRelease(t, q, 1)
				mustAcquire(t, p, 1)
			}
			w.check(0)
			mustRelease(t, p, p.Held())
			if q.Held() > 0 {
				mustRelease(t, q, q.Held())
			}
			w.check(n)
			if n > 1 {
				mustAcquire(t, p, 1)
				wantErr(t, "TryAcquire of all but one", q.TryAcquire(n), permit.ErrNoPermit)
				w.check(n - 1)
				mustRelease(t, p, 1)
			}
			w.check(n)
		})
	}
}

// TestNumbersWrap goes past the greatest number of a change, in the tally and in
// the accounts.
func TestNumbersWrap(t *testing.T) {
	for _, start := range []uint32{1<<24 - 3, math.MaxUint32 - 2} {
		w := newWorld(t, permit.Bounded, 2, 3)
		w.core.SetNumbers(start)
		a, b := w.join(1), w.join(2)
		for range 8 {
			mustAcquire(t, a, 1)
			mustAcquire(t, b, 1)
			w.check(0)
			mustRelease(t, a, 1)
			mustRelease(t, b, 1)
			w.check(2)
		}
	}
}

func TestOwnChangeIsFolded(t *testing.T) {
	w := newWorld(t, permit.Bounded, 5, 3)
	a := w.join(1)
	mustAcquire(t, a, 1)
	_, _, slot, number, _ := w.core.Tally()
	for range 100 {
		mustAcquire(t, a, 2)
		mustRelease(t, a, 2)
	}
	if _, change, s, n, sealed := w.core.Tally(); s != slot || n != number || change != -1 || sealed {
		t.Errorf("tally has change %d number %d of slot %d, sealed %v; want one change, number %d of %d", change, n, s, sealed, number, slot)
	}
}

func TestSignal(t *testing.T) {
	w := newWorld(t, permit.Signal, 0, 2)
	a, b := w.join(1), w.join(2)
	wantErr(t, "TryAcquire at 0", a.TryAcquire(1), permit.ErrNoPermit)
	mustRelease(t, a, 3) // of another than who consumes them
	if err := b.TryAcquire(2); err != nil {
		t.Fatal(err)
	}
	w.check(1)
	if b.Held() != 0 {
		t.Errorf("held %d, want 0: nobody holds events", b.Held())
	}
	mustRelease(t, b, permit.MaxSignal-1)
	w.check(permit.MaxSignal)
	wantErr(t, "Release beyond the most", a.Release(1), fs.ErrInvalid)
	wantErr(t, "Release beyond the most", a.Release(math.MaxInt), fs.ErrInvalid)
	w.check(permit.MaxSignal)
	mustAcquire(t, a, permit.MaxSignal)
	w.check(0)
}

func TestDoneContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, kind := range []int{permit.Bounded, permit.Signal} {
		w := newWorld(t, kind, 700, 1)
		p := w.join(1)
		for _, n := range []int{1, 2, 300} {
			wantErr(t, "Acquire", p.Acquire(ctx, n), context.Canceled)
		}
		w.check(700)
	}
}

func TestClosed(t *testing.T) {
	w := newWorld(t, permit.Bounded, 600, 2)
	p := w.join(1)
	mustAcquire(t, p, 1)
	mustAcquire(t, p, 300)
	w.close(p)
	w.check(600)
	ctx := context.Background()
	for _, s := range []*permit.Semaphore{p.Semaphore, nil} {
		wantErr(t, "Acquire", s.Acquire(ctx, 1), fs.ErrClosed)
		wantErr(t, "Acquire", s.Acquire(ctx, 300), fs.ErrClosed)
		wantErr(t, "TryAcquire", s.TryAcquire(1), fs.ErrClosed)
		wantErr(t, "Release", s.Release(1), fs.ErrClosed)
		if s.Available() != 0 || s.Held() != 0 {
			t.Errorf("Available %d, Held %d, want 0", s.Available(), s.Held())
		}
	}
	w.check(600)
}

func TestReadOnly(t *testing.T) {
	w := newWorld(t, permit.Bounded, 3, 2)
	mustAcquire(t, w.join(1), 2)
	p := w.join(0)
	wantErr(t, "Acquire", p.Acquire(context.Background(), 1), fs.ErrPermission)
	wantErr(t, "TryAcquire", p.TryAcquire(1), fs.ErrPermission)
	wantErr(t, "Release", p.Release(1), fs.ErrPermission)
	if p.Available() != 1 || p.Held() != 0 {
		t.Errorf("Available %d, Held %d, want 1 and 0", p.Available(), p.Held())
	}
	w.check(1)
}

func TestHandlesShareHoldings(t *testing.T) {
	w := newWorld(t, permit.Bounded, 700, 2)
	p := w.join(1)
	q := p.handle(t)
	mustAcquire(t, p, 600)
	if q.Held() != 600 {
		t.Errorf("the other handle holds %d, want 600", q.Held())
	}
	mustRelease(t, q, 599)
	mustRelease(t, p, 1)
	w.check(700)
}

func TestShapes(t *testing.T) {
	tests := []struct {
		permits, kind uint64
		slots         uint32
		want          int64 // 0: fs.ErrInvalid
	}{
		{1, permit.Bounded, 1, 256 + 2*64},
		{permit.MaxBounded, permit.Bounded, 4095, 256 + 4096*64},
		{0, permit.Signal, 256, 256},
		{permit.MaxSignal, permit.Signal, 4095, 256},
		{0, permit.Bounded, 1, 0},
		{permit.MaxBounded + 1, permit.Bounded, 1, 0},
		{permit.MaxSignal + 1, permit.Signal, 1, 0},
		{math.MaxUint64, permit.Signal, 1, 0},
		{math.MaxUint64, permit.Bounded, 1, 0},
		{1, 0, 1, 0},
		{1, 3, 1, 0},
		{1, permit.Bounded, 0, 0},
		{1, permit.Bounded, 4096, 0},
		{1, permit.Signal, math.MaxUint32, 0},
	}
	for _, tt := range tests {
		shape := object.Shape{Spec: object.Spec{tt.permits, tt.kind}, Slots: tt.slots}
		n, err := permit.Kind().Size(shape)
		if n != tt.want {
			t.Errorf("%+v: size %d, want %d", tt, n, tt.want)
		}
		if tt.want == 0 {
			wantErr(t, fmt.Sprint(tt), err, fs.ErrInvalid)
			continue
		}
		if _, err := permit.Kind().Attach(mem.Heap(n-8), shape); err == nil {
			t.Errorf("%+v: attached to a region that is too small", tt)
		}
	}
	shape := object.Shape{Spec: object.Spec{3, permit.Signal}, Slots: 1}
	if got := permit.Kind().Describe(shape); got != "permits=3 kind=signal" {
		t.Errorf("described as %q", got)
	}
}

func TestNoAllocations(t *testing.T) {
	ctx := context.Background()
	for _, kind := range []int{permit.Bounded, permit.Signal} {
		w := newWorld(t, kind, 700, 2)
		p, q := w.join(1), w.join(2)
		ops := map[string]func(){
			"Acquire and Release":    func() { _ = p.Acquire(ctx, 1); _ = p.Release(1) },
			"TryAcquire and Release": func() { _ = p.TryAcquire(3); _ = p.Release(3) },
			"in turn":                func() { _ = p.Acquire(ctx, 1); _ = q.Acquire(ctx, 1); _ = p.Release(1); _ = q.Release(1) },
			"many":                   func() { _ = p.TryAcquire(600); _ = p.Release(600) },
			"Held and Available":     func() { _ = p.Held() + p.Available() },
		}
		for name, f := range ops {
			if n := testing.AllocsPerRun(200, f); n != 0 {
				t.Errorf("kind %d: %s: %v allocations", kind, name, n)
			}
		}
		w.check(700)
	}
}

// TestSettleTooLate has a process that was stopped in the middle of settling a
// change go on when the change was booked long ago and its slot is about to use
// the same number again.
func TestSettleTooLate(t *testing.T) {
	w := newWorld(t, permit.Bounded, 3, 2)
	w.core.SetNumbers(6)
	a, b := w.join(1), w.join(2)
	mustAcquire(t, b, 1)
	if err := w.core.SettleLate(-2, 1, 7); err != nil {
		t.Error(err)
	}
	if n := a.Held(); n != 0 {
		t.Errorf("%d permits come from nowhere", n)
	}
	w.check(2)
}
