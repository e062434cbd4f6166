package permit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/permit"
)

// TestStress has many goroutines of several participants take and return permits
// in every way; the permits that are in use are counted beside, and never more
// than there are.
func TestStress(t *testing.T) {
	for _, tt := range []struct {
		name         string
		kind, all    int
		most         int // asked for at once
		participants uint32
	}{
		{"one permit", permit.Bounded, 1, 1, 4},
		{"few", permit.Bounded, 3, 3, 4},
		{"many", permit.Bounded, 700, 650, 3},
		{"signal", permit.Signal, 3, 3, 4},
		{"many signals", permit.Signal, 700, 650, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.kind, tt.all, int(tt.participants))
			var inUse atomic.Int64
			var wg sync.WaitGroup
			rounds := 2000
			if testing.Short() {
				rounds = 200
			}
			for slot := uint32(1); slot <= tt.participants; slot++ {
				p := w.join(slot)
				for g := range 4 {
					r := rand.New(rand.NewPCG(uint64(slot), uint64(g)))
					wg.Go(func() { stress(t, p, r, rounds, tt.most, int64(tt.all), &inUse) })
				}
			}
			wg.Wait()
			w.check(tt.all)
			if w.core.Claimant() != 0 || w.core.Gatherer() != 0 {
				t.Errorf("at rest there is a claim of %d, bulk with %d", w.core.Claimant(), w.core.Gatherer())
			}
		})
	}
}

func stress(t *testing.T, p *party, r *rand.Rand, rounds, most int, all int64, inUse *atomic.Int64) {
	for range rounds {
		n := 1 + r.IntN(most)
		if r.IntN(2) == 0 {
			n = 1
		}
		var err error
		switch r.IntN(8) {
		case 0:
			err = p.TryAcquire(n)
		case 1:
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(300))*time.Microsecond)
			err = p.Acquire(ctx, n)
			cancel()
		default:
			mustAcquire(t, p, n)
		}
		if err != nil {
			if !errors.Is(err, permit.ErrNoPermit) && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			continue
		}
		if now := inUse.Add(int64(n)); now > all {
			t.Errorf("%d permits in use of %d", now, all)
		}
		inUse.Add(int64(-n))
		mustRelease(t, p, n)
	}
}

// TestTryContended has many try at once for fewer permits: as many succeed as
// there are, though nobody returns any.
func TestTryContended(t *testing.T) {
	for _, kind := range []int{permit.Bounded, permit.Signal} {
		for range 200 {
			w := newWorld(t, kind, 4, 6)
			mustAcquire(t, w.join(6), 1)
			var got, refused atomic.Int32
			var wg sync.WaitGroup
			for slot := uint32(1); slot <= 5; slot++ {
				p := w.join(slot)
				wg.Go(func() {
					for range 2 {
						switch err := p.TryAcquire(1); {
						case err == nil:
							got.Add(1)
						case errors.Is(err, permit.ErrNoPermit):
							refused.Add(1)
						}
					}
				})
			}
			wg.Wait()
			if got.Load() != 3 || refused.Load() != 7 {
				t.Fatalf("%d got one and %d did not, want 3 and 7", got.Load(), refused.Load())
			}
			w.check(0)
		}
	}
}

// TestSiblingsReleaseExactly has the goroutines of one participant release more,
// together, than it holds: as many permits are released as it held, and every
// other call fails.
func TestSiblingsReleaseExactly(t *testing.T) {
	const hold, each, goroutines = 2000, 300, 8
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	for range rounds {
		w := newWorld(t, permit.Bounded, 4000, 2)
		p, other := w.join(1), w.join(2)
		mustAcquire(t, p, hold)
		var released atomic.Int64
		var wg sync.WaitGroup
		for g := range goroutines {
			n := each
			if g%2 == 1 {
				n = 7
			}
			wg.Go(func() {
				for {
					err := p.Release(n)
					if errors.Is(err, permit.ErrNotHeld) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					released.Add(int64(n))
				}
			})
		}
		wg.Go(func() {
			for range 100 {
				mustAcquire(t, other, 1)
				mustRelease(t, other, 1)
			}
		})
		wg.Wait()
		if left := p.Held(); int64(left)+released.Load() != hold || left >= 7 {
			t.Errorf("released %d of %d, holds %d still", released.Load(), hold, left)
		}
		if n := permit.Pledged(p.Semaphore); n != 0 {
			t.Errorf("%d pledged at rest", n)
		}
		w.check(4000 - p.Held())
	}
}

// TestReleaseWhileSiblingGathers: what one goroutine gathers is not another's to
// release, and what another holds it can release at any time.
func TestReleaseWhileSiblingGathers(t *testing.T) {
	w := newWorld(t, permit.Bounded, 1000, 2)
	p, other := w.join(1), w.join(2)
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for range rounds {
			mustAcquire(t, p, 700)
			mustRelease(t, p, 700)
			if p.TryAcquire(900) == nil { // mostly has to give up half way
				mustRelease(t, p, 900)
			}
		}
	})
	wg.Go(func() {
		for range rounds * 4 {
			mustAcquire(t, p, 2)
			mustRelease(t, p, 2) // would fail if the sibling's were mistaken for these
		}
	})
	wg.Go(func() {
		for range rounds * 4 {
			mustAcquire(t, other, 150)
			mustRelease(t, other, 150)
		}
	})
	wg.Wait()
	if n := permit.Pledged(p.Semaphore); n != 0 {
		t.Errorf("%d pledged at rest", n)
	}
	w.check(1000)
}

// TestDeathsUnderStress has participants die and come back while others work.
// A death here is between two operations; the sweeps try every step.
func TestDeathsUnderStress(t *testing.T) {
	const all = 12
	w := newWorld(t, permit.Bounded, all, 5)
	deaths := 400
	if testing.Short() {
		deaths = 50
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for slot := uint32(1); slot <= 3; slot++ {
		p := w.join(slot)
		for _, n := range []int{1, 1, 5} {
			wg.Go(func() {
				for p.Acquire(ctx, n) == nil {
					mustRelease(t, p, n)
				}
			})
		}
	}
	for i := range deaths {
		slot := uint32(4 + i%2)
		p := w.join(slot)
		mustAcquire(t, p, 1)
		if i%3 == 0 {
			mustAcquire(t, p, 1)
			mustRelease(t, p, 1)
		}
		w.repair(slot)
		delete(w.dead, slot)
	}
	stop()
	wg.Wait()
	w.check(all)
}
