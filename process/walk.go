package process

import (
	"bytes"
	"encoding"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/shoal-ipc/shoal/internal/duplex"
	"github.com/shoal-ipc/shoal/shm"
)

// visitor is told of what a walk meets.
type visitor interface {
	// file is told of each *os.File, in an order that the argument's encoded
	// form determines, and returns the one that belongs there.
	file(f *os.File) (*os.File, error)
	// segment is told of each segment and of that of each handle.
	segment(seg *shm.Segment) error
}

// endVisitor is a visitor that is also told of each end of a pipe, after its segment.
type endVisitor interface{ end(e *duplex.End) }

// walk goes through an argument as its encoder does, before it is encoded and
// after it was decoded. It finds what needs a descriptor, and what would not
// arrive: the encoder follows cycles for ever and leaves out unexported fields.
type walk struct {
	visitor  visitor
	restores bool // after decoding: the argument is this process's own and may be set

	path  []string
	open  map[opened]bool       // pointers, maps and slices that the walk is inside of
	plain map[reflect.Type]bool // types of which nothing is to be told
	loose int                   // interfaces that the walk is inside of: what is there loses its type
}

type opened struct {
	at  uintptr
	len int
	typ reflect.Type
}

// handle is what every handle and no other type is.
type handle interface {
	Segment() *shm.Segment
	encoding.TextMarshaler
	encoding.TextUnmarshaler
}

// Types that a walk knows.
func fileType() reflect.Type    { return reflect.TypeFor[*os.File]() }
func segmentType() reflect.Type { return reflect.TypeFor[*shm.Segment]() }

// errorf reports why what the walk is at cannot travel.
func (w *walk) errorf(format string, args ...any) error {
	place := strings.Join(w.path, "")
	if place == "" {
		place = "the argument"
	}
	return fmt.Errorf("%s: %w", strings.TrimPrefix(place, "."), fmt.Errorf(format, args...))
}

// visit visits v and all that it refers to.
func (w *walk) visit(v reflect.Value) error {
	t := v.Type()
	if w.isPlain(t) {
		return nil
	}
	if done, err := w.special(v); done || err != nil {
		return err
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if v.IsNil() {
			return nil
		}
		return w.enter(v)
	case reflect.Interface:
		return w.intoInterface(v)
	case reflect.Struct:
		return w.fields(v)
	case reflect.Array:
		return w.elements(v)
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return w.errorf("a %v cannot travel: %w", t, fs.ErrInvalid)
	}
	return nil
}

// special deals with files, segments and handles.
func (w *walk) special(v reflect.Value) (done bool, err error) {
	t := v.Type()
	switch {
	case t == fileType():
		if v.IsNil() {
			return true, nil
		}
		return true, w.atFile(v)
	case t == segmentType() || t.Kind() == reflect.Pointer && t.Implements(reflect.TypeFor[handle]()):
		if v.IsNil() {
			return true, nil
		}
		return true, w.atSegment(v)
	case t.Kind() != reflect.Pointer && v.CanAddr() && reflect.PointerTo(t).Implements(reflect.TypeFor[handle]()):
		return true, w.atSegment(v.Addr())
	}
	return false, nil
}

func (w *walk) atFile(v reflect.Value) error {
	if w.loose > 0 {
		return w.errorf("an *os.File in an interface cannot travel, for its type is lost: %w", fs.ErrInvalid)
	}
	f, ok := reflect.TypeAssert[*os.File](v)
	if !ok {
		return w.errorf("no *os.File: %w", fs.ErrInvalid)
	}
	got, err := w.visitor.file(f)
	if err != nil {
		return w.errorf("%w", err)
	}
	if w.restores {
		v.Set(reflect.ValueOf(got))
	}
	return nil
}

func (w *walk) atSegment(v reflect.Value) error {
	if w.loose > 0 {
		return w.errorf("a %v in an interface cannot travel, for its type is lost: %w", v.Type(), fs.ErrInvalid)
	}
	var seg *shm.Segment
	switch x := v.Interface().(type) {
	case *shm.Segment:
		seg = x
	case handle:
		seg = x.Segment()
	}
	if seg == nil {
		return w.errorf("a zero %v cannot travel: %w", v.Type().Elem(), fs.ErrClosed)
	}
	if err := w.visitor.segment(seg); err != nil {
		return w.errorf("%w", err)
	}
	if e := duplex.EndOf(v.Interface()); e != nil {
		if to, ok := w.visitor.(endVisitor); ok {
			to.end(e)
		}
	}
	return nil
}

// enter visits what is behind a pointer, map or slice, and finds cycles.
func (w *walk) enter(v reflect.Value) error {
	at := opened{at: v.Pointer(), typ: v.Type()}
	if v.Kind() == reflect.Slice {
		at.len = v.Len()
	}
	if w.open[at] {
		return w.errorf("it refers to itself: %w", fs.ErrInvalid)
	}
	if w.open == nil {
		w.open = map[opened]bool{}
	}
	w.open[at] = true
	defer delete(w.open, at)
	switch v.Kind() {
	case reflect.Pointer:
		return w.visit(v.Elem())
	case reflect.Map:
		return w.entries(v)
	}
	return w.elements(v)
}

// intoInterface visits what an interface holds. Only an empty one can be
// decoded, and what it holds then has no type: numbers, texts, lists and maps.
func (w *walk) intoInterface(v reflect.Value) error {
	if v.IsNil() {
		return nil
	}
	if v.NumMethod() > 0 {
		return w.errorf("a %v in a %v cannot travel, for its type is lost: %w", v.Elem().Type(), v.Type(), fs.ErrInvalid)
	}
	w.loose++
	defer func() { w.loose-- }()
	return w.visit(v.Elem())
}

func (w *walk) elements(v reflect.Value) error {
	for i := range v.Len() {
		if err := w.step(fmt.Sprintf("[%d]", i), v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) step(name string, v reflect.Value) error {
	w.path = append(w.path, name)
	defer func() { w.path = w.path[:len(w.path)-1] }()
	return w.visit(v)
}

// entries visits the entries of a map in the order of their encoded keys, which
// is the same one in the child.
func (w *walk) entries(v reflect.Value) error {
	type entry struct {
		order []byte
		key   reflect.Value
	}
	entries := make([]entry, 0, v.Len())
	for _, key := range v.MapKeys() {
		if err := w.step(".key", key); err != nil {
			return err
		}
		order, err := cbor.Marshal(key.Interface())
		if err != nil {
			return w.errorf("key: %w", err)
		}
		entries = append(entries, entry{order, key})
	}
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.order, b.order) })
	for _, e := range entries {
		// A copy, because what a map holds cannot be set in place.
		value := reflect.New(v.Type().Elem()).Elem()
		value.Set(v.MapIndex(e.key))
		if err := w.step(fmt.Sprintf("[%v]", e.key), value); err != nil {
			return err
		}
		if w.restores {
			v.SetMapIndex(e.key, value)
		}
	}
	return nil
}

// fields visits the fields of a struct.
func (w *walk) fields(v reflect.Value) error {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" || leftOut(f) {
			continue
		}
		w.path = append(w.path, "."+f.Name)
		err := w.field(f, v.Field(i))
		w.path = w.path[:len(w.path)-1]
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) field(f reflect.StructField, v reflect.Value) error {
	switch {
	case f.IsExported():
		if f.Anonymous && f.Type == fileType() && !v.IsNil() {
			return w.errorf("an embedded *os.File cannot travel: give the field a name: %w", fs.ErrInvalid)
		}
		return w.visit(v)
	case f.Anonymous && f.Type.Kind() == reflect.Struct:
		return w.fields(v) // the encoder promotes its exported fields
	case !v.IsZero():
		return w.errorf("an unexported field that is not zero would be lost: export it, or tag it `cbor:\"-\"`: %w", fs.ErrInvalid)
	}
	return nil
}

// leftOut reports whether the encoder leaves a field out by request.
func leftOut(f reflect.StructField) bool {
	tag, ok := f.Tag.Lookup("cbor")
	if !ok {
		tag = f.Tag.Get("json")
	}
	return tag == "-"
}

// isPlain reports whether nothing in a t can be of interest, so that long lists
// of numbers cost nothing.
func (w *walk) isPlain(t reflect.Type) bool {
	if known, ok := w.plain[t]; ok {
		return known
	}
	if w.plain == nil {
		w.plain = map[reflect.Type]bool{}
	}
	w.plain[t] = false // a type that refers to itself may make cycles
	p := w.findPlain(t)
	w.plain[t] = p
	return p
}

func (w *walk) findPlain(t reflect.Type) bool {
	if t == fileType() || t == segmentType() || t.Implements(reflect.TypeFor[handle]()) {
		return false
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[handle]()) {
		return false
	}
	if encodesItself(t) {
		return true
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return w.isPlain(t.Elem())
	case reflect.Map:
		return w.isPlain(t.Key()) && w.isPlain(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			travels := f.Name != "_" && !leftOut(f)
			if travels && (!f.IsExported() || !w.isPlain(f.Type)) {
				return false
			}
		}
		return true
	case reflect.Interface, reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return false
	}
	return true
}

// encodesItself reports whether the encoder asks t's own methods, and looks no
// further.
func encodesItself(t reflect.Type) bool {
	if t.Kind() == reflect.Interface {
		return false
	}
	switch t {
	case reflect.TypeFor[time.Time](), reflect.TypeFor[big.Int](), reflect.TypeFor[cbor.RawMessage]():
		return true
	}
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[cbor.Marshaler]()) ||
		p.Implements(reflect.TypeFor[encoding.BinaryMarshaler]()) ||
		p.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}
