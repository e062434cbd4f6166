package robust

import (
	"context"
	"io/fs"
	"runtime"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Quick is what it takes to lock a mutex that nobody holds or wants, and to unlock
// one that nobody waits for, in the code of the caller. It is part of the public
// handle, so that what one of the two instructions waits for is as few loads after
// each other as may be. The caller looks after all but the word: see lock.Mutex.
// The zero Quick is of a mutex that takes the long way always.
type Quick struct {
	Use  *object.Use // nil in a zero Quick
	word *satomic.Uint32
	slot uint32
	sync *race.Token
}

// Quick returns the quick way to m. There is none if this process may not write, or
// if m may be given back: the word alone does not say whether it was.
func (m *Mutex) Quick() Quick {
	if m.slot == 0 || m.allotted {
		return Quick{}
	}
	return Quick{Use: m.use, word: &m.words.w, slot: m.slot, sync: m.sync}
}

// Take takes the mutex if nobody holds it or wants it, and reports whether it did.
// The caller then confirms that the segment is open, or gives it back by GiveBack.
func (q *Quick) Take() bool {
	return q.word.CompareAndSwap(0, q.slot) // pairs with: robust.free (Unlock)
}

// Taken tells the race detector, if race.Enabled, that Take was confirmed.
func (q *Quick) Taken() { q.sync.Acquire() }

// Giving tells the race detector, if race.Enabled, that Give follows.
func (q *Quick) Giving() { q.sync.Release() }

// Give unlocks the mutex if this process holds it and nobody waits, and reports
// whether it did.
func (q *Quick) Give() bool {
	return q.word.CompareAndSwap(q.slot, 0) // commit; pairs with: robust.free (Lock)
}

// GiveBack gives back what Take took while the segment was closed, and returns
// fs.ErrClosed. The caller has pinned the mapping.
func (m *Mutex) GiveBack() error { return m.undo(fs.ErrClosed) }

// LockLong is Lock for who found just now, by a Quick, that it takes longer.
func (m *Mutex) LockLong(ctx context.Context) error {
	mapping := m.use.Pin()
	if mapping == nil || m.slot == 0 {
		return m.unusable()
	}
	return m.lockLong(ctx, mapping, nil)
}

// lockLong is Lock after the first attempt has failed.
func (m *Mutex) lockLong(ctx context.Context, mapping *object.Mapping, enough func() bool) error {
	err := ctx.Err()
	switch {
	case err != nil:
	case m.outlived():
		err = errGone
	default:
		err = m.lockSlow(ctx, enough)
	}
	if err == nil {
		m.sync.Acquire()
	}
	object.Unpin(mapping)
	runtime.KeepAlive(m)
	return err
}
