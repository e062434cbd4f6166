package rw

import (
	"errors"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// tries bounds how often who only tries looks again because it met others in the
// middle of an operation: they may be stopped there.
const tries = 64

// TryLock is Lock without waiting for readers: robust.ErrLocked.
func (l *Mutex) TryLock(lock func(*robust.Mutex) error) error {
	m, err := l.pin()
	if err != nil {
		return err
	}
	defer object.Unpin(m)
	for range tries {
		err = lock(l.mutex)
		if err == nil {
			return l.tryEnter()
		}
		if !errors.Is(err, robust.ErrLocked) || !l.undecided() {
			break
		}
	}
	return err
}

// undecided reports whether who has the mutex neither writes nor waits for readers:
// it may still find that it cannot write, and then nobody does.
func (l *Mutex) undecided() bool {
	slot, marks := l.core.head.lock.Owner()
	return slot != 0 && marks&robust.Inside == 0 && !l.core.read()
}

// tryEnter begins to write if nobody reads; else it unlocks the mutex. It looks for
// readers before it shuts the mutex, too: who has no chance keeps nobody out. And
// whom it finds afterwards may be one that saw it shut and is about to leave again,
// so that both would go without: therefore it makes way and looks once more.
func (l *Mutex) tryEnter() error {
	for range tries {
		if l.core.read() {
			break
		}
		if err := l.mutex.Mark(robust.Shut); err != nil {
			return err
		}
		if !l.core.read() {
			return l.enter()
		}
		if err := l.mutex.Unmark(robust.Shut); err != nil {
			return err
		}
	}
	l.mutex.UnlockMarked(0)
	return robust.ErrLocked
}

// TryRLock is RLock without waiting: robust.ErrLocked.
func (l *Mutex) TryRLock(lock func(*robust.Mutex) error) error {
	m, err := l.pin()
	if err != nil {
		return err
	}
	defer object.Unpin(m)
	for {
		if l.arrive() {
			return l.confirm()
		}
		err := l.queue(lock)
		// If it admits readers again, it was another reader that had the mutex, or a
		// writer that only tried.
		if !errors.Is(err, robust.ErrLocked) || !l.core.head.lock.Admits() {
			return err
		}
	}
}
