package duplex

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/bits"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// KindID is the number of the kind "pipe" in the directory.
const KindID = 13

// Bounds of a Spec.
const (
	MaxBuffer  = 1 << 30
	MaxMaxSize = math.MaxInt32

	minLimit = 128 // bytes of a ring at least
	maxSlots = slotMask
)

// ErrTooLarge is returned for a message that is longer than Spec.MaxSize.
var ErrTooLarge = errors.New("pipe: message too large")

// Spec is the geometry of a pipe, in bytes.
type Spec struct{ Buffer, MaxSize int64 }

// Pack returns s as the directory stores it.
func (s Spec) Pack() object.Spec { return object.Spec{uint64(s.Buffer), uint64(s.MaxSize)} }

// Unpack returns what Pack has packed.
func Unpack(s object.Spec) Spec { return Spec{Buffer: int64(s[0]), MaxSize: int64(s[1])} }

// Validate fails with fs.ErrInvalid if there can be no such pipe.
func (s Spec) Validate() error {
	if s.Buffer < 1 || s.Buffer > MaxBuffer {
		return fmt.Errorf("pipe: a buffer of %d bytes, want 1 to %d: %w", s.Buffer, MaxBuffer, fs.ErrInvalid)
	}
	if s.MaxSize < 1 || s.MaxSize > MaxMaxSize {
		return fmt.Errorf("pipe: messages of up to %d bytes, want 1 to %d: %w", s.MaxSize, MaxMaxSize, fs.ErrInvalid)
	}
	return nil
}

// limit returns how many bytes may be under way in each direction.
func (s Spec) limit() int64 { return max(s.Buffer, minLimit) }

// capacity returns the size of a ring: a power of two, so that a position needs no
// division.
func (s Spec) capacity() int64 { return 1 << bits.Len64(uint64(s.limit()-1)) }

// Kind returns the kind of object "pipe". Its Spec[0] is the number of bytes of
// each direction, Spec[1] that of the largest message.
func Kind() *object.Kind {
	return &object.Kind{
		ID:       KindID,
		Name:     "pipe",
		Size:     size,
		Format:   func(r mem.Region, shape object.Shape) error { _, err := Attach(r, shape); return err },
		Attach:   func(r mem.Region, shape object.Shape) (object.Core, error) { return Attach(r, shape) },
		Describe: describe,
	}
}

func size(shape object.Shape) (int64, error) {
	s := Unpack(shape.Spec)
	if err := s.Validate(); err != nil {
		return 0, err
	}
	if shape.Slots < 1 || shape.Slots > maxSlots {
		return 0, fmt.Errorf("pipe: %d participant slots, want 1 to %d: %w", shape.Slots, maxSlots, fs.ErrInvalid)
	}
	return headerSize + 2*s.capacity(), nil
}

func describe(shape object.Shape) string {
	s := Unpack(shape.Spec)
	return fmt.Sprintf("buffer=%d maxsize=%d", s.Buffer, s.MaxSize)
}

// Core is a pipe in a region, as any participant sees it.
type Core struct {
	head  *header
	rings [2][]byte
	limit uint64 // bytes under way at most
	most  uint64 // bytes of a message at most
}

// Attach returns the pipe in r.
func Attach(r mem.Region, shape object.Shape) (*Core, error) {
	n, err := size(shape)
	if err != nil {
		return nil, err
	}
	if _, err := r.Sub(0, n); err != nil {
		return nil, err
	}
	head, err := mem.At[header](r, 0)
	if err != nil {
		return nil, err
	}
	s := Unpack(shape.Spec)
	c := &Core{head: head, limit: uint64(s.limit()), most: uint64(s.MaxSize)}
	for i := range c.rings {
		if c.rings[i], err = r.Bytes(headerSize+int64(i)*s.capacity(), s.capacity()); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// policy is what becomes of pen and eye when their owner dies: what it had not
// published is not there.
const policy = robust.Release

// ends names the ends for people, and in texts.
var ends = [2]string{"a", "b"} //nolint:gochecknoglobals // a constant table
