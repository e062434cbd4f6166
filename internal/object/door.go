package object

import (
	"context"
	"os"

	"github.com/shoal-ipc/shoal/internal/mem"
)

// Request says which object is wanted.
type Request struct {
	Name string
	Kind *Kind
	Type string // description of the element type; stored at creation
	Spec Spec   // geometry for creation, defaults filled in
	// Init fills the formatted region before anyone can see the object; may be nil.
	Init func(r mem.Region, shape Shape) error
	// Match compares a stored object with what the caller wants, and returns
	// what differs, or nil. It is called when an object is opened.
	Match func(typ string, spec Spec) *Mismatch
}

// Mismatch is the difference between a stored object and a wanted one.
type Mismatch struct{ Field, Have, Want string }

// Door is how the sibling packages of shm reach inside a *shm.Segment, which
// exports nothing of it. Package shm fills it; seg is always a *shm.Segment.
type Door struct {
	Create       func(ctx context.Context, seg any, req Request) (*Use, *Object, error)
	Open         func(ctx context.Context, seg any, req Request) (*Use, *Object, error)
	OpenOrCreate func(ctx context.Context, seg any, req Request) (*Use, *Object, error)
	// Participant returns what is known of a slot, as a shm.Participant.
	Participant func(seg any, slot uint32) any
	// Inherit says that descriptor f, which it takes over, is of the segment
	// that text (of Segment.MarshalText) names: for children.
	Inherit func(text []byte, f *os.File) error
	// AwaitRepair waits until no segment that this process has open has a
	// participant with that process id that is alive or not yet repaired.
	AwaitRepair func(ctx context.Context, pid int) error
	// AwaitRepairIn is AwaitRepair for one segment.
	AwaitRepairIn func(ctx context.Context, seg any, pid int) error
	// Depart says that this process is about to end in good order, so that its
	// end is no death where it holds nothing.
	Depart func()
	// Heap returns a new *shm.Segment on the Go heap, and one more participant
	// of the segment of another one: for tests.
	Heap     func(spec any) (any, error)
	HeapPeer func(seg any) (any, error)
	// HeapKill makes the participant that seg is die: its goroutines must not
	// use it any more. Its death is repaired before HeapKill returns.
	HeapKill func(seg any)
}

var door Door //nolint:gochecknoglobals // filled once by package shm; see docs/decisions/0001

// SetDoor is called by package shm, once.
func SetDoor(d Door) struct{} { door = d; return struct{}{} }

// Inside returns the door to package shm.
func Inside() *Door { return &door }
