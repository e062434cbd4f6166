package wait_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// watchdog bounds every wait for something that must happen.
const watchdog = 30 * time.Second

// sleeping starts a Sleep on p, which it enters and leaves, and returns where its
// result will be. It returns when the goroutine is asleep in the kernel, or about
// to be: Party.Board shows it.
func sleeping(ctx context.Context, t *testing.T, p *wait.Point, party *wait.Party, want uint32) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		if err := p.Enter(ctx, party); err != nil {
			done <- err
			return
		}
		defer p.Leave()
		for {
			if err := p.Sleep(ctx, party, want, wait.Slice); err != nil {
				done <- err
				return
			}
			if p.Word() != want {
				done <- nil
				return
			}
		}
	}()
	until(t, func() bool { return shown(party) })
	return done
}

func shown(party *wait.Party) bool {
	for i := range party.Board {
		if party.Board[i].Load() != 0 {
			return true
		}
	}
	return false
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); runtime.Gosched() {
		if time.Since(start) > watchdog {
			t.Fatal("did not happen")
		}
	}
}

func result(t *testing.T, c <-chan error) error {
	t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(watchdog):
		t.Fatal("hangs")
		return nil
	}
}

func newParty() *wait.Party {
	p := wait.NewParty()
	p.Board = make([]satomic.Uint32, 2)
	return p
}

func TestSleepEnds(t *testing.T) {
	ways := []struct {
		name string
		end  func(w *satomic.Uint32, p *wait.Point, party *wait.Party, cancel func())
		want error
	}{
		{"woken", func(w *satomic.Uint32, p *wait.Point, _ *wait.Party, _ func()) { w.Store(7); p.Wake(1) }, nil},
		{"canceled", func(_ *satomic.Uint32, _ *wait.Point, _ *wait.Party, cancel func()) { cancel() }, context.Canceled},
		{"closed", func(_ *satomic.Uint32, _ *wait.Point, party *wait.Party, _ func()) { party.Close() }, fs.ErrClosed},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			for range 50 {
				w := new(satomic.Uint32)
				p, party := wait.NewPoint(w, 4), newParty()
				ctx, cancel := context.WithCancel(t.Context())
				done := sleeping(ctx, t, p, party, 0)
				way.end(w, p, party, cancel)
				if err := result(t, done); !errors.Is(err, way.want) || way.want == nil && err != nil {
					t.Fatalf("Sleep: %v, want %v", err, way.want)
				}
				if shown(party) {
					t.Fatal("the board still shows a sleeper")
				}
				cancel()
			}
		})
	}
}

func TestSleepWithoutCancel(t *testing.T) {
	w := new(satomic.Uint32)
	p, party := wait.NewPoint(w, 0), newParty()
	done := sleeping(context.Background(), t, p, party, 0)
	party.Close()
	if err := result(t, done); !errors.Is(err, fs.ErrClosed) {
		t.Fatalf("Sleep: %v, want fs.ErrClosed", err)
	}
}

func TestSleepDeadline(t *testing.T) {
	w := new(satomic.Uint32)
	p, party := wait.NewPoint(w, 0), newParty()
	const limit = 20 * time.Millisecond
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var err error
	for err == nil {
		err = p.Sleep(ctx, party, 0, wait.Slice)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Sleep: %v, want the deadline", err)
	}
	if d := time.Since(start); d < limit {
		t.Fatalf("ended after %v, before the deadline", d)
	}
}

func TestSleepReturnsAtOnce(t *testing.T) {
	w := new(satomic.Uint32)
	w.Store(1)
	p := wait.NewPoint(w, 0)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	closed := newParty()
	closed.Close()
	closed.Close() // twice is once
	for _, c := range []struct {
		name  string
		ctx   context.Context
		party *wait.Party
		want  uint32
		limit time.Duration
		err   error
	}{
		{"another value", t.Context(), newParty(), 2, time.Hour, nil},
		{"no time", t.Context(), newParty(), 1, 0, nil},
		{"negative time", t.Context(), newParty(), 1, -1, nil},
		{"done context", gone, newParty(), 1, time.Hour, context.Canceled},
		{"done context, another value", gone, newParty(), 2, time.Hour, context.Canceled},
		{"closed", t.Context(), closed, 1, time.Hour, fs.ErrClosed},
	} {
		if err := p.Sleep(c.ctx, c.party, c.want, c.limit); !errors.Is(err, c.err) || c.err == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
	}
}

// TestSleepLimit shows that a sleeper looks again by itself: after its limit, and
// after a slice or less whatever its limit.
func TestSleepLimit(t *testing.T) {
	w := new(satomic.Uint32)
	p, party := wait.NewPoint(w, 0), newParty()
	for _, limit := range []time.Duration{3 * time.Millisecond, wait.Slice, time.Hour} {
		least := min(limit, wait.Slice/2)
		start := time.Now()
		if err := p.Sleep(t.Context(), party, 0, limit); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d < least {
			t.Errorf("limit %v: looked again after %v", limit, d)
		}
	}
}

func TestWakeCounts(t *testing.T) {
	w := new(satomic.Uint32)
	party := newParty()
	if n := wait.Wake(w, wait.All); n != 0 {
		t.Fatalf("woke %d of nobody", n)
	}
	var done []<-chan error
	for range 3 { // three points are three processes here
		done = append(done, sleeping(t.Context(), t, wait.NewPoint(w, 0), party, 0))
	}
	woken := 0
	until(t, func() bool { woken += wait.Wake(w, 1); return woken > 0 })
	w.Store(1)
	wait.Wake(w, wait.All)
	for _, c := range done {
		if err := result(t, c); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBoard(t *testing.T) {
	w := new(satomic.Uint32)
	party := newParty()
	var done []<-chan error
	for range 4 { // more than fit
		done = append(done, sleeping(t.Context(), t, wait.NewPoint(w, 41), party, 0))
	}
	until(t, func() bool { return party.Board[0].Load() == 42 && party.Board[1].Load() == 42 })
	w.Store(1)
	until(t, func() bool { wait.Wake(w, wait.All); return !shown(party) })
	for _, c := range done {
		if err := result(t, c); err != nil {
			t.Error(err)
		}
	}
}

// TestGateOrder shows that goroutines enter as they came.
func TestGateOrder(t *testing.T) {
	p, party := wait.NewPoint(new(satomic.Uint32), 0), newParty()
	if err := p.Enter(t.Context(), party); err != nil {
		t.Fatal(err)
	}
	const n = 50
	var order []int
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := p.Enter(t.Context(), party); err != nil {
				t.Error(err)
				return
			}
			order = append(order, i)
			p.Leave()
		})
		until(t, func() bool { return blockedInEnter() == i+1 })
	}
	p.Leave()
	wg.Wait()
	for i, v := range order {
		if i != v {
			t.Fatalf("order of entry %v", order)
		}
	}
}

// blockedInEnter counts the goroutines that wait for a gate.
func blockedInEnter() int {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	n := 0
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(g, "[select") && strings.Contains(g, "wait.(*Point).Enter") {
			n++
		}
	}
	return n
}

func TestGateEnds(t *testing.T) {
	p := wait.NewPoint(new(satomic.Uint32), 0)
	if err := p.Enter(t.Context(), newParty()); err != nil {
		t.Fatal(err)
	}
	party := newParty()
	ctx, cancel := context.WithCancel(t.Context())
	canceled, closed := make(chan error, 1), make(chan error, 1)
	go func() { canceled <- p.Enter(ctx, party) }()
	go func() { closed <- p.Enter(t.Context(), party) }()
	until(t, func() bool { return blockedInEnter() == 2 })
	cancel()
	if err := result(t, canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("Enter: %v, want context.Canceled", err)
	}
	party.Close()
	if err := result(t, closed); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Enter: %v, want fs.ErrClosed", err)
	}
	p.Leave()
	if err := p.Enter(t.Context(), newParty()); err != nil {
		t.Errorf("the gate stayed shut: %v", err)
	}
}

// TestManyWaiters blocks ten thousand goroutines and counts threads.
func TestManyWaiters(t *testing.T) {
	const n = 10000
	before := threads(t)
	w := new(satomic.Uint32)
	p, party := wait.NewPoint(w, 0), newParty()
	var wg sync.WaitGroup
	var failed, started atomic.Int32
	for range n {
		wg.Go(func() {
			started.Add(1)
			if err := p.Enter(t.Context(), party); err != nil {
				failed.Add(1)
				return
			}
			defer p.Leave()
			for w.Load() == 0 {
				if err := p.Sleep(t.Context(), party, 0, wait.Slice); err != nil {
					failed.Add(1)
					return
				}
			}
		})
	}
	until(t, func() bool { return started.Load() == n && shown(party) })
	if grown := threads(t) - before; grown > 20+runtime.GOMAXPROCS(0) {
		t.Errorf("%d goroutines that wait took %d threads", n, grown)
	}
	w.Store(1)
	p.Wake(1)
	wg.Wait()
	if failed.Load() != 0 {
		t.Errorf("%d failed", failed.Load())
	}
}

func threads(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	_, rest, _ := strings.Cut(string(status), "Threads:")
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestCancelStorm cancels sleeps at every moment of theirs, while the same point
// is used again at once: a late cancellation must end nobody else's wait.
func TestCancelStorm(t *testing.T) {
	w := new(satomic.Uint32)
	p, party := wait.NewPoint(w, 0), newParty()
	for i := range 2000 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for range i % 97 {
				runtime.Gosched()
			}
			cancel()
		}()
		if err := p.Enter(t.Context(), party); err != nil {
			t.Fatal(err)
		}
		for {
			if err := p.Sleep(ctx, party, 0, time.Hour); err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				break
			}
		}
		if ctx.Err() == nil {
			t.Fatal("ended by another one's cancellation")
		}
		p.Leave()
	}
}

func TestAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	w := new(satomic.Uint32)
	p, party := wait.NewPoint(w, 0), newParty()
	ctx := context.Background()
	tries := 0
	try := func() bool { tries++; return tries%3 == 0 }
	if n := testing.AllocsPerRun(200, func() {
		p.Spin(try)
		if err := p.Enter(ctx, party); err != nil {
			t.Fatal(err)
		}
		if err := p.Sleep(ctx, party, 0, 10*time.Microsecond); err != nil {
			t.Fatal(err)
		}
		p.Leave()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
