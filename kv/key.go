package kv

import (
	"fmt"
	"reflect"

	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/shm"
)

// keys says how a K lies in the map: keys are equal if their bytes are.
type keys[K comparable] struct {
	layout *mem.Layout // nil for strings
}

// keysOf returns how Ks lie in a map, or a *shm.TypeError.
func keysOf[K comparable]() (keys[K], error) {
	t := reflect.TypeFor[K]()
	if t.Kind() == reflect.String {
		return keys[K]{}, nil
	}
	layout, err := handle.Layout[K]()
	if err != nil {
		return keys[K]{}, err
	}
	if path, reason := ambiguous(t, ""); reason != "" {
		return keys[K]{}, &shm.TypeError{Type: t.String(), Path: path, Reason: reason}
	}
	return keys[K]{layout: layout}, nil
}

// name describes K as it is stored and compared.
func (k keys[K]) name() string {
	if k.layout == nil {
		return "string"
	}
	return k.layout.Text
}

// size returns the size of all keys, or -1 if they differ.
func (k keys[K]) size() int64 {
	if k.layout == nil {
		return -1
	}
	return k.layout.Size
}

// bytes returns the bytes of a key, without a copy: they live as long as *x.
func (k keys[K]) bytes(x *K) []byte {
	if k.layout == nil {
		return mem.BytesOfString(*mem.AsString(x))
	}
	return mem.BytesOf(x)
}

// decode returns the key that has these bytes.
func (k keys[K]) decode(b []byte) (x K) {
	if k.layout == nil {
		*mem.AsString(&x) = string(b)
		return x
	}
	copy(mem.BytesOf(&x), b)
	k.layout.Normalize(mem.BytesOf(&x))
	return x
}

// ambiguous returns where, and why, Ks that are equal could have different bytes,
// or Ks that are not the same ones.
func ambiguous(t reflect.Type, path string) (where, reason string) {
	switch t.Kind() {
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return path, "a " + t.Kind().String() + " in a key is not always equal to itself"
	case reflect.Array:
		return ambiguous(t.Elem(), path+"[]")
	case reflect.Struct:
		return ambiguousStruct(t, path)
	}
	return "", ""
}

func ambiguousStruct(t reflect.Type, path string) (where, reason string) {
	end := uintptr(0)
	for f := range t.Fields() {
		at := f.Name
		if path != "" {
			at = path + "." + f.Name
		}
		if f.Name == "_" && f.Type.Size() > 0 {
			return at, "blank bytes in a key have no certain value"
		}
		if f.Offset != end {
			return at, fmt.Sprintf("there are %d bytes of padding before it: bytes of a key must all have a name", f.Offset-end)
		}
		if where, reason = ambiguous(f.Type, at); reason != "" {
			return where, reason
		}
		end = f.Offset + f.Type.Size()
	}
	if end != t.Size() {
		return path, fmt.Sprintf("there are %d bytes of padding at its end: bytes of a key must all have a name", t.Size()-end)
	}
	return "", ""
}
