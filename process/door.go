package process

import (
	"fmt"
	"io/fs"
	"os"
	"reflect"

	"github.com/shoal-ipc/shoal/internal/duplex"
	"github.com/shoal-ipc/shoal/internal/remote"
	"github.com/shoal-ipc/shoal/shm"
)

var _ = remote.SetDoor(remote.Door{
	Describe:      func(err error, source string) error { return describe(err, source) },
	DescribePanic: func(value any) error { return panicked(value) },
	Source:        sourceOf,
	Walk: func(visit func(*shm.Segment) error) func(reflect.Value) error {
		w := &walk{visitor: segmentsOnly(visit)}
		return w.visit
	},
})

// segmentsOnly is the visitor of what goes to a process that runs already:
// segments can be passed to it, files cannot.
type segmentsOnly func(*shm.Segment) error

func (segmentsOnly) file(*os.File) (*os.File, error) {
	return nil, fmt.Errorf("an *os.File travels only to a child that is started with it: %w", fs.ErrInvalid)
}

func (visit segmentsOnly) segment(seg *shm.Segment) error { return visit(seg) }

// end has nothing to do: whoever decodes an end of a pipe takes it over.
func (segmentsOnly) end(*duplex.End) {}
