package lock_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/semaphore"
)

// What the books of the chaos test say. Each mutex has a pair of counters, equal
// while nobody is inside, and the process id of who is inside; each permit has
// that of who holds it.
const (
	chaosPermits    = 5
	chaosGoroutines = 4
	chaosChildren   = 4

	bookPoison  = 0 // of the mutex that only the test repairs
	bookRelease = 3
	bookArray   = 6 // of the array's own mutex, which everybody repairs
	bookTokens  = 9
	bookRows    = bookTokens + chaosPermits // how often each goroutine went round
	bookWrong   = bookRows + chaosChildren*chaosGoroutines
	bookLen     = bookWrong + 1
)

type chaosArgs struct {
	Poison, Release *lock.Mutex
	Books           *array.Array[int64]
	Permits         *semaphore.Semaphore
	Row             int
	Seed            uint64
}

// chaos is one process that uses everything, and the books of all of them.
type chaos struct {
	chaosArgs
	view []int64
	own  *lock.Mutex // the array's
	pid  int64
}

func newChaos(a chaosArgs) *chaos {
	c := &chaos{chaosArgs: a, view: a.Books.View(), own: a.Books.Mutex(), pid: int64(os.Getpid())}
	c.own.Repair = func() error { return c.mend(bookArray) }
	return c
}

// meddles does everything at random until it is killed.
var meddles = process.Func("lock-meddles", func(ctx context.Context, a chaosArgs) error {
	defer withoutSlice()()
	c := newChaos(a)
	var wg sync.WaitGroup
	errs := make([]error, chaosGoroutines)
	for g := range chaosGoroutines {
		wg.Go(func() {
			errs[g] = c.meddle(ctx, g)
			if errs[g] != nil && ctx.Err() == nil {
				atomic.AddInt64(&c.view[bookWrong], 1)
				fmt.Fprintln(os.Stderr, "chaos:", c.pid, errs[g])
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(errs...)
})

func (c *chaos) meddle(ctx context.Context, g int) error {
	r := rand.New(rand.NewPCG(c.Seed, uint64(g)))
	for ctx.Err() == nil {
		if err := c.once(ctx, r); err != nil && !errors.Is(err, ctx.Err()) {
			return err
		}
		atomic.AddInt64(&c.view[bookRows+c.Row*chaosGoroutines+g], 1)
	}
	return nil
}

// once does one thing, waiting sometimes for as long as it takes and sometimes
// for a moment only.
func (c *chaos) once(ctx context.Context, r *rand.Rand) error {
	wait, cancel := ctx, func() {}
	if r.IntN(4) == 0 {
		wait, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(300))*time.Microsecond)
	}
	defer cancel()
	work := r.IntN(400)
	if r.IntN(8) == 0 {
		work *= 64 // so that many die inside
	}
	var err error
	switch r.IntN(8) {
	case 0, 1:
		err = c.section(wait, c.Poison, bookPoison, work)
	case 2:
		err = c.section(wait, c.Release, bookRelease, work)
	case 3:
		err = c.section(wait, c.own, bookArray, work)
	case 4:
		m := []*lock.Mutex{c.Poison, c.Release, c.own}[r.IntN(3)]
		if err = m.TryLock(); err == nil {
			err = m.Unlock()
		}
	case 5:
		n := 1 + r.IntN(chaosPermits)
		if err = c.Permits.TryAcquire(n); err == nil {
			err = c.hold(n, work)
		}
	default:
		n := 1
		if r.IntN(4) == 0 {
			n += r.IntN(chaosPermits)
		}
		if err = c.Permits.Acquire(wait, n); err == nil {
			err = c.hold(n, work)
		}
	}
	switch {
	case errors.Is(err, lock.ErrPoisoned), errors.Is(err, lock.ErrLocked), errors.Is(err, semaphore.ErrNoPermit):
		runtime.Gosched()
	case errors.Is(err, context.DeadlineExceeded) && wait != ctx:
	default:
		return err
	}
	return nil
}

// section goes through the critical section of m, whose books begin at b.
func (c *chaos) section(ctx context.Context, m *lock.Mutex, b, work int) error {
	if err := m.Lock(ctx); err != nil {
		return err
	}
	if m == c.Release {
		if err := c.mend(b); err != nil {
			return err
		}
	}
	if err := c.enter(b, work); err != nil {
		return err
	}
	return m.Unlock()
}

func (c *chaos) enter(b, work int) error {
	if !atomic.CompareAndSwapInt64(&c.view[b+2], 0, c.pid) {
		return fmt.Errorf("books %d: %d is inside", b, atomic.LoadInt64(&c.view[b+2]))
	}
	if c.view[b] != c.view[b+1] {
		return fmt.Errorf("books %d: %d and %d", b, c.view[b], c.view[b+1])
	}
	c.view[b]++ // plain memory
	idle(work)
	c.view[b+1]++
	if c.view[b] != c.view[b+1] || !atomic.CompareAndSwapInt64(&c.view[b+2], c.pid, 0) {
		return fmt.Errorf("books %d: somebody else was inside", b)
	}
	return nil
}

// mend makes good what a dead one left. The lock is held.
func (c *chaos) mend(b int) error {
	if in := atomic.LoadInt64(&c.view[b+2]); in != 0 {
		if c.lives(in) {
			return fmt.Errorf("books %d: %d is inside, and alive", b, in)
		}
		atomic.StoreInt64(&c.view[b+2], 0)
	}
	switch c.view[b] - c.view[b+1] {
	case 0:
	case 1:
		c.view[b+1]++
	default:
		return fmt.Errorf("books %d: %d and %d", b, c.view[b], c.view[b+1])
	}
	return nil
}

// hold marks n permits, which this process has, as its own, and gives them back.
func (c *chaos) hold(n, work int) error {
	const most = 100_000
	mine := make([]int, 0, chaosPermits)
	for pass := 0; len(mine) < n; pass++ {
		if pass == most {
			return fmt.Errorf("of %d permits only %d are there", n, len(mine))
		}
		for i := bookTokens; i < bookTokens+chaosPermits && len(mine) < n; i++ {
			if c.seize(&c.view[i]) {
				mine = append(mine, i)
			}
		}
		runtime.Gosched() // others pass permits on between two looks
	}
	idle(work)
	for _, i := range mine {
		atomic.StoreInt64(&c.view[i], 0)
	}
	return c.Permits.Release(n)
}

// seize takes a token that is free, or a dead one's.
func (c *chaos) seize(token *int64) bool {
	owner := atomic.LoadInt64(token)
	return (owner == 0 || owner != c.pid && !c.lives(owner)) && atomic.CompareAndSwapInt64(token, owner, c.pid)
}

func (c *chaos) lives(pid int64) bool {
	ps, err := c.Poison.Segment().Participants()
	if err != nil {
		return true
	}
	i := slices.IndexFunc(ps, func(p participant) bool { return int64(p.PID) == pid })
	return i >= 0 && ps[i].Alive
}

// idle takes some time, and sometimes lets others run.
func idle(work int) {
	var x atomic.Int64
	for range work {
		x.Add(1)
	}
	if work%16 == 0 {
		runtime.Gosched()
	}
}
