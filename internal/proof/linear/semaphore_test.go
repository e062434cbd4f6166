//go:build linux

package linear

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
)

// The operations of a semaphore. In: how many permits.
const (
	acquire = iota
	tryAcquire
	release
	available // out: how many
	holding   // out: how many
)

var semaphoreNames = []string{"Acquire", "TryAcquire", "Release", "Available", "Held"}

// permits are those of a semaphore, by variant.
func permits(variant int) int { return []int{1, 3, 5}[variant] }

// mostProcesses is how many take part in a history at most.
const mostProcesses = childrenAtOnce + 1

// semaphoreState is the model of a semaphore.
type semaphoreState struct {
	held [mostProcesses]int8
	dead uint16
}

func (s semaphoreState) free(of int) int {
	for _, n := range s.held {
		of -= int(n)
	}
	return of
}

func semaphoreKind() kind {
	return kind{
		name: "semaphore", variants: 3,
		create: func(ctx context.Context, seg *shm.Segment, name string, variant int) error {
			_, err := semaphore.Create(ctx, seg, name, semaphore.Spec{Permits: permits(variant)})
			return err
		},
		open: func(ctx context.Context, seg *shm.Segment, name string, variant int) (func(*lane) subject, error) {
			s, err := semaphore.Open(ctx, seg, name)
			return func(l *lane) subject { return &semaphoreSubject{lane: l, s: s, permits: permits(variant)} }, err
		},
		check: func(h *history) []part {
			sp := spec[semaphoreState]{
				next: func(s semaphoreState, x step) []semaphoreState { return s.after(x, permits(h.variant)) },
				show: func(s semaphoreState) string { return fmt.Sprintf("held %v", s.held) },
			}
			return []part{{sp.model(), h.steps(describeSemaphore, one[*call], one[death])}}
		},
	}
}

func describeSemaphore(x step) string {
	switch {
	case x.call == nil:
		return fmt.Sprintf("death of %d", x.dead)
	case x.pending:
		return fmt.Sprintf("%s(%d) by %d killed", semaphoreNames[x.op], x.in[0], x.proc)
	}
	return fmt.Sprintf("%s(%d) by %d: %d %d", semaphoreNames[x.op], x.in[0], x.proc, x.code, x.out[0])
}

// after says what s may become by x.
func (s semaphoreState) after(x step, permits int) []semaphoreState {
	if x.call == nil {
		s.held[x.dead] = 0
		s.dead |= 1 << x.dead
		return []semaphoreState{s}
	}
	n := int8(x.in[0])
	free, mine := s.free(permits), s.held[x.proc]
	more, fewer := s, s
	more.held[x.proc] += n
	fewer.held[x.proc] -= n
	canMore, canFewer := free >= int(n), mine >= n
	if x.pending {
		list := []semaphoreState{s}
		switch {
		case s.dead&(1<<x.proc) != 0:
		case x.op == release && canFewer:
			list = append(list, fewer)
		case x.op <= tryAcquire && canMore:
			list = append(list, more)
		}
		return list
	}
	switch x.op {
	case acquire, tryAcquire:
		switch x.code {
		case done:
			return only(canMore, more)
		case gaveUp:
			return []semaphoreState{s}
		}
		return only(x.code == refused && (!canMore || x.crowded), s) // it may stand back for those that wait
	case release:
		if x.code == done {
			return only(canFewer, fewer)
		}
		return only(x.code == notMine && !canFewer, s)
	case available:
		got := int(x.out[0])
		return only(got == free || x.crowded && got < free, s) // what is kept for those that wait is not free
	}
	return only(int8(x.out[0]) == mine, s)
}

type semaphoreSubject struct {
	*lane
	s       *semaphore.Semaphore
	permits int
	holds   int // not counting what the neighbour has
}

func (s *semaphoreSubject) step() error {
	n := 1 + s.rand.IntN(s.permits)
	switch x := s.rand.IntN(12); {
	case s.holds > 0 && x < 5:
		s.pause()
		return s.release(1 + s.rand.IntN(s.holds))
	case x < 3 && s.holds == 0: // it waits, so it must not be waited for
		return s.acquire(acquire, n, func() error { return s.s.Acquire(s.ctx, n) })
	case x < 6:
		ctx, cancel := s.briefly()
		defer cancel()
		return s.acquire(acquire, n, func() error { return s.s.Acquire(ctx, n) })
	case x < 9:
		return s.acquire(tryAcquire, n, func() error { return s.s.TryAcquire(n) })
	case x < 10:
		s.ask(available, s.s.Available)
	case x < 11:
		s.ask(holding, s.s.Held)
	default:
		return s.release(s.permits + 1) // more than there are
	}
	return nil
}

func (s *semaphoreSubject) ask(op uint32, f func() int) {
	s.do(op, [2]uint64{}, func() result { return result{out: [2]uint64{uint64(f())}} })
}

func (s *semaphoreSubject) acquire(op uint32, n int, f func() error) error {
	var err error
	s.do(op, [2]uint64{uint64(n)}, func() result {
		err = f()
		switch {
		case err == nil:
			s.holds += n
			return result{}
		case errors.Is(err, semaphore.ErrNoPermit):
			err = nil
			return result{code: refused}
		case errors.Is(err, context.DeadlineExceeded):
			err = nil
			return result{code: gaveUp}
		}
		return result{code: torn}
	})
	return err
}

func (s *semaphoreSubject) release(n int) error {
	var err error
	s.do(release, [2]uint64{uint64(n)}, func() result {
		err = s.s.Release(n)
		if errors.Is(err, semaphore.ErrNotHeld) {
			err = nil
			return result{code: notMine}
		}
		s.holds = max(0, s.holds-n) // a broken semaphore takes back more than it gave
		return result{}
	})
	return err
}

// finish gives back what the lane has. Of a broken semaphore that may be less than
// it should be, and nobody is to wait for the rest.
func (s *semaphoreSubject) finish() error {
	for s.holds > 0 {
		n := min(s.holds, s.s.Held())
		if n == 0 {
			return nil
		}
		if err := s.release(n); err != nil {
			return err
		}
	}
	return nil
}

// audit takes all there are: the others have given everything back.
func (s *semaphoreSubject) audit() error {
	s.ask(available, s.s.Available)
	if err := s.acquire(tryAcquire, s.permits, func() error { return s.s.TryAcquire(s.permits) }); err != nil {
		return err
	}
	s.ask(holding, s.s.Held)
	return s.finish()
}
