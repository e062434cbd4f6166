//go:build linux

package linear

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// The operations of a read-write mutex.
const (
	writeLock = iota
	tryWriteLock
	writeUnlock
	readLock
	tryReadLock
	readUnlock
)

var rwNames = []string{"Lock", "TryLock", "Unlock", "RLock", "TryRLock", "RUnlock"}

// rwState is the model of a read-write mutex.
type rwState struct {
	writer  int8 // process, or nobody
	readers [mostProcesses]int8
	dead    uint16
}

func (s rwState) reading() (n int8) {
	for _, r := range s.readers {
		n += r
	}
	return n
}

func rwKind() kind {
	return kind{
		name: "rwmutex", variants: 1,
		create: func(ctx context.Context, seg *shm.Segment, name string, _ int) error {
			_, err := lock.CreateRWMutex(ctx, seg, name, lock.Spec{OnDeath: lock.Release})
			return err
		},
		open: func(ctx context.Context, seg *shm.Segment, name string, _ int) (func(*lane) subject, error) {
			m, err := lock.OpenRWMutex(ctx, seg, name)
			return func(l *lane) subject { return &rwSubject{lane: l, m: m} }, err
		},
		check: func(h *history) []part {
			sp := spec[rwState]{
				begin: rwState{writer: nobody},
				next:  rwState.after,
				show:  func(s rwState) string { return fmt.Sprintf("%+v", s) },
			}
			return []part{{sp.model(), h.steps(describeRW, one[*call], one[death])}}
		},
	}
}

func describeRW(x step) string {
	switch {
	case x.call == nil:
		return fmt.Sprintf("death of %d", x.dead)
	case x.pending:
		return fmt.Sprintf("%s by %d killed", rwNames[x.op], x.proc)
	}
	return fmt.Sprintf("%s by %d: %d", rwNames[x.op], x.proc, x.code)
}

// after says what s may become by x.
func (s rwState) after(x step) []rwState {
	if x.call == nil {
		s.dead |= 1 << x.dead
		s.readers[x.dead] = 0
		if s.writer == int8(x.dead) {
			s.writer = nobody
		}
		return []rwState{s}
	}
	next, can := s.take(x)
	switch {
	case x.pending && (s.dead&(1<<x.proc) != 0 || !can):
		return []rwState{s}
	case x.pending:
		return []rwState{s, next}
	case x.code == gaveUp:
		return []rwState{s}
	case x.code == refused: // readers make way for a writer that waits
		return only((x.op == tryWriteLock || x.op == tryReadLock) && (!can || x.crowded), s)
	}
	return only(x.code == done && can, next)
}

// take is s after x has done what it is for, if it can.
func (s rwState) take(x step) (next rwState, can bool) {
	next = s
	switch x.op {
	case writeLock, tryWriteLock:
		next.writer = int8(x.proc)
		return next, s.writer == nobody && s.reading() == 0
	case writeUnlock:
		next.writer = nobody
		return next, s.writer == int8(x.proc)
	case readLock, tryReadLock:
		next.readers[x.proc]++
		return next, s.writer == nobody
	}
	next.readers[x.proc]--
	return next, s.readers[x.proc] > 0
}

type rwSubject struct {
	*lane
	m *lock.RWMutex
	// held is what ends what the lane has; 0: nothing.
	held uint32
	// selfish has it say that it is locked when it is not: a fault.
	selfish bool
}

func (s *rwSubject) step() error {
	if s.held != 0 {
		s.pause()
		return s.finish()
	}
	ctx, cancel := s.briefly()
	defer cancel()
	switch s.rand.IntN(6) {
	case 0:
		return s.take(writeLock, writeUnlock, func() error { return s.m.Lock(s.ctx) })
	case 1:
		return s.take(writeLock, writeUnlock, func() error { return s.m.Lock(ctx) })
	case 2:
		return s.take(tryWriteLock, writeUnlock, s.m.TryLock)
	case 3:
		return s.take(readLock, readUnlock, func() error { return s.m.RLock(s.ctx) })
	case 4:
		return s.take(readLock, readUnlock, func() error { return s.m.RLock(ctx) })
	}
	return s.take(tryReadLock, readUnlock, s.m.TryRLock)
}

func (s *rwSubject) take(op, end uint32, f func() error) error {
	var err error
	s.do(op, [2]uint64{}, func() result {
		err = f()
		switch {
		case err == nil:
			s.held = end
		case errors.Is(err, lock.ErrLocked) && s.selfish:
			err = nil // and it has nothing to give back
		case errors.Is(err, lock.ErrLocked):
			err = nil
			return result{code: refused}
		case errors.Is(err, context.DeadlineExceeded):
			err = nil
			return result{code: gaveUp}
		default:
			return result{code: torn}
		}
		return result{}
	})
	return err
}

// finish gives back what the lane has.
func (s *rwSubject) finish() error {
	op := s.held
	if s.held = 0; op == 0 {
		return nil
	}
	var err error
	s.do(op, [2]uint64{}, func() result {
		if op == writeUnlock {
			err = s.m.Unlock()
		} else {
			err = s.m.RUnlock()
		}
		if err != nil {
			return result{code: torn}
		}
		return result{}
	})
	return err
}

// audit locks it: the others hold nothing.
func (s *rwSubject) audit() error {
	if err := errors.Join(s.take(tryReadLock, readUnlock, s.m.TryRLock), s.finish()); err != nil {
		return err
	}
	return errors.Join(s.take(writeLock, writeUnlock, func() error { return s.m.Lock(s.ctx) }), s.finish())
}
