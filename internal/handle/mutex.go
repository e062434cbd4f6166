package handle

import "github.com/shoal-ipc/shoal/internal/robust"

var newMutex func(h Handle, m *robust.Mutex) any //nolint:gochecknoglobals // filled once by package lock

// SetMutex is called by package lock, once: f makes a *lock.Mutex.
func SetMutex(f func(h Handle, m *robust.Mutex) any) struct{} { newMutex = f; return struct{}{} }

// NewMutex returns a *lock.Mutex on m, a mutex inside the object that h refers
// to. Whoever calls it imports package lock. The Core of the object's kind has
// a method Mutex(*object.Use, *object.Object) *robust.Mutex, by which another
// process finds the same mutex from the handle's text.
func NewMutex(h Handle, m *robust.Mutex) any { return newMutex(h, m) }
