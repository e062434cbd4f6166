// Package remote is how package pool reaches what package process knows of
// errors that travel, and of arguments that hold handles, without either being
// part of process's surface.
package remote

import (
	"reflect"

	"github.com/shoal-ipc/shoal/shm"
)

// Door is filled by package process. The errors are *process.RemoteError.
type Door struct {
	// Describe makes err, which happened here, an error for another process.
	Describe func(err error, source string) error
	// DescribePanic is Describe for the value of a panic; nil means
	// runtime.Goexit. It is called where the panic is recovered.
	DescribePanic func(value any) error
	// Source describes a registered function as a stack does.
	Source func(name string, f any) string
	// Walk returns a function that goes through values as an encoder does: it
	// tells visit of the segments that they refer to, and fails if something in
	// them would not arrive. It is for one goroutine.
	Walk func(visit func(*shm.Segment) error) func(reflect.Value) error
}

var door Door //nolint:gochecknoglobals // filled once by package process; see docs/decisions/0001

// SetDoor is called by package process, once.
func SetDoor(d Door) struct{} { door = d; return struct{}{} }

// Inside returns the door to package process.
func Inside() *Door { return &door }
