package lock_test

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

type participant = shm.Participant

// chaosTime is how long the chaos test goes on; SHOAL_CHAOS makes it longer.
func chaosTime(t *testing.T) time.Duration {
	if s := os.Getenv("SHOAL_CHAOS"); s != "" {
		d, err := time.ParseDuration(s)
		want(t, "SHOAL_CHAOS", err, nil)
		return d
	}
	if testing.Short() || race.Enabled {
		return 2 * time.Second
	}
	return 4 * time.Second
}

// TestChaos has processes use mutexes of both policies, an array's own one and a
// semaphore, all at once, and kills, stops and replaces them at random. Nobody
// may be where another one is, no death inside may go unseen or be seen twice,
// no permit may be lost or minted, and everybody must get on.
func TestChaos(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	ctx := t.Context()
	poison := create(t, seg, lock.Spec{})
	release, err := lock.CreateMutex(ctx, seg, "released", lock.Spec{OnDeath: lock.Release})
	want(t, "CreateMutex", err, nil)
	books, err := array.Create[int64](ctx, seg, "books", array.Spec{Len: bookLen})
	want(t, "array.Create", err, nil)
	permits, err := semaphore.Create(ctx, seg, "permits", semaphore.Spec{Permits: chaosPermits})
	want(t, "semaphore.Create", err, nil)

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	p := &pandemonium{
		T: t, seg: seg, r: rand.New(rand.NewPCG(seed, 0)),
		chaos: newChaos(chaosArgs{Poison: poison, Release: release, Books: books, Permits: permits}),
	}
	p.run()
}

// pandemonium is the process that kills the others, and mends the first mutex.
type pandemonium struct {
	*testing.T
	*chaos
	seg      *shm.Segment
	r        *rand.Rand
	children [chaosChildren]*process.Child
	kills    int
	deaths   atomic.Int64 // as the segment tells of them
	inside   atomic.Int64 // of them, those that held the first mutex
	mended   atomic.Int64
}

func (p *pandemonium) run() {
	ctx, stop := context.WithCancel(p.Context())
	defer stop()
	deaths := p.seg.Deaths(ctx) // of those who die from now on
	seen := async(func() error { return p.count(deaths) })
	warden := async(func() error { return p.warden(ctx) })
	for i := range p.children {
		p.replace(i)
	}
	for end := time.Now().Add(chaosTime(p.T)); time.Now().Before(end) && !p.Failed(); {
		p.strike()
	}
	p.settle()
	for _, c := range p.children {
		p.kill(c)
	}
	p.await("all deaths are told", func() bool { // some are killed before they have opened anything
		stat, err := p.seg.Stat()
		want(p, "Stat", err, nil)
		return p.deaths.Load() == int64(stat.Deaths)
	})
	p.await("each death inside is mended", func() bool { return p.mended.Load() == p.inside.Load() })
	stop()
	want(p, "Deaths", await(p, "Deaths", seen), context.Canceled)
	want(p, "the warden", await(p, "the warden", warden), nil)
	p.audit()
	p.Logf("%d kills, %d inside; sections %d, %d, %d", p.kills, p.mended.Load(),
		p.view[bookPoison], p.view[bookRelease], p.view[bookArray])
}

func (p *pandemonium) await(what string, ok func() bool) {
	for start := time.Now(); !ok(); runtime.Gosched() {
		if time.Since(start) > watchdog {
			p.Fatalf("%s: never; %d kills, %d deaths, %d inside, %d mended", what, p.kills, p.deaths.Load(), p.inside.Load(), p.mended.Load())
		}
	}
}

// count counts the deaths of which the segment tells.
func (p *pandemonium) count(deaths iter.Seq2[shm.Death, error]) error {
	for d, err := range deaths {
		if err != nil {
			return err
		}
		for _, h := range d.Held {
			if h.Object == p.Poison.Name() {
				p.inside.Add(1)
			}
		}
		p.deaths.Add(1)
	}
	return nil
}

// warden repairs the first mutex whenever somebody has died holding it.
func (p *pandemonium) warden(ctx context.Context) error {
	for ctx.Err() == nil {
		err := p.Poison.Do(ctx, func() error { return nil })
		if errors.Is(err, lock.ErrPoisoned) {
			err = p.Poison.Recover(ctx, func() error {
				p.mended.Add(1)
				return p.mend(bookPoison)
			})
		}
		if err != nil && ctx.Err() == nil {
			p.Error(err)
			return err
		}
	}
	return nil
}

func (p *pandemonium) replace(i int) {
	a := p.chaosArgs
	a.Row, a.Seed = i, p.r.Uint64()
	c, err := meddles.Start(p.Context(), a)
	want(p, "Start", err, nil)
	p.children[i] = c
}

// strike does something to a child.
func (p *pandemonium) strike() {
	i := p.r.IntN(len(p.children))
	c := p.children[i]
	p.pause()
	select {
	case <-c.Done():
		p.Fatalf("%s ended by itself: %v", c.Name(), c.Wait(p.Context()))
	default:
	}
	switch p.r.IntN(4) {
	case 0:
		want(p, "Signal", c.Signal(syscall.SIGSTOP), nil)
		p.pause()
		want(p, "Signal", c.Signal(syscall.SIGCONT), nil)
		return
	case 1:
		want(p, "Signal", c.Signal(syscall.SIGSTOP), nil)
		p.pause()
	}
	p.kill(c)
	p.replace(i)
	if p.kills%16 == 0 {
		p.settle()
	}
}

func (p *pandemonium) kill(c *process.Child) {
	shmtest.Kill(p, c)
	p.kills++
}

// pause lets the children do something.
func (p *pandemonium) pause() {
	<-time.After(time.Duration(p.r.IntN(30)) * time.Millisecond)
}

// settle lets every goroutine of every child go round a few times: who has lost
// a wake-up does not.
func (p *pandemonium) settle() {
	rows := p.view[bookRows : bookRows+chaosChildren*chaosGoroutines]
	for i := range rows {
		from := atomic.LoadInt64(&rows[i])
		for start := time.Now(); atomic.LoadInt64(&rows[i]) < from+3; <-time.After(time.Millisecond) {
			if time.Since(start) > watchdog {
				p.hangs(i)
			}
		}
	}
}

func (p *pandemonium) hangs(row int) {
	holds, _ := p.seg.Holds()
	objects, _ := p.seg.Objects()
	_ = p.children[row/chaosGoroutines].Signal(syscall.SIGQUIT) // so that it shows its goroutines
	<-p.children[row/chaosGoroutines].Done()
	p.Fatalf("row %d hangs\n%+v\n%+v", row, holds, objects)
}

// audit compares the books when nobody is left.
func (p *pandemonium) audit() {
	if n := p.view[bookWrong]; n != 0 {
		p.Errorf("%d children found something wrong", n)
	}
	if n := p.Permits.Available(); n != chaosPermits {
		p.Errorf("%d permits at the end, want %d", n, chaosPermits)
	}
	if err := p.Permits.TryAcquire(chaosPermits); err != nil {
		p.Error(err)
	} else {
		want(p, "Release", p.Permits.Release(chaosPermits), nil)
	}
	for _, s := range []struct {
		m *lock.Mutex
		b int
	}{{p.Poison, bookPoison}, {p.Release, bookRelease}, {p.own, bookArray}} {
		want(p, "Lock", s.m.TryLock(), nil)
		want(p, "mend", p.mend(s.b), nil)
		want(p, "Unlock", s.m.Unlock(), nil)
	}
	if err := p.seg.Check(); err != nil {
		p.Error(err)
	}
}
