// Package handle is what the handles of all objects have in common: their
// names, their text form, and the translation of errors. The public packages
// embed a Handle under an unexported name.
package handle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// Handle refers to an object of a segment. The zero Handle is a closed one.
// Use and Object are nil in a zero Handle; use Pin first.
type Handle struct {
	seg    *shm.Segment
	use    *object.Use
	object *object.Object
}

// Create makes the object that req describes.
func Create(ctx context.Context, seg *shm.Segment, req object.Request) (Handle, error) {
	return open(ctx, seg, req, object.Inside().Create)
}

// Open opens the object that req describes.
func Open(ctx context.Context, seg *shm.Segment, req object.Request) (Handle, error) {
	return open(ctx, seg, req, object.Inside().Open)
}

// OpenOrCreate opens the object that req describes, or makes it.
func OpenOrCreate(ctx context.Context, seg *shm.Segment, req object.Request) (Handle, error) {
	return open(ctx, seg, req, object.Inside().OpenOrCreate)
}

type opener func(ctx context.Context, seg any, req object.Request) (*object.Use, *object.Object, error)

func open(ctx context.Context, seg *shm.Segment, req object.Request, f opener) (Handle, error) {
	use, obj, err := f(ctx, seg, req)
	if err != nil {
		return Handle{}, err
	}
	return Handle{seg: seg, use: use, object: obj}, nil
}

// Unmarshal opens the segment that text names and returns it with the name of
// the object in it. It waits at most ten seconds.
func Unmarshal(text []byte) (*shm.Segment, string, error) {
	i := bytes.LastIndexByte(text, '#')
	if i < 0 {
		return nil, "", fmt.Errorf("shm: %q names no object: %w", text, fs.ErrInvalid)
	}
	seg := new(shm.Segment)
	if err := seg.UnmarshalText(text[:i]); err != nil {
		return nil, "", err
	}
	return seg, string(text[i+1:]), nil
}

// Name returns the name of the object.
func (h *Handle) Name() string {
	if h.object == nil {
		return ""
	}
	return h.object.Name
}

// Segment returns the segment that the handle was opened in.
func (h *Handle) Segment() *shm.Segment { return h.seg }

// MarshalText returns a text that names the object for other processes, which
// open it by UnmarshalText.
func (h *Handle) MarshalText() ([]byte, error) {
	if h.object == nil {
		return nil, fs.ErrClosed
	}
	text, err := h.seg.MarshalText()
	if err != nil {
		return nil, err
	}
	return append(append(text, '#'), h.object.Name...), nil
}

// ObjectOf returns the object that h refers to, nil for a zero handle. It is no
// method, because the methods of Handle are methods of every public handle.
func ObjectOf(h *Handle) *object.Object { return h.object }

// UseOf returns the use of the segment that h was opened in, nil for a zero handle.
func UseOf(h *Handle) *object.Use { return h.use }

// Err translates the error of an algorithm on h's object into the one that the
// public API documents: *mem.Corruption gets names and becomes *shm.CorruptError,
// and so does fs.ErrClosed if the memory was lost.
func Err(h *Handle, err error) error {
	if err == nil {
		return nil
	}
	c, ok := errors.AsType[*mem.Corruption](err) // allocates nothing, as errors.As would
	if why := h.use.Lost(); why != nil && (ok || errors.Is(err, fs.ErrClosed)) {
		return &shm.CorruptError{Segment: h.seg.Name(), Field: why.Field, Offset: why.Offset, Got: why.Got, Want: why.Want}
	}
	if !ok {
		return err
	}
	e := &shm.CorruptError{Field: c.Field, Offset: c.Offset, Got: c.Got, Want: c.Want}
	if h.object != nil {
		e.Object = h.object.Name
		e.Segment = h.seg.Name()
	}
	return e
}
