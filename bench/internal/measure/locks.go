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

// mutexContended has all sides take one mutex for the length of the window. As
// the C program does, it prints the smallest share of a side in per cent as p50
// and the longest time that 16 locks took as p999.
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
	if p.Side > 0 {
		p.Ready()
		err := gate.Do(ctx, func() error { return nil })
		return harness.Sample{}, errors.Join(err, contend(ctx, m, book.View(), p.Side))
	}
	if err := gate.Do(ctx, func() error { return p.StartOthers() }); err != nil {
		return harness.Sample{}, err
	}
	if err := contend(ctx, m, book.View(), 0); err != nil {
		return harness.Sample{}, err
	}
	if err := p.WaitOthers(); err != nil {
		return harness.Sample{}, err
	}
	return p.balance(book.View())
}

func contend(ctx context.Context, m *lock.Mutex, book []int64, side int) error {
	counter := &book[len(book)-bookPad]
	start := time.Now()
	locks, longest := int64(0), time.Duration(0)
	for last := time.Duration(0); last < window; {
		before := last
		for range 16 {
			if err := m.Lock(ctx); err != nil {
				return err
			}
			*counter++
			if err := m.Unlock(); err != nil {
				return err
			}
		}
		locks += 16
		last = time.Since(start)
		longest = max(longest, last-before)
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
	s := rate(int(sum), window)
	s.P50, s.P999 = 100*float64(least)/float64(sum), float64(longest)
	return s, nil
}
