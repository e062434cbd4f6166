package codec

import (
	"reflect"

	"github.com/fxamacker/cbor/v2"
)

// How deep and how long what is decoded may be. The lengths are no stricter,
// because an array takes at least as many bytes as it has elements, and
// messages are bounded by their queue.
const (
	maxDepth  = 10000
	maxLength = 1 << 28
)

func encodeOptions() cbor.EncOptions {
	return cbor.EncOptions{
		Time:          cbor.TimeRFC3339Nano,
		TimeTag:       cbor.EncTagRequired, // so that a time in an any comes back as one
		TextMarshaler: cbor.TextMarshalerTextString,
	}
}

func decodeOptions() cbor.DecOptions {
	return cbor.DecOptions{
		MaxNestedLevels:      maxDepth,
		MaxArrayElements:     maxLength,
		MaxMapPairs:          maxLength,
		IntDec:               cbor.IntDecConvertSignedOrBigInt,
		BigIntDec:            cbor.BigIntDecodePointer,
		DefaultMapType:       reflect.TypeFor[map[any]any](),
		UTF8:                 cbor.UTF8DecodeInvalid, // a Go string may hold any bytes
		UnrecognizedTagToAny: cbor.UnrecognizedTagContentToAny,
		TextUnmarshaler:      cbor.TextUnmarshalerTextString,
	}
}

// naturalizer gives what was decoded into variables of type any the types that
// people expect: maps whose keys are all strings become map[string]any.
type naturalizer struct {
	holds map[reflect.Type]bool // types that have an any somewhere
}

// fix changes what v holds, which can be set.
func (n *naturalizer) fix(v reflect.Value) {
	if !n.holds[v.Type()] {
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() && v.CanSet() {
			v.Set(reflect.ValueOf(natural(v.Interface())))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			n.fix(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() || v.Type().Field(i).Anonymous {
				n.fix(f)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			n.fix(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			x := reflect.New(v.Type().Elem()).Elem()
			x.Set(v.MapIndex(key))
			n.fix(x)
			v.SetMapIndex(key, x)
		}
	}
}

// natural returns what x, decoded without a type to guide it, should be.
func natural(x any) any {
	switch x := x.(type) {
	case []any:
		for i := range x {
			x[i] = natural(x[i])
		}
	case map[any]any:
		byName := make(map[string]any, len(x))
		for key, value := range x {
			value = natural(value)
			x[key] = value
			if name, ok := key.(string); ok {
				byName[name] = value
			}
		}
		if len(byName) == len(x) {
			return byName
		}
	}
	return x
}
