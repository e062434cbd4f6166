package codec

import (
	"encoding"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/shoal-ipc/shoal/internal/mem"
)

// graph is a type and all types that it is made of, as far as CBOR looks.
type graph struct {
	root   reflect.Type
	exempt []reflect.Type
	parts  map[reflect.Type][]reflect.Type
}

func newGraph(root reflect.Type, exempt []reflect.Type) *graph {
	return &graph{root: root, exempt: exempt, parts: map[reflect.Type][]reflect.Type{}}
}

// visit fails with a *mem.LayoutError if t, which lies at path, or a part of it
// cannot be encoded and decoded.
func (g *graph) visit(t reflect.Type, path string) error {
	if _, seen := g.parts[t]; seen {
		return nil
	}
	g.parts[t] = nil
	if slices.Contains(g.exempt, t) || encodesItself(t) {
		return nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.part(t, t.Elem(), path)
	case reflect.Slice, reflect.Array:
		return g.part(t, t.Elem(), path+"[]")
	case reflect.Map:
		if err := g.part(t, t.Key(), path+"[key]"); err != nil {
			return err
		}
		return g.part(t, t.Elem(), path+"[]")
	case reflect.Struct:
		return g.structure(t, path)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return g.refuse(path, "which type to decode into a "+t.String()+" cannot be known")
		}
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Uintptr, reflect.Complex64, reflect.Complex128:
		return g.refuse(path, "a "+t.Kind().String()+" cannot be encoded")
	}
	return nil
}

func (g *graph) part(whole, t reflect.Type, path string) error {
	g.parts[whole] = append(g.parts[whole], t)
	return g.visit(t, path)
}

func (g *graph) structure(t reflect.Type, path string) error {
	visible := 0
	for f := range t.Fields() {
		if skipped(f) {
			continue
		}
		visible++
		at := f.Name
		if path != "" {
			at = path + "." + f.Name
		}
		if err := g.part(t, f.Type, at); err != nil {
			return err
		}
	}
	if visible == 0 && t.NumField() > 0 {
		return g.refuse(path, t.String()+" has no exported field and no method that encodes it")
	}
	return nil
}

// skipped reports whether the encoder leaves out f.
func skipped(f reflect.StructField) bool {
	tag, ok := f.Tag.Lookup("cbor")
	if !ok {
		tag = f.Tag.Get("json")
	}
	if tag == "-" {
		return true
	}
	if !f.IsExported() {
		t := f.Type
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		return !f.Anonymous || t.Kind() != reflect.Struct // the exported fields of an embedded struct count
	}
	return false
}

func (g *graph) refuse(path, reason string) error {
	return &mem.LayoutError{Type: g.root.String(), Path: strings.TrimPrefix(path, "."), Reason: "nor can it be encoded: " + reason}
}

// encodesItself reports whether t has methods that encode and decode it, or the
// encoder knows it.
func encodesItself(t reflect.Type) bool {
	if t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[big.Int]() {
		return true
	}
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer {
		return false // pointers are followed
	}
	p := reflect.PointerTo(t)
	both := func(encode, decode reflect.Type) bool { return p.Implements(encode) && p.Implements(decode) }
	return both(reflect.TypeFor[cbor.Marshaler](), reflect.TypeFor[cbor.Unmarshaler]()) ||
		both(reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler]()) ||
		both(reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler]())
}

// naturalizer returns what Decode needs to know of the types visited.
func (g *graph) naturalizer() *naturalizer {
	n := &naturalizer{holds: map[reflect.Type]bool{}}
	for t := range g.parts {
		n.holds[t] = g.reachesAny(t, map[reflect.Type]bool{})
	}
	return n
}

// reachesAny reports whether a t may have an any in it.
func (g *graph) reachesAny(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	if t.Kind() == reflect.Interface {
		return true
	}
	return slices.ContainsFunc(g.parts[t], func(p reflect.Type) bool { return g.reachesAny(p, seen) })
}
