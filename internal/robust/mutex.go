package robust

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// What package lock returns; it exports them under these names.
var (
	ErrPoisoned = errors.New("lock: poisoned: its owner died holding it")
	ErrLocked   = errors.New("lock: locked")
	ErrNotOwner = errors.New("lock: not held by this process")
)

// errReadOnly is what every operation fails with on a read-only segment.
var errReadOnly = fmt.Errorf("lock: segment is open read-only: %w", fs.ErrPermission)

// Policy says what becomes of a mutex whose owner dies. It is stored in specs.
type Policy uint8

const (
	// Poison makes Lock fail until Recover succeeded.
	Poison Policy = iota + 1
	// Release frees the mutex for the next one.
	Release
)

func (p Policy) String() string {
	switch p {
	case Poison:
		return "poison"
	case Release:
		return "release"
	}
	return fmt.Sprintf("policy(%d)", uint8(p))
}

// patience is how long somebody waits before others make way, and how long
// newcomers then stand back.
const patience = time.Millisecond

// Mutex is this process's side of a mutex: one participant of it. Its methods
// may be called at once by any number of goroutines; they pin the mapping
// themselves. No error of any method means that the mutex is held.
type Mutex struct {
	words  *Words
	use    *object.Use
	slot   uint32 // of this process; 0 if it may not write
	policy Policy
	sync   *race.Token
	point  *wait.Point
	object *object.Object
	marks  uint32 // bits of the word that are somebody else's, see marks.go
	// For a mutex that is given back, see allot.go: which allotment it is of.
	allotted bool
	rest     uint32 // the word while nobody holds the mutex or wants it; else 0
	rounds   uint64
	// shy is when TryLock first saw a free mutex that it stood back from, in
	// nanoseconds of the wall clock; 0 if it does not stand back.
	shy atomic.Int64
}

// New returns the process's side of the mutex w, which lies in the region of obj.
func New(w *Words, p Policy, use *object.Use, obj *object.Object) *Mutex {
	m := &Mutex{words: w, use: use, policy: p, sync: obj.Sync, point: obj.Point(&w.w), object: obj}
	if !use.ReadOnly {
		m.slot = use.Slot
	}
	return m
}

// Policy returns what becomes of the mutex if its owner dies.
func (m *Mutex) Policy() Policy { return m.policy }

// Lock waits until this process holds the mutex. It fails with ErrPoisoned,
// ctx.Err(), fs.ErrClosed, fs.ErrPermission or a *mem.Corruption; then the mutex
// is not held. Uncontended it is one atomic. If the process dies inside, the
// mutex is as if Lock had not been called or had succeeded.
func (m *Mutex) Lock(ctx context.Context) error {
	err := ctx.Err()
	mapping := m.use.Pin()
	if mapping == nil || m.slot == 0 {
		return m.unusable()
	}
	if err == nil && !m.outlived() &&
		m.words.w.CompareAndSwap(m.rest, m.rest|m.slot) { // pairs with: robust.free (Unlock)
		if m.use.Pin() == mapping && !m.outlived() { // which keeps it: see object.Mapping.Void
			m.sync.Acquire()
			return nil
		}
		return m.late(mapping)
	}
	return m.lockLong(ctx, mapping, nil)
}

// TryLock is Lock without waiting: ErrLocked where Lock would wait.
func (m *Mutex) TryLock() error {
	mapping := m.use.Pin()
	if mapping == nil || m.slot == 0 {
		return m.unusable()
	}
	err := m.try()
	if err == nil {
		err = m.confirm()
	}
	if err == nil {
		m.sync.Acquire()
	}
	object.Unpin(mapping)
	runtime.KeepAlive(m)
	return err
}

// Unlock lets the next one in. It fails with ErrNotOwner if this process does
// not hold the mutex, or if it is being repaired here; and with fs.ErrClosed and
// fs.ErrPermission. Any goroutine of the process may unlock. It never blocks.
// If the process dies inside, the mutex is unlocked or counts as held.
func (m *Mutex) Unlock() error {
	mapping := m.use.Pin()
	if mapping == nil || m.slot == 0 {
		return m.unusable()
	}
	m.sync.Release()
	if !m.outlived() &&
		m.words.w.CompareAndSwap(m.rest|m.slot, m.rest) && // commit; pairs with: robust.free (Lock)
		!mapping.Void() { // which keeps it
		return nil
	}
	return m.unlockLong(mapping)
}

// unlockLong is Unlock when others wait, or the mutex is not held.
func (m *Mutex) unlockLong(mapping *object.Mapping) error {
	err := m.unlockSlow()
	object.Unpin(mapping)
	runtime.KeepAlive(m)
	return err
}

// take takes the mutex, whose word is x, for one that has waited, and reports
// whether it did. Close waits until its caller has it or it is given back: a mutex
// that Close finds held it takes for one in use, and may poison it.
func (m *Mutex) take(x, next uint32) (bool, error) {
	if !m.use.BeginTaking() {
		return false, fs.ErrClosed
	}
	defer m.use.EndTaking()
	if !m.words.w.CompareAndSwap(x, next) {
		return false, nil
	}
	err := m.confirm()
	return err == nil, err
}

// late gives the mutex back that was just taken when the segment was closed, or is
// another one by now.
func (m *Mutex) late(mapping *object.Mapping) error {
	err := m.confirm()
	object.Unpin(mapping)
	return err
}

// confirm ends the taking of the mutex.
func (m *Mutex) confirm() error {
	switch {
	case m.use.Closed():
		return m.undo(fs.ErrClosed)
	case m.outlived():
		return m.undo(errGone)
	}
	return nil
}

// undo gives the mutex back that was taken while the segment was closed, since
// Close may have looked at the mutex before, or that is another one by now; why is
// what it returns.
func (m *Mutex) undo(why error) error {
	_ = m.free() // Close may have given it back already
	return why
}

// unlockSlow frees the mutex when others wait for it, or reports that it is not held.
func (m *Mutex) unlockSlow() error {
	if m.gone(m.words.w.Load()) {
		return errGone
	}
	return m.free()
}

// free frees the mutex, or reports that it is not held.
func (m *Mutex) free() error {
	for {
		x := m.words.w.Load()
		if x&(ownerMask|poisoned) != m.slot || x&m.marks&turns != m.rest {
			return ErrNotOwner
		}
		if m.words.w.CompareAndSwap(x, m.rest|x&starving) { // commit; pairs with: robust.free (Lock)
			if x&sleepers != 0 {
				m.point.Wake(1)
			}
			return nil
		}
	}
}

// try takes the mutex if it is free.
func (m *Mutex) try() error {
	for {
		x := m.words.w.Load()
		if err := m.check(x); err != nil {
			return err
		}
		switch {
		case m.gone(x):
			return errGone
		case x&poisoned != 0:
			return m.refused()
		case x&ownerMask != 0:
			return ErrLocked
		case x&starving != 0 && m.standBack():
			return ErrLocked
		}
		if m.words.w.CompareAndSwap(x, m.rest|x&sleepers|m.slot) {
			return nil
		}
	}
}

// standBack reports whether TryLock leaves a free mutex to somebody who starves.
// It does so for one patience, because that one may be stopped for long.
func (m *Mutex) standBack() bool {
	now := time.Now().UnixNano()
	since := m.shy.Load()
	if since != 0 && (now < since || now-since >= int64(patience)) {
		m.shy.Store(0)
		return false
	}
	if since == 0 {
		m.shy.Store(now)
	}
	return true
}

// check returns a *mem.Corruption if no correct process writes x to the word.
func (m *Mutex) check(x uint32) error {
	x &^= m.marks
	if x&(reserved|poisoned) == 0 && x&ownerMask <= m.object.Shape.Slots {
		return nil
	}
	return checkWord(x, m.policy, m.object.Shape.Slots, mem.Offset(m.object.Region, &m.words.w))
}

// refused says why a poisoned mutex cannot be had. If the segment was closed, that
// may have poisoned it: Close ends the use before it gives back what it holds.
func (m *Mutex) refused() error {
	if m.use.Closed() {
		return fs.ErrClosed
	}
	return ErrPoisoned
}

// unusable says why nothing can be done with the mutex.
func (m *Mutex) unusable() error {
	if m.use.Closed() {
		return fs.ErrClosed
	}
	return errReadOnly
}
