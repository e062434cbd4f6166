package pipe

import (
	"github.com/shoal-ipc/shoal/internal/duplex"
	"github.com/shoal-ipc/shoal/internal/object"
)

// Spec is the geometry of a pipe. A zero field means the default.
type Spec struct {
	// Buffer is the number of bytes that may be on their way in each direction;
	// default 64 KiB. Less than 128 counts as 128. A message takes 8 bytes more
	// than its encoding, rounded up to a multiple of 8.
	Buffer int
	// MaxSize is the number of bytes of the largest encoded message; default 16 MiB.
	// It may be more than Buffer: such a message passes in parts.
	MaxSize int
}

const (
	defaultBuffer  = 64 << 10
	defaultMaxSize = 16 << 20
)

// geometry returns the stored form of s, defaults filled in.
func (s Spec) geometry() (duplex.Spec, error) {
	g := duplex.Spec{Buffer: int64(s.Buffer), MaxSize: int64(s.MaxSize)}
	if g.Buffer == 0 {
		g.Buffer = defaultBuffer
	}
	if g.MaxSize == 0 {
		g.MaxSize = defaultMaxSize
	}
	return g, g.Validate()
}

// request describes the pipe that is wanted.
func (s Spec) request(name string) (object.Request, error) {
	g, err := s.geometry()
	return object.Request{Name: name, Kind: duplex.Kind(), Spec: g.Pack()}, err
}

// specOf returns the Spec that is stored.
func specOf(g duplex.Spec) Spec { return Spec{Buffer: int(g.Buffer), MaxSize: int(g.MaxSize)} }
