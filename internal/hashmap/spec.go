package hashmap

import (
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/object"
)

// Form says whether keys, or values, all have the same number of bytes.
type Form uint8

const (
	// Fixed is for bytes of one length.
	Fixed Form = iota + 1
	// Encoded is for bytes of any length up to the size.
	Encoded
)

// Spec is the geometry of a map.
type Spec struct {
	Cap       int64
	KeySize   int64 // bytes
	ValueSize int64 // bytes
	Keys      Form
	Values    Form
}

const (
	maxKeySize   = 64 << 10
	maxValueSize = 1 << 30
)

// Validate returns an error that is fs.ErrInvalid if there can be no such map.
func (s Spec) Validate() error {
	switch {
	case s.Cap < 1 || s.Cap > MaxCap:
		return invalid("Cap", s.Cap, 1, MaxCap)
	case s.KeySize < 0 || s.KeySize > maxKeySize:
		return invalid("KeySize", s.KeySize, 0, maxKeySize)
	case s.ValueSize < 0 || s.ValueSize > maxValueSize:
		return invalid("ValueSize", s.ValueSize, 0, maxValueSize)
	case s.Keys < Fixed || s.Keys > Encoded || s.Values < Fixed || s.Values > Encoded:
		return fmt.Errorf("kv: keys and values have no form: %w", fs.ErrInvalid)
	}
	return nil
}

func invalid(field string, x, least, most int64) error {
	return fmt.Errorf("kv: %s is %d, not %d to %d: %w", field, x, least, most, fs.ErrInvalid)
}

// Pack returns s as the directory stores it.
func (s Spec) Pack() object.Spec {
	return object.Spec{uint64(s.Cap), uint64(s.KeySize), uint64(s.ValueSize), uint64(s.Keys), uint64(s.Values)}
}

// Unpack returns what Pack packed. Other numbers give a Spec that is not valid.
func Unpack(w object.Spec) Spec {
	s := Spec{Cap: int64(w[0]), KeySize: int64(w[1]), ValueSize: int64(w[2])}
	if w[3] <= uint64(Encoded) && w[4] <= uint64(Encoded) {
		s.Keys, s.Values = Form(w[3]), Form(w[4])
	}
	return s
}
