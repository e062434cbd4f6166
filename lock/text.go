package lock

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/kinds"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/table"
	"github.com/shoal-ipc/shoal/shm"
)

// unmarshalWait bounds how long UnmarshalText waits.
const unmarshalWait = 10 * time.Second

// inside separates the name of an object, in which it cannot occur, from the
// number of its kind, in the text of a mutex that lies inside another object.
// For a mutex of a table its number and its allotment follow, each after a which.
const (
	inside = "~"
	which  = "."
)

// MarshalText returns a text that names the mutex for other processes, which open
// it by UnmarshalText.
func (m *Mutex) MarshalText() ([]byte, error) {
	text, err := m.base.MarshalText()
	if err != nil {
		return nil, err
	}
	return append(text, m.within()...), nil
}

// within says in what kind of object the mutex lies, if it is not one itself.
func (m *Mutex) within() string {
	switch kind := handle.ObjectOf(&m.base).Kind.ID; kind {
	case robust.KindID:
		return ""
	case table.KindID:
		return fmt.Sprint(inside, kind, which, m.number, which, uint64(m.allotment))
	default:
		return inside + strconv.FormatUint(uint64(kind), 10)
	}
}

// UnmarshalText makes m the mutex that text, from MarshalText of any process,
// names, and keeps Repair. It opens the segment once a process, and waits for that
// at most ten seconds. Nobody may use m meanwhile.
func (m *Mutex) UnmarshalText(text []byte) error {
	opened, err := openText(text, openMutexNamed)
	if err != nil {
		return err
	}
	opened.Repair = m.Repair
	*m = *opened
	return nil
}

// openMutexNamed opens the mutex that name names, with what Mutex.within adds.
func openMutexNamed(ctx context.Context, seg *shm.Segment, name string) (*Mutex, error) {
	name, rest, found := strings.Cut(name, inside)
	if !found {
		return OpenMutex(ctx, seg, name)
	}
	number, rest, _ := strings.Cut(rest, which)
	id, err := strconv.ParseUint(number, 10, 32)
	kind := kinds.ByID(uint32(id))
	if err != nil || kind == nil {
		return nil, errNoMutex(name)
	}
	h, err := handle.Open(ctx, seg, object.Request{Name: name, Kind: kind})
	if err != nil {
		return nil, err
	}
	if kind.ID == table.KindID {
		return openNumbered(h, rest)
	}
	return attach(h)
}

// openNumbered opens the mutex of a table that text, its number and its allotment,
// names.
func openNumbered(h handle.Handle, text string) (*Mutex, error) {
	t, err := attachTable(h)
	if err != nil {
		return nil, err
	}
	number, allotment, _ := strings.Cut(text, which)
	i, err1 := strconv.Atoi(number)
	a, err2 := strconv.ParseUint(allotment, 10, 64)
	if err1 != nil || err2 != nil || t.invalid(i) != nil {
		return nil, errNoMutex(h.Name())
	}
	return t.mutex(i, robust.Allotment(a)), nil
}

func errNoMutex(name string) error {
	return fmt.Errorf("lock: a text names no mutex of %q: %w", name, fs.ErrInvalid)
}

// openText opens the object that text names by open.
func openText[H any](text []byte, open func(context.Context, *shm.Segment, string) (H, error)) (H, error) {
	seg, name, err := handle.Unmarshal(text)
	if err != nil {
		var none H
		return none, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), unmarshalWait)
	defer cancel()
	return open(ctx, seg, name)
}
