package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

var (
	// ErrIncompatible is what every *IncompatibleError is.
	ErrIncompatible = errors.New("shm: incompatible")
	// ErrCorrupt is what every *CorruptError is.
	ErrCorrupt = errors.New("shm: corrupt")
	// ErrNoSpace is what every *SpaceError is.
	ErrNoSpace = errors.New("shm: no space")
	// ErrType is what every *TypeError is.
	ErrType = errors.New("shm: type has no fixed layout")
)

// IncompatibleError reports what differs between the caller's idea of a segment
// or object and the stored one. It is ErrIncompatible.
type IncompatibleError struct {
	Segment, Object string // names; Object is empty if the segment itself differs
	Field           string // what differs: "type", "kind", "Cap", "layout version"
	Have, Want      string // what is stored, and what the caller wants
}

func (e *IncompatibleError) Error() string {
	return fmt.Sprintf("shm: %s is incompatible: %s is %s, want %s", subject(e.Segment, e.Object), e.Field, e.Have, e.Want)
}

// Is reports whether target is ErrIncompatible.
func (e *IncompatibleError) Is(target error) bool { return target == ErrIncompatible }

// CorruptError reports bytes that no correct process writes. It is ErrCorrupt.
type CorruptError struct {
	Segment, Object string // names; Object is empty if the segment's own structures are meant
	Field           string // as docs/layout.md names it
	Offset          int64  // from the start of the object, or of the segment if Object is empty; -1 if nowhere in particular
	Got, Want       string
}

func (e *CorruptError) Error() string {
	at := ""
	if e.Offset >= 0 {
		at = fmt.Sprintf(" at %d", e.Offset)
	}
	return fmt.Sprintf("shm: %s is corrupt: %s%s is %s, want %s", subject(e.Segment, e.Object), e.Field, at, e.Got, e.Want)
}

// Is reports whether target is ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// SpaceError reports how much memory was asked for, how much there was, and
// what limits it. It is ErrNoSpace.
type SpaceError struct {
	Segment, Object string // names; Object is empty if the segment itself did not fit
	Need, Free      int64  // bytes, or what Limit says; Free is -1 if the system does not tell
	Limit           string // "MaxSize", "file system of /dev/shm", "memory", "directory entries", "participants"
}

// Limits that count something else than bytes.
const (
	limitEntries      = "directory entries"
	limitParticipants = "participants"
)

func (e *SpaceError) Error() string {
	what := subject(e.Segment, e.Object)
	switch {
	case e.Limit == limitParticipants:
		return fmt.Sprintf("shm: no space for another participant in %s: every slot is taken", what)
	case e.Limit == limitEntries:
		return fmt.Sprintf("shm: no space for %s: every entry of the directory is taken", what)
	case strings.HasSuffix(e.Limit, "entries"):
		return fmt.Sprintf("shm: no space in %s: need %d more entry, have %d (limit: %s)", what, e.Need, e.Free, e.Limit)
	case e.Free < 0:
		return fmt.Sprintf("shm: no space for %s: need %d bytes (limit: %s)", what, e.Need, e.Limit)
	}
	return fmt.Sprintf("shm: no space for %s: need %d bytes, have %d (limit: %s)", what, e.Need, e.Free, e.Limit)
}

// Is reports whether target is ErrNoSpace.
func (e *SpaceError) Is(target error) bool { return target == ErrNoSpace }

// TypeError names the part of a type that has no fixed layout. It is ErrType.
type TypeError struct {
	Type, Path, Reason string
}

func (e *TypeError) Error() string {
	var b strings.Builder
	b.WriteString("shm: type " + e.Type + " has no fixed layout: ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Reason)
	return b.String()
}

// Is reports whether target is ErrType.
func (e *TypeError) Is(target error) bool { return target == ErrType }

func subject(segment, object string) string {
	switch {
	case object == "":
		return fmt.Sprintf("segment %q", segment)
	case segment == "":
		return fmt.Sprintf("object %q", object)
	}
	return fmt.Sprintf("object %q of segment %q", object, segment)
}

// opError says which operation failed on what; it keeps the cause for errors.Is.
// The error types of this package name what they are about themselves, and stay
// as they are.
func opError(op, name string, err error) error {
	for _, own := range []error{ErrIncompatible, ErrCorrupt, ErrNoSpace, ErrType} {
		if errors.Is(err, own) {
			return err
		}
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("shm: %s %q: %w", op, name, err)
}

// errReadOnly is what writing calls on a read-only segment fail with.
var errReadOnly = fmt.Errorf("the segment is open for reading only: %w", fs.ErrPermission)
