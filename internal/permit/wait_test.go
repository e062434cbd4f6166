package permit_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/permit"
)

func TestAcquireWaits(t *testing.T) {
	for _, kind := range []int{permit.Bounded, permit.Signal} {
		for _, n := range []int{1, 2, 255, 256, 700} {
			t.Run(fmt.Sprintf("kind=%d/n=%d", kind, n), func(t *testing.T) {
				w := newWorld(t, kind, 700, 3)
				p, q := w.join(1), w.join(2)
				mustAcquire(t, p, 700)
				done := acquiring(context.Background(), q, n)
				until(t, "asleep", w.core.Asleep)
				for range n {
					mustRelease(t, p, 1)
				}
				if err := result(t, "Acquire", done); err != nil {
					t.Fatal(err)
				}
				w.check(0)
				mustRelease(t, q, n)
				w.check(n)
			})
		}
	}
}

// TestReleaseWakesAsMany checks that one Release of n permits lets n waiters
// through, of several processes, and no more.
func TestReleaseWakesAsMany(t *testing.T) {
	for _, kind := range []int{permit.Bounded, permit.Signal} {
		w := newWorld(t, kind, 20, 8)
		holder := w.join(1)
		mustAcquire(t, holder, 20)
		var through atomic.Int32
		var wg sync.WaitGroup
		for i := range 14 {
			p := w.join(uint32(2 + i%7))
			wg.Go(func() {
				mustAcquire(t, p, 1)
				through.Add(1)
			})
		}
		for _, step := range []struct{ release, through int32 }{{7, 7}, {6, 13}, {1, 14}} {
			mustRelease(t, holder, int(step.release))
			until(t, fmt.Sprint(step.through, " through"), func() bool { return through.Load() == step.through })
			w.check(0)
		}
		wg.Wait()
	}
}

func TestCancelTakesNothing(t *testing.T) {
	for _, kind := range []int{permit.Bounded, permit.Signal} {
		for _, n := range []int{1, 2, 600} {
			t.Run(fmt.Sprintf("kind=%d/n=%d", kind, n), func(t *testing.T) {
				w := newWorld(t, kind, 700, 3)
				p, q := w.join(1), w.join(2)
				mustAcquire(t, p, 700)
				ctx, cancel := context.WithCancel(context.Background())
				done := acquiring(ctx, q, n)
				until(t, "asleep", w.core.Asleep)
				if n > 1 {
					mustRelease(t, p, n-1) // a part
					until(t, "part taken", func() bool { return w.free() == 0 })
				}
				if q.Held() != 0 {
					t.Errorf("held %d while waiting, want 0", q.Held())
				}
				if kind == permit.Bounded {
					wantErr(t, "Release while waiting", q.Release(1), permit.ErrNotHeld)
				}
				cancel()
				wantErr(t, "Acquire", result(t, "Acquire", done), context.Canceled)
				w.check(n - 1)
				if w.core.Claimant() != 0 || w.core.Gatherer() != 0 {
					t.Errorf("left a claim of %d, bulk with %d", w.core.Claimant(), w.core.Gatherer())
				}
			})
		}
	}
}

func TestDeadline(t *testing.T) {
	w := newWorld(t, permit.Bounded, 1, 2)
	mustAcquire(t, w.join(1), 1)
	const limit = 20 * time.Millisecond
	for _, slot := range []uint32{1, 2} {
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		wantErr(t, "Acquire", w.join(slot).Acquire(ctx, 1), context.DeadlineExceeded)
		cancel()
		if d := time.Since(began); d < limit {
			t.Errorf("ended after %v, before its deadline of %v", d, limit)
		}
	}
	w.check(0)
}

// TestCanceledPassesWakeUpOn has one of two sleepers canceled at the moment of a
// release: whichever the kernel wakes, the other must get the permit.
func TestCanceledPassesWakeUpOn(t *testing.T) {
	w := newWorld(t, permit.Bounded, 1, 4)
	holder := w.join(1)
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	for range rounds {
		mustAcquire(t, holder, 1)
		ctx, cancel := context.WithCancel(context.Background())
		quitter, stayer := w.join(2), w.join(3)
		quit := acquiring(ctx, quitter, 1)
		stay := acquiring(context.Background(), stayer, 1)
		until(t, "asleep", w.core.Asleep)
		go cancel()
		mustRelease(t, holder, 1)
		if err := result(t, "the canceled", quit); err == nil {
			mustRelease(t, quitter, 1)
		}
		if err := result(t, "the other", stay); err != nil {
			t.Fatal(err)
		}
		mustRelease(t, stayer, 1)
		w.check(1)
	}
}

func TestCloseEndsWaits(t *testing.T) {
	for _, kind := range []int{permit.Bounded, permit.Signal} {
		for _, n := range []int{1, 5, 600} {
			t.Run(fmt.Sprintf("kind=%d/n=%d", kind, n), func(t *testing.T) {
				w := newWorld(t, kind, 700, 3)
				p, q := w.join(1), w.join(2)
				mustAcquire(t, p, 698)
				if kind == permit.Bounded {
					mustAcquire(t, q, 2)
				} else {
					mustAcquire(t, p, 2)
				}
				var waits []<-chan error
				for range 4 {
					waits = append(waits, acquiring(context.Background(), q, n))
				}
				until(t, "asleep", w.core.Asleep)
				w.close(q)
				for _, done := range waits {
					wantErr(t, "Acquire", result(t, "Acquire", done), fs.ErrClosed)
				}
				w.check(map[int]int{permit.Bounded: 2, permit.Signal: 0}[kind])
				mustRelease(t, p, 698)
				r := w.join(3)
				mustAcquire(t, r, 690)
				if w.core.Gatherer() != 0 {
					t.Error("bulk is still held")
				}
			})
		}
	}
}

// TestCloseAgainstOperations closes participants in the middle of everything:
// each permit must be back when their goroutines have returned.
func TestCloseAgainstOperations(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 10
	}
	const all = 310
	w := newWorld(t, permit.Bounded, all, 3)
	for range rounds {
		p := w.join(2)
		var wg sync.WaitGroup
		var busy atomic.Int32
		for _, n := range []int{1, 1, 3, 300} {
			wg.Go(func() {
				for p.Acquire(context.Background(), n) == nil {
					busy.Add(1)
					if p.Release(n) != nil {
						return
					}
				}
			})
		}
		until(t, "busy", func() bool { return busy.Load() > 10 })
		w.close(p)
		wg.Wait()
		w.check(all)
	}
}

// TestLargeRequestIsNotStarved lets one participant ask for all permits while
// others never stop taking single ones.
func TestLargeRequestIsNotStarved(t *testing.T) {
	for _, kind := range []int{permit.Bounded, permit.Signal} {
		for _, all := range []int{3, 600} {
			t.Run(fmt.Sprintf("kind=%d/n=%d", kind, all), func(t *testing.T) {
				w := newWorld(t, kind, all, 4)
				ctx, stop := context.WithCancel(context.Background())
				var wg sync.WaitGroup
				for slot := uint32(2); slot <= 4; slot++ {
					p := w.join(slot)
					wg.Go(func() {
						for p.Acquire(ctx, 1) == nil {
							runtime.Gosched()
							mustRelease(t, p, 1)
						}
					})
				}
				large := w.join(1)
				for range 20 {
					mustAcquire(t, large, all)
					if w.core.Gatherer() != 0 {
						t.Error("bulk is held after gathering")
					}
					mustRelease(t, large, all)
				}
				stop()
				wg.Wait()
				w.check(all)
			})
		}
	}
}

// TestTwoLargeRequests has two participants that each want more than half, again
// and again: one at a time gets it, and they never hold each other up.
func TestTwoLargeRequests(t *testing.T) {
	w := newWorld(t, permit.Bounded, 400, 3)
	var inside atomic.Int32
	var wg sync.WaitGroup
	for slot := uint32(1); slot <= 3; slot++ {
		p := w.join(slot)
		wg.Go(func() {
			for range 100 {
				mustAcquire(t, p, 300)
				if inside.Add(1) > 1 {
					t.Error("two hold 300 of 400")
				}
				inside.Add(-1)
				mustRelease(t, p, 300)
			}
		})
	}
	wg.Wait()
	w.check(400)
}

// TestClaimIsACourtesy has a claimant that never comes: others are held up by no
// more than their own patience, and only while it would make a difference.
func TestClaimIsACourtesy(t *testing.T) {
	w := newWorld(t, permit.Bounded, 3, 3)
	p := w.join(1)
	w.core.PutClaim(2, 1)
	if err := p.TryAcquire(2); err != nil {
		t.Errorf("with enough for the claimant: %v", err)
	}
	wantErr(t, "TryAcquire of the claimant's", p.TryAcquire(1), permit.ErrNoPermit)
	until(t, "TryAcquire succeeds", func() bool { return p.TryAcquire(1) == nil })
	if w.core.Claimant() != 0 {
		t.Error("the claim stands though nobody defers to it")
	}
	mustRelease(t, p, 3)

	w.core.PutClaim(2, 3)
	mustAcquire(t, p, 1)
	if w.core.Claimant() != 0 {
		t.Error("the claim stands though its claimant did not come")
	}
	w.core.PutClaim(2, 3)
	mustAcquire(t, p, 2)
	mustRelease(t, p, 3)
	w.core.PutClaim(2, 1)
	w.repair(2)
	if err := p.TryAcquire(3); err != nil {
		t.Errorf("with a claimant that died: %v", err)
	}
	w.check(0)
}

// TestSleeperIsNotStarved has one participant that wants the only permit now and
// then, against two that never stop taking it.
func TestSleeperIsNotStarved(t *testing.T) {
	w := newWorld(t, permit.Bounded, 1, 3)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for slot := uint32(2); slot <= 3; slot++ {
		p := w.join(slot)
		wg.Go(func() {
			for p.Acquire(ctx, 1) == nil {
				mustRelease(t, p, 1)
			}
		})
	}
	p := w.join(1)
	for range 100 {
		mustAcquire(t, p, 1)
		mustRelease(t, p, 1)
	}
	stop()
	wg.Wait()
	w.check(1)
}

func TestManyWaitersUseFewThreads(t *testing.T) {
	n := 10000
	if testing.Short() {
		n = 1000
	}
	w := newWorld(t, permit.Bounded, 300, 2)
	holder, p := w.join(1), w.join(2)
	mustAcquire(t, holder, 300)
	before := threads(t)
	var through atomic.Int32
	var wg sync.WaitGroup
	var started sync.WaitGroup
	started.Add(n)
	for i := range n {
		wg.Go(func() {
			started.Done()
			mustAcquire(t, p, 1+i%2)
			through.Add(1)
			mustRelease(t, p, 1+i%2)
		})
	}
	started.Wait()
	until(t, "asleep", w.core.Asleep)
	if now := threads(t); now > before+20+runtime.GOMAXPROCS(0) {
		t.Errorf("%d threads for %d waiters, %d before", now, n, before)
	}
	if got := through.Load(); got != 0 {
		t.Errorf("%d got permits that are held", got)
	}
	mustRelease(t, holder, 300)
	wg.Wait()
	w.check(300)
}

func threads(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	m := regexp.MustCompile(`Threads:\s+(\d+)`).FindSubmatch(text)
	if m == nil {
		t.Skip("no count of threads")
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
