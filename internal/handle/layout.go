package handle

import (
	"errors"
	"reflect"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// Layout returns the fixed layout of T, or a *shm.TypeError.
func Layout[T any]() (*mem.Layout, error) {
	l, err := mem.LayoutOf(reflect.TypeFor[T]())
	return l, TypeErr(err)
}

// TypeErr makes a *shm.TypeError of a *mem.LayoutError, and leaves other errors
// as they are.
func TypeErr(err error) error {
	var e *mem.LayoutError
	if !errors.As(err, &e) {
		return err
	}
	return &shm.TypeError{Type: e.Type, Path: e.Path, Reason: e.Reason}
}

// MatchType returns the difference between the type that is stored with an
// object and the one that the caller wants, or nil.
func MatchType(stored, mine string) *object.Mismatch {
	field, have, want, ok := mem.Agree(stored, mine)
	if ok {
		return nil
	}
	return &object.Mismatch{Field: field, Have: have, Want: want}
}
