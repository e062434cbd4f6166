package mem

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// MaxLayoutText is the most bytes that a Layout's Text has.
const MaxLayoutText = 64 << 10

// Layout describes a type whose values mean the same in every process that
// holds their bytes: numbers, bools, and arrays and structs of these.
type Layout struct {
	// Text is the layout for people and for comparison (see Agree): kinds,
	// widths, offsets, field names and lengths, but no names of types.
	//
	//	uint64    [16]float32    struct(24){ID uint64 @0; On bool @8; _ @9+7; At struct(8){X int32 @0; Y int32 @4} @16}
	Text        string
	Size, Align int64
	bools       []repeat
}

// LayoutError names the part of a type that has no fixed layout. Package shm
// turns it into a *shm.TypeError.
type LayoutError struct{ Type, Path, Reason string }

func (e *LayoutError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("type %s has no fixed layout: %s", e.Type, e.Reason)
	}
	return fmt.Sprintf("type %s has no fixed layout: %s: %s", e.Type, e.Path, e.Reason)
}

// LayoutOf returns the layout of t, or a *LayoutError. It is not cheap: callers
// keep what it returns.
func LayoutOf(t reflect.Type) (*Layout, error) {
	w := walker{root: t}
	l := &Layout{Size: int64(t.Size()), Align: int64(t.Align())}
	if err := w.walk(t, "", 0, &l.bools); err != nil {
		return nil, err
	}
	l.Text = w.text.String()
	return l, nil
}

// walker writes the text of a type while it walks through it.
type walker struct {
	root reflect.Type
	text strings.Builder
}

// walk appends the text of t, which lies at path, and the places of its bools,
// off bytes further on, to bools.
func (w *walker) walk(t reflect.Type, path string, off int64, bools *[]repeat) error {
	if reason := denied(t); reason != "" {
		return w.refuse(path, reason)
	}
	switch t.Kind() {
	case reflect.Bool:
		*bools = append(*bools, repeat{off: off, n: 1})
		w.text.WriteString("bool")
	case reflect.Int, reflect.Uint:
		w.text.WriteString(t.Kind().String() + strconv.Itoa(t.Bits()))
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		w.text.WriteString(t.Kind().String())
	case reflect.Array:
		return w.array(t, path, off, bools)
	case reflect.Struct:
		return w.structure(t, path, off, bools)
	default:
		return w.refuse(path, reasonAgainst(t))
	}
	if w.text.Len() > MaxLayoutText {
		return w.refuse("", fmt.Sprintf("its description would be longer than %d bytes", MaxLayoutText))
	}
	return nil
}

func (w *walker) array(t reflect.Type, path string, off int64, bools *[]repeat) error {
	w.text.WriteString("[" + strconv.Itoa(t.Len()) + "]")
	var inner []repeat
	if err := w.walk(t.Elem(), path+"[]", 0, &inner); err != nil {
		return err
	}
	if len(inner) > 0 && t.Len() > 0 {
		*bools = append(*bools, repeat{off: off, n: int64(t.Len()), stride: int64(t.Elem().Size()), inner: inner})
	}
	return nil
}

func (w *walker) structure(t reflect.Type, path string, off int64, bools *[]repeat) error {
	fmt.Fprintf(&w.text, "struct(%d){", t.Size())
	sep := ""
	for f := range t.Fields() {
		at := join(path, f.Name)
		if f.Name == "_" {
			if err := w.blank(f, at, &sep); err != nil {
				return err
			}
			continue
		}
		w.text.WriteString(sep + f.Name + " ")
		sep = "; "
		if err := w.walk(f.Type, at, off+int64(f.Offset), bools); err != nil {
			return err
		}
		fmt.Fprintf(&w.text, " @%d", f.Offset)
	}
	w.text.WriteByte('}')
	return nil
}

// blank describes a blank field by its place only: nobody can name what is in it.
func (w *walker) blank(f reflect.StructField, path string, sep *string) error {
	var unused []repeat
	inner := walker{root: w.root}
	if err := inner.walk(f.Type, path, 0, &unused); err != nil {
		return err
	}
	if f.Type.Size() > 0 {
		fmt.Fprintf(&w.text, "%s_ @%d+%d", *sep, f.Offset, f.Type.Size())
		*sep = "; "
	}
	return nil
}

func (w *walker) refuse(path, reason string) error {
	return &LayoutError{Type: w.root.String(), Path: path, Reason: reason}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// denied returns why t is refused although it may have no pointers: some types
// of the standard library mean something only in the process that made them.
func denied(t reflect.Type) string {
	if t.Name() == "" {
		return ""
	}
	switch pkg := t.PkgPath(); {
	case pkg == "time" && t.Name() == "Time":
		return "a time.Time refers to a location of one process: store UnixNano instead"
	case pkg == "sync":
		return "a " + t.String() + " works within one process only: see package lock"
	case pkg == "os", pkg == "unique", pkg == "weak", pkg == "runtime",
		strings.HasPrefix(pkg, "internal/"), strings.HasPrefix(pkg, "runtime/"):
		return "a " + t.String() + " means something in one process only"
	}
	return ""
}

// reasonAgainst returns why a t has no fixed layout, for a kind that never has one.
func reasonAgainst(t reflect.Type) string {
	kind := t.Kind().String()
	switch t.Kind() {
	case reflect.Pointer, reflect.UnsafePointer:
		kind = "pointer"
	case reflect.String:
		return "a string refers to memory of one process: use an array of bytes and a length"
	case reflect.Slice:
		return "a slice refers to memory of one process: use an array"
	case reflect.Uintptr:
		return "a uintptr has another meaning in each process: use uint64"
	}
	article := "a "
	if kind == "interface" {
		article = "an "
	}
	return article + kind + " refers to memory of one process"
}
