package robust

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// Recover clears poison: it calls fn with the mutex held, after the participant
// that died holding it is gone wholly. If fn fails, panics or ends its goroutine,
// or the process dies in it, the mutex stays poisoned: fn must be able to run
// again over its own half-done work. Of racing calls one runs fn and the others
// return nil after it; if the mutex is not poisoned it returns nil at once. It
// fails with fn's error, ctx.Err(), fs.ErrClosed, fs.ErrPermission or a
// *mem.Corruption. The mutex is not held afterwards.
func (m *Mutex) Recover(ctx context.Context, fn func() error) error {
	mapping := m.use.Pin()
	if mapping == nil || m.slot == 0 {
		return m.unusable()
	}
	defer runtime.KeepAlive(m)
	defer object.Unpin(mapping)
	if err := ctx.Err(); err != nil {
		return err
	}
	repairing, err := m.takePoisoned(ctx)
	if err != nil || !repairing {
		return err
	}
	return m.repair(ctx, fn, 0)
}

// LockRepaired is Lock, except that it repairs a poisoned mutex by fn, as Recover
// does, and then holds it. If fn fails it returns ErrPoisoned with fn's error.
func (m *Mutex) LockRepaired(ctx context.Context, fn func() error) error {
	mapping := m.use.Pin()
	if mapping == nil {
		return m.unusable()
	}
	defer runtime.KeepAlive(m)
	defer object.Unpin(mapping)
	for {
		if err := m.Lock(ctx); !errors.Is(err, ErrPoisoned) {
			return err
		}
		repairing, err := m.takePoisoned(ctx)
		if err != nil {
			return err
		}
		if repairing {
			return m.repairForLock(ctx, fn)
		}
	}
}

// TryLockRepaired is LockRepaired without waiting for anybody: ErrLocked if
// somebody else is repairing, or if the dead one is not gone wholly within a
// patience. It waits for fn.
func (m *Mutex) TryLockRepaired(fn func() error) error {
	mapping := m.use.Pin()
	if mapping == nil {
		return m.unusable()
	}
	defer runtime.KeepAlive(m)
	defer object.Unpin(mapping)
	for {
		if err := m.TryLock(); !errors.Is(err, ErrPoisoned) {
			return err
		}
		x := m.words.w.Load()
		switch {
		case m.gone(x):
			return errGone
		case x&poisoned == 0:
			continue
		case x&ownerMask != 0:
			return ErrLocked
		}
		switch taken, err := m.beginRepair(x); {
		case err != nil:
			return err
		case !taken:
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		began := false
		err := m.repairForLock(ctx, func() error { began = true; return fn() })
		if !began && errors.Is(err, context.DeadlineExceeded) {
			return ErrLocked
		}
		return err
	}
}

// takePoisoned takes a poisoned mutex, which stays poisoned, to repair it. It
// returns false, and takes nothing, if the mutex is not poisoned (any more).
func (m *Mutex) takePoisoned(ctx context.Context) (bool, error) {
	for {
		x := m.words.w.Load()
		if err := m.check(x); err != nil {
			return false, err
		}
		switch {
		case m.gone(x):
			return false, errGone
		case x&poisoned == 0:
			return false, nil
		case x&ownerMask != 0:
			if err := m.awaitRepair(ctx); err != nil {
				return false, err
			}
		default:
			if taken, err := m.beginRepair(x); taken || err != nil {
				return taken, err
			}
		}
	}
}

// beginRepair takes a poisoned mutex, whose word is x and which nobody repairs, and
// reports whether it did. It gives back at once what is another one's mutex by now.
func (m *Mutex) beginRepair(x uint32) (bool, error) {
	if !m.words.w.CompareAndSwap(x, x|m.slot) {
		return false, nil
	}
	if m.outlived() {
		m.endRepair(poisoned)
		return false, errGone
	}
	return true, nil
}

// awaitRepair waits while somebody repairs the mutex.
func (m *Mutex) awaitRepair(ctx context.Context) error {
	if err := m.point.Enter(ctx, m.use.Party); err != nil {
		return err
	}
	defer m.point.Leave()
	slept := false
	for {
		x := m.words.w.Load()
		if m.gone(x) || x&poisoned == 0 || x&ownerMask == 0 {
			if slept {
				m.point.Wake(1) // it may have been meant for somebody else
			}
			return m.check(x)
		}
		m.markSlept()
		want := x | sleepers
		if want != x && !m.words.w.CompareAndSwap(x, want) {
			continue
		}
		if err := m.point.Sleep(ctx, m.use.Party, want, wait.Slice); err != nil {
			m.point.Wake(1)
			return err
		}
		slept = true
	}
}

// repairForLock repairs for Lock: the caller holds the mutex if it returns nil.
func (m *Mutex) repairForLock(ctx context.Context, fn func() error) error {
	var failed error
	err := m.repair(ctx, func() error { failed = fn(); return failed }, m.slot)
	switch {
	case err == nil:
		m.sync.Acquire()
	case failed != nil:
		err = fmt.Errorf("%w; its repair failed: %w", ErrPoisoned, failed)
	}
	return err
}

// repair runs fn on a poisoned mutex that this process has taken, and leaves it
// with the owner after (this process or nobody) if fn returns nil, else poisoned.
func (m *Mutex) repair(ctx context.Context, fn func() error, after uint32) error {
	culprit := m.words.culprit.Load()
	done := false
	defer func() {
		if !done {
			m.words.culprit.CompareAndSwap(m.self(), culprit)
			m.endRepair(poisoned)
		}
	}()
	if err := m.awaitExit(ctx, culprit); err != nil {
		return err
	}
	// If this process dies before, its successor has to wait for the same culprit.
	if !m.takeBlame() || m.use.Closed() { // others may have the mutex already
		return fs.ErrClosed
	}
	m.sync.Acquire()
	if err := fn(); err != nil {
		return err
	}
	if m.use.Closed() {
		return fs.ErrClosed
	}
	m.sync.Release()
	done = true
	// While the mutex is not poisoned there is no culprit. If the process dies
	// in between, repair blames it.
	m.words.culprit.CompareAndSwap(m.self(), 0)
	if !m.use.BeginTaking() {
		m.endRepair(0) // unless Close has done so
		return fs.ErrClosed
	}
	defer m.use.EndTaking()
	if !m.endRepair(after) {
		return fs.ErrClosed
	}
	if after != 0 {
		return m.confirm()
	}
	return nil
}

// takeBlame makes this process the one that may leave things half done. It reports
// false if the mutex was taken away from it, by Close.
//
// Another process may have lost the mutex so after it looked, and name itself all
// the same: therefore this one insists. It reads the culprit before it looks whether
// it has the mutex, so that it does not take the blame from whoever has it now.
func (m *Mutex) takeBlame() bool {
	for {
		culprit := m.words.culprit.Load()
		if x := m.words.w.Load(); x&ownerMask != m.slot || x&poisoned == 0 || m.gone(x) {
			return false
		}
		if m.words.culprit.CompareAndSwap(culprit, m.self()) {
			return true
		}
	}
}

// endRepair replaces owner and poisoned by next and wakes all that waited for the
// end of the repair. It reports whether this process still had the mutex: Close
// of its segment takes it away.
func (m *Mutex) endRepair(next uint32) bool {
	for {
		x := m.words.w.Load()
		if x&ownerMask != m.slot || x&poisoned == 0 || m.allotted && x&turns != m.rest {
			return false
		}
		if m.words.w.CompareAndSwap(x, m.rest|next) { // commit; pairs with: robust.free (Lock)
			if x&sleepers != 0 {
				m.point.Wake(wait.All)
			}
			return true
		}
	}
}

// awaitExit waits until no system call of the culprit can write any more to the
// memory that the mutex protects.
func (m *Mutex) awaitExit(ctx context.Context, culprit uint64) error {
	slot, generation := unpackCulprit(culprit)
	if slot == 0 {
		return nil // closed in the middle of a repair that had succeeded
	}
	if slot > m.object.Shape.Slots {
		off := mem.Offset(m.object.Region, &m.words.culprit)
		return mem.Corrupt("mutex.culprit", off, slot, fmt.Sprintf("at most %d", m.object.Shape.Slots))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	party := m.use.Party
	go func() {
		select {
		case <-party.Done():
			cancel(fs.ErrClosed)
		case <-ctx.Done():
		}
	}()
	err := m.use.Peers.WaitExited(ctx, slot, generation)
	switch {
	case err == nil:
		return nil
	case context.Cause(ctx) == fs.ErrClosed: //nolint:errorlint // identity: it is the value given above
		return fs.ErrClosed
	}
	return err
}

// self is this process as Words.culprit names it.
func (m *Mutex) self() uint64 { return packCulprit(m.slot, m.use.Peers.Generation(m.slot)) }

// Holder returns the participant that holds the mutex, or, if it is poisoned and
// nobody repairs it, the one that died holding it, with its generation; slot 0
// if there is none. It is a hint.
func (m *Mutex) Holder() (slot, generation uint32, dead bool) {
	mapping := m.use.Pin()
	if mapping == nil {
		return 0, 0, false
	}
	defer runtime.KeepAlive(m)
	defer object.Unpin(mapping)
	x := m.words.w.Load()
	if m.gone(x) {
		return 0, 0, false
	}
	if x&ownerMask != 0 || x&poisoned == 0 {
		return x & ownerMask, m.use.Peers.Generation(x & ownerMask), false
	}
	slot, generation = unpackCulprit(m.words.culprit.Load())
	return slot & ownerMask, generation, true
}
