package robust

import (
	"context"
	"errors"

	"github.com/shoal-ipc/shoal/internal/object"
)

// ErrUnless is returned by LockUnless when its caller needs the mutex no more.
var ErrUnless = errors.New("lock: not needed any more")

// LockUnless is Lock, except that it returns ErrUnless when enough returns
// true: it asks before it sleeps and when it wakes, at least once a wait.Slice, if
// it is the first of this process's waiters. The mutex is not held then. It serves
// those who can also get what they want in another way, while the mutex is held by
// somebody who is stopped.
func (m *Mutex) LockUnless(ctx context.Context, enough func() bool) error {
	mapping := m.use.Pin()
	if mapping == nil || m.slot == 0 {
		return m.unusable()
	}
	if ctx.Err() == nil && m.words.w.CompareAndSwap(m.rest, m.rest|m.slot) { // pairs with: robust.free (Unlock)
		err := m.confirm()
		if err == nil {
			m.sync.Acquire()
		}
		object.Unpin(mapping)
		return err
	}
	return m.lockLong(ctx, mapping, enough)
}
