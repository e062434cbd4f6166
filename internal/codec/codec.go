// Package codec says how a T travels between processes: in a queue, as an
// argument, as a result. The type decides, so that two programs cannot disagree
// silently about one queue:
//
//   - a T of fixed layout travels as its bytes;
//   - a T with MarshalBinary or AppendBinary, and UnmarshalBinary, by these;
//   - a slice of bytes and a string as they are;
//   - every other T as CBOR (RFC 8949), fields by name.
package codec

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"reflect"

	"github.com/fxamacker/cbor/v2"

	"github.com/shoal-ipc/shoal/internal/mem"
)

// Form is one way to travel.
type Form uint8

const (
	// Fixed is the memory of the value itself.
	Fixed Form = iota + 1
	// Bytes is for types whose kind is slice of bytes.
	Bytes
	// String is for types whose kind is string.
	String
	// Binary is by the type's own binary methods.
	Binary
	// CBOR is for everything else.
	CBOR
)

// Codec encodes and decodes Ts. Its methods may be called at once by many.
type Codec[T any] struct {
	form    Form
	layout  *mem.Layout
	enc     cbor.UserBufferEncMode
	dec     cbor.DecMode
	natural *naturalizer
}

// For returns the codec of T, or a *mem.LayoutError that says which part of T
// cannot travel. It is not cheap: callers keep what it returns. Types in exempt
// are accepted wherever they occur; the caller sees to it that nothing of them
// needs to be encoded.
func For[T any](exempt ...reflect.Type) (*Codec[T], error) {
	t := reflect.TypeFor[T]()
	layout, err := mem.LayoutOf(t)
	switch {
	case err == nil:
		return &Codec[T]{form: Fixed, layout: layout}, nil
	case hasBinary(t):
		return &Codec[T]{form: Binary}, nil
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return &Codec[T]{form: Bytes}, nil
	case t.Kind() == reflect.String:
		return &Codec[T]{form: String}, nil
	}
	g := newGraph(t, exempt)
	if err := g.visit(t, ""); err != nil {
		return nil, err
	}
	c := &Codec[T]{form: CBOR, natural: g.naturalizer()}
	if c.enc, err = encodeOptions().UserBufferEncMode(); err != nil {
		return nil, fmt.Errorf("codec: %w", err)
	}
	if c.dec, err = decodeOptions().DecMode(); err != nil {
		return nil, fmt.Errorf("codec: %w", err)
	}
	return c, nil
}

// Form returns the way in which Ts travel.
func (c *Codec[T]) Form() Form { return c.form }

// Layout returns the layout of T if its form is Fixed, else nil.
func (c *Codec[T]) Layout() *mem.Layout { return c.layout }

// Name describes T's encoding as it is stored and compared (by mem.Agree): the
// text of the layout, or the form. Types that travel as CBOR all have one name:
// they evolve by the names of their fields.
func (c *Codec[T]) Name() string {
	switch c.form {
	case Fixed:
		return c.layout.Text
	case Bytes:
		return "bytes"
	case String:
		return "string"
	case Binary:
		return "binary"
	default:
		return "cbor"
	}
}

// Raw reports whether View works: T's encoding is in memory already.
func (c *Codec[T]) Raw() bool { return c.form <= String }

// View returns the encoding of *x itself, without a copy, if Raw; else nil. It
// must not be written, and not be kept longer than *x.
func (c *Codec[T]) View(x *T) []byte {
	switch c.form {
	case Fixed:
		return mem.BytesOf(x)
	case Bytes:
		return *mem.AsByteSlice(x)
	case String:
		return mem.BytesOfString(*mem.AsString(x))
	default:
		return nil
	}
}

// Append appends the encoding of x to buf. An error is the fault of x or of its
// methods; buf is then returned as it was.
func (c *Codec[T]) Append(buf []byte, x T) ([]byte, error) {
	if c.Raw() {
		return append(buf, c.View(&x)...), nil
	}
	// From here on x is passed as an interface value, and not by its address,
	// which would move every x to the heap, also above.
	var out []byte
	var err error
	if c.form == Binary {
		out, err = appendBinary(buf, x)
	} else {
		b := bytes.NewBuffer(buf)
		err = c.enc.MarshalToBuffer(x, b)
		out = b.Bytes()
	}
	if err != nil {
		return buf, fmt.Errorf("encoding %T: %w", x, err)
	}
	return out, nil
}

// Decode makes *x what data encodes. It keeps no part of data, and bytes of any
// value give an error at worst; but nobody may change them meanwhile, so what
// lies in shared memory is copied first unless T is Raw. *x is zero, or partly
// filled, after an error.
func (c *Codec[T]) Decode(data []byte, x *T) error {
	switch c.form {
	case Fixed:
		return c.decodeFixed(data, x)
	case Bytes:
		*mem.AsByteSlice(x) = append(make([]byte, 0, len(data)), data...)
		return nil
	case String:
		*mem.AsString(x) = string(data)
		return nil
	case Binary:
		return decodeBinary(data, x)
	default:
		return c.decodeCBOR(data, x)
	}
}

func (c *Codec[T]) decodeFixed(data []byte, x *T) error {
	b := mem.BytesOf(x)
	if len(data) != len(b) {
		return fmt.Errorf("decoding %T: %d bytes, want %d", *x, len(data), len(b))
	}
	copy(b, data)
	c.layout.Normalize(b)
	return nil
}

func (c *Codec[T]) decodeCBOR(data []byte, x *T) error {
	y := new(T) // x itself would escape
	if err := c.dec.Unmarshal(data, y); err != nil {
		return fmt.Errorf("decoding %T: %w", *y, err)
	}
	c.natural.fix(reflect.ValueOf(y).Elem())
	*x = *y
	return nil
}

// hasBinary reports whether T can be encoded and decoded by its own methods, as
// a value, or as a pointer to a value.
func hasBinary(t reflect.Type) bool {
	if t.Kind() == reflect.Interface {
		return false
	}
	p := reflect.PointerTo(t)
	if t.Kind() == reflect.Pointer {
		p = t
	}
	return p.Implements(reflect.TypeFor[encoding.BinaryUnmarshaler]()) &&
		(p.Implements(reflect.TypeFor[encoding.BinaryAppender]()) || p.Implements(reflect.TypeFor[encoding.BinaryMarshaler]()))
}

var errNilPointer = errors.New("nil pointer")

func appendBinary[T any](buf []byte, x T) ([]byte, error) {
	v := any(x)
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
		return buf, errNilPointer
	}
	if out, ok, err := appendBy(buf, v); ok {
		return out, err
	}
	y := x
	out, _, err := appendBy(buf, &y) // its methods have pointer receivers
	return out, err
}

func appendBy(buf []byte, v any) (out []byte, ok bool, err error) {
	switch m := v.(type) {
	case encoding.BinaryAppender:
		out, err = m.AppendBinary(buf)
		return out, true, err
	case encoding.BinaryMarshaler:
		b, err := m.MarshalBinary()
		return append(buf, b...), true, err
	}
	return buf, false, nil
}

func decodeBinary[T any](data []byte, x *T) error {
	y := new(T)
	var v any = y
	if t := reflect.TypeFor[T](); t.Kind() == reflect.Pointer {
		p := reflect.New(t.Elem())
		reflect.ValueOf(y).Elem().Set(p)
		v = p.Interface()
	}
	m, ok := v.(encoding.BinaryUnmarshaler)
	if !ok {
		return fmt.Errorf("decoding %T: it has no UnmarshalBinary", *y)
	}
	if err := m.UnmarshalBinary(data); err != nil {
		return fmt.Errorf("decoding %T: %w", *y, err)
	}
	*x = *y
	return nil
}
