package measure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/bench/internal/harness"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/semaphore"
)

func lockJobs() map[string]Job {
	return map[string]Job{
		"shoal/mutex":     mutexAlone,
		"shoal/contend":   mutexContended,
		"shoal/waits":     mutexContended,
		"shoal/semaphore": semaphoreAlone,
	}
}

func mutexAlone(ctx context.Context, p *Place) (harness.Sample, error) {
	seg, err := p.open(ctx)
	if err != nil {
		return harness.Sample{}, err
	}
	m, err := lock.CreateMutex(ctx, seg, "m", lock.Spec{})
	if err != nil {
		return harness.Sample{}, err
	}
	var failed error
	s := repeated(5000, burst, func() {
		for range burst {
			if err := m.Lock(ctx); err != nil {
				failed = err
			}
			if err := m.Unlock(); err != nil {
				failed = err
			}
		}
	})
	return s, failed
}

func semaphoreAlone(ctx context.Context, p *Place) (harness.Sample, error) {
	seg, err := p.open(ctx)
	if err != nil {
		return harness.Sample{}, err
	}
	sem, err := semaphore.Create(ctx, seg, "s", semaphore.Spec{Permits: 1})
	if err != nil {
		return harness.Sample{}, err
	}
	var failed error
	s := repeated(5000, burst, func() {
		for range burst {
			if err := sem.Acquire(ctx, 1); err != nil {
				failed = err
			}
			if err := sem.Release(1); err != nil {
				failed = err
			}
		}
	})
	return s, failed
}

// The fields of a side's line in the book of mutexContended.
const (
	bookLocks = iota
	bookLongest
	bookPad = 16 // words of a line, so that no two share a cache line
)

// mutexContended has all sides take one mutex for the length of the window, and
// prints how many locks a second that makes and the least share of a side; or, as
// shoal/waits, the longest time that a side waited for one lock.
func mutexContended(ctx context.Context, p *Place) (harness.Sample, error) {
	seg, err := p.open(ctx)
	if err != nil {
		return harness.Sample{}, err
	}
	m, err := lock.OpenOrCreateMutex(ctx, seg, "m", lock.Spec{})
	if err != nil {
		return harness.Sample{}, err
	}
	book, err := array.OpenOrCreate[int64](ctx, seg, "book", array.Spec{Len: bookPad * (p.Sides + 1)})
	if err != nil {
		return harness.Sample{}, err
	}
	gate, err := lock.OpenOrCreateMutex(ctx, seg, "gate", lock.Spec{})
	if err != nil {
		return harness.Sample{}, err
	}
	take := contend
	if p.name == "shoal/waits" {
		take = contendTimed
	}
	if p.Side > 0 {
		p.Ready()
		err := gate.Do(ctx, func() error { return nil })
		return harness.Sample{}, errors.Join(err, take(ctx, m, book.View(), p.Side))
	}
	if err := gate.Do(ctx, func() error { return p.StartOthers() }); err != nil {
		return harness.Sample{}, err
	}
	allocated := allocations()
	if err := take(ctx, m, book.View(), 0); err != nil {
		return harness.Sample{}, err
	}
	allocs := allocated(int(book.At(bookLocks)))
	if err := p.WaitOthers(); err != nil {
		return harness.Sample{}, err
	}
	s, err := p.balance(book.View())
	s.Allocs = allocs
	return s, err
}

func contend(ctx context.Context, m *lock.Mutex, book []int64, side int) error {
	counter := &book[len(book)-bookPad]
	locks := int64(0)
	for start := time.Now(); time.Since(start) < window; locks += 16 {
		for range 16 {
			if err := m.Lock(ctx); err != nil {
				return err
			}
			*counter++
			if err := m.Unlock(); err != nil {
				return err
			}
		}
	}
	book[side*bookPad+bookLocks] = locks
	return nil
}

// longWindow is for what happens seldom.
const longWindow = time.Second

// contendTimed is contend with a clock, which is read only where there is a wait.
func contendTimed(ctx context.Context, m *lock.Mutex, book []int64, side int) error {
	counter := &book[len(book)-bookPad]
	locks, longest := int64(0), time.Duration(0)
	for start := time.Now(); time.Since(start) < longWindow; locks += 16 {
		for range 16 {
			err := m.TryLock()
			if errors.Is(err, lock.ErrLocked) {
				begin := time.Now()
				err = m.Lock(ctx)
				longest = max(longest, time.Since(begin))
			}
			if err != nil {
				return err
			}
			*counter++
			if err := m.Unlock(); err != nil {
				return err
			}
		}
	}
	book[side*bookPad+bookLocks], book[side*bookPad+bookLongest] = locks, longest.Nanoseconds()
	return nil
}

func (p *Place) balance(book []int64) (harness.Sample, error) {
	sum, least, longest := int64(0), int64(math.MaxInt64), int64(0)
	for side := range p.Sides {
		line := book[side*bookPad:]
		sum, least, longest = sum+line[bookLocks], min(least, line[bookLocks]), max(longest, line[bookLongest])
	}
	if counted := book[len(book)-bookPad]; counted != sum {
		return harness.Sample{}, fmt.Errorf("the books do not balance: %d locks, counted %d", sum, counted)
	}
	if p.name == "shoal/waits" {
		return harness.Sample{Value: float64(longest)}, nil
	}
	s := rate(int(sum), window)
	s.More = map[string]float64{"least share": 100 * float64(least) / float64(sum)}
	return s, nil
}
