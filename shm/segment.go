package shm

import "github.com/shoal-ipc/shoal/internal/object"

// Segment is a process's use of a segment.
type Segment struct{ _ object.Use }

// Name returns the name.
func (s *Segment) Name() string { panic("soon") }

// MarshalText returns a text by which another process opens the segment.
func (s *Segment) MarshalText() ([]byte, error) { panic("soon") }

// UnmarshalText opens the segment that text names.
func (s *Segment) UnmarshalText(text []byte) error { panic("soon") }
