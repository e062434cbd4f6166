package robust

import "github.com/shoal-ipc/shoal/internal/object"

// Holding returns nil if this process holds the mutex, ErrNotOwner if not, or
// fs.ErrClosed or fs.ErrPermission.
func (m *Mutex) Holding() error {
	mapping := m.use.Pin()
	if mapping == nil || m.slot == 0 {
		return m.unusable()
	}
	x := m.words.w.Load()
	object.Unpin(mapping)
	switch {
	case m.gone(x):
		return errGone
	case x&ownerMask != m.slot || x&poisoned != 0:
		return ErrNotOwner
	}
	return nil
}

// Deaths returns a number that changes whenever an owner has died holding the
// mutex, or closed its segment. The caller has pinned the mapping.
func (m *Mutex) Deaths() uint32 { return m.words.deaths.Load() }
