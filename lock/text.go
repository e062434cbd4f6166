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
	"github.com/shoal-ipc/shoal/shm"
)

// unmarshalWait bounds how long UnmarshalText waits.
const unmarshalWait = 10 * time.Second

// inside separates the name of an object, in which it cannot occur, from the
// number of its kind, in the text of a mutex that lies inside another object.
const inside = "~"

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
	if kind := handle.ObjectOf(&m.base).Kind; kind.ID != robust.KindID {
		return inside + strconv.FormatUint(uint64(kind.ID), 10)
	}
	return ""
}

// UnmarshalText makes m the mutex that text, from MarshalText of any process,
// names, and keeps Repair. It opens the segment once a process, and waits for that
// at most ten seconds. Nobody may use m meanwhile.
func (m *Mutex) UnmarshalText(text []byte) error {
	opened, err := openText(text, openMutexNamed)
	if err != nil {
		return err
	}
	m.base, m.core = opened.base, opened.core
	return nil
}

// openMutexNamed opens the mutex that name names, with what Mutex.within adds.
func openMutexNamed(ctx context.Context, seg *shm.Segment, name string) (*Mutex, error) {
	name, number, found := strings.Cut(name, inside)
	kind := robust.Kind()
	if found {
		id, err := strconv.ParseUint(number, 10, 32)
		if kind = kinds.ByID(uint32(id)); err != nil || kind == nil {
			return nil, fmt.Errorf("lock: %q names no mutex: %w", name+inside+number, fs.ErrInvalid)
		}
	}
	h, err := handle.Open(ctx, seg, object.Request{Name: name, Kind: kind})
	if err != nil {
		return nil, err
	}
	return attach(h)
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
