package rw

import (
	"context"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// RLock waits until this process holds the lock for reading. If it is shut or
// poisoned it takes the mutex by lock, as Lock does, and gives it back. It fails
// with lock's errors, ctx.Err() and fs.ErrClosed.
func (l *Mutex) RLock(ctx context.Context, lock func(*robust.Mutex) error) error {
	m, err := l.pin()
	if err != nil {
		return err
	}
	defer object.Unpin(m)
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.arrive() {
		return l.confirm()
	}
	return l.queue(lock)
}

// queue waits in one line with the writers. While this process has the mutex,
// nobody writes.
func (l *Mutex) queue(lock func(*robust.Mutex) error) error {
	if err := lock(l.mutex); err != nil {
		return err
	}
	l.core.reads[l.use.Slot].count.Add(1)
	l.mutex.UnlockMarked(0)
	return l.confirm()
}

// arrive counts one reader in, and reports whether it may be one; else it is
// counted out again.
func (l *Mutex) arrive() bool {
	slot := l.use.Slot
	if l.core.ever[slot/64].Load()&bit(slot) == 0 {
		l.core.ever[slot/64].Or(bit(slot))
	}
	l.core.reads[slot].count.Add(1) // commit; pairs with: rw.reads (read)
	if l.core.head.lock.Admits() {
		return true
	}
	l.depart()
	return false
}

// confirm keeps the lock that was taken for reading, unless the segment was closed
// meanwhile.
func (l *Mutex) confirm() error {
	if l.use.Closed() {
		l.depart() // Close may have done so already
		return fs.ErrClosed
	}
	l.sync.Acquire()
	return nil
}

// depart counts one reader out, and reports whether there was one.
func (l *Mutex) depart() bool {
	count := &l.core.reads[l.use.Slot].count
	for {
		n := count.Load()
		if n == 0 {
			return false
		}
		if count.CompareAndSwap(n, n-1) {
			break
		}
	}
	if cell.Flagged(&l.core.head.bell) {
		cell.Notify(&l.core.head.bell)
	}
	return true
}

// RUnlock ends one RLock. It fails with robust.ErrNotOwner if this process holds
// none.
func (l *Mutex) RUnlock() error {
	m, err := l.pin()
	if err != nil {
		return err
	}
	defer object.Unpin(m)
	l.left.Release()
	if !l.depart() {
		return robust.ErrNotOwner
	}
	return nil
}

// RDrop is RUnlock for who has pinned the mapping since before RLock, also after
// the segment was closed.
func (l *Mutex) RDrop() {
	l.left.Release()
	l.depart()
}
