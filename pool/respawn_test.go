package pool_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/process"
)

// pauses notes the pauses before workers are started again.
type pauses struct {
	mu  sync.Mutex
	all []time.Duration
}

func (x *pauses) note(d time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = append(x.all, d)
}

func (x *pauses) list() []time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]time.Duration(nil), x.all...)
}

// Workers that are killed as soon as they are ready are started again after pauses
// that grow up to a bound, do not make the pool fail, and do not hold up its Close.
func TestRespawningIsBounded(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, &pool.Options{Workers: 2, Grace: 10 * time.Millisecond})
	var seen pauses
	p.OnPause(seen.note)
	arrived, gate := atGate(t)
	busy := meet.Go(ctx, p, meeting{Arrived: arrived, Gate: gate}) // it has one of the workers, and results are taken for it
	if _, err := arrived.Wait(ctx, func(n int64) bool { return n == 1 }); err != nil {
		t.Fatal(err)
	}
	kills := 0
	kill := func() {
		t.Helper()
		var idle []*process.Child
		waitUntil(t, func() bool { idle = p.Idle(); return len(idle) == 1 })
		if err := idle[0].Kill(); err != nil {
			t.Fatal(err)
		}
		<-idle[0].Done()
		waitUntil(t, func() bool { now := p.Idle(); return len(now) == 0 || now[0] != idle[0] })
		kills++
	}
	var all []time.Duration
	for len(all) == 0 || all[len(all)-1] < pool.MournMost {
		if kill(); kills > 50 {
			t.Fatalf("no long pause after %d ends in a row: %v", kills, all)
		}
		all = seen.list()
	}
	if all[0] > pool.MournMost/8 {
		t.Errorf("the first pause is %v", all[0])
	}
	for i, d := range all {
		if d > pool.MournMost || i > 0 && d < all[i-1] {
			t.Errorf("pauses %v", all)
		}
	}
	kill()
	if x, err := square.Call(ctx, p, 3); err != nil || x != 9 {
		t.Fatal(x, err)
	}
	n := len(seen.list())
	if n != kills-1 {
		t.Errorf("%d pauses for %d ends in a row", n, kills)
	}
	kill() // one that has done something
	kill() // the first that has not
	waitUntil(t, func() bool { return len(p.Idle()) == 1 })
	if now := len(seen.list()); now != n {
		t.Errorf("%d pauses more after a result", now-n)
	}
	kill()
	kill() // Close comes in its pause, or before
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := busy.Get(ctx); !errors.Is(err, pool.ErrClosed) {
		t.Error(err)
	}
}
