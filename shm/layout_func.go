package shm

import (
	"errors"
	"reflect"

	"github.com/shoal-ipc/shoal/internal/mem"
)

// Layout describes the fixed layout of T as it is stored with objects of Ts and
// compared when they are opened: kinds, widths, offsets, field names, lengths
// and blank bytes, but no names of types. A T without a fixed layout is a
// *TypeError that names the field.
//
// Two layouts agree if they have one size and agree on every field that both
// name, and a field that only one of them names lies in blank (_) bytes of the
// other. So a struct with a blank field, as in
//
//	type Order struct {
//		ID uint64
//		_  [56]byte
//	}
//
// has room for fields of later versions, and programs with either version work
// on the same objects. A test that compares Layout's result with a literal
// notices when somebody changes a struct that is stored.
func Layout[T any]() (string, error) {
	l, err := mem.LayoutOf(reflect.TypeFor[T]())
	if err != nil {
		return "", typeError(err)
	}
	return l.Text, nil
}

// typeError makes a *TypeError of a *mem.LayoutError.
func typeError(err error) error {
	if e, ok := errors.AsType[*mem.LayoutError](err); ok {
		return &TypeError{Type: e.Type, Path: e.Path, Reason: e.Reason}
	}
	return err
}
