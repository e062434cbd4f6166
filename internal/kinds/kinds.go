// Package kinds lists every kind of object, so that whoever opens a segment can
// repair, check and describe each object in it, used or not.
package kinds

import (
	"github.com/shoal-ipc/shoal/internal/barrier"
	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/condition"
	"github.com/shoal-ipc/shoal/internal/duplex"
	"github.com/shoal-ipc/shoal/internal/event"
	"github.com/shoal-ipc/shoal/internal/hashmap"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/permit"
	"github.com/shoal-ipc/shoal/internal/ring"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/rw"
	"github.com/shoal-ipc/shoal/internal/table"
	"github.com/shoal-ipc/shoal/internal/vector"
)

// all has the kinds at their numbers, which are part of the layout and never
// used again for another kind.
//
//nolint:gochecknoglobals // a constant table
var all = [...]*object.Kind{
	1:  cell.Kind(),
	2:  cell.AtomicKind(),
	3:  vector.Kind(),
	4:  vector.AtomicKind(),
	5:  robust.Kind(),
	6:  rw.Kind(),
	7:  table.Kind(),
	8:  condition.Kind(),
	9:  event.Kind(),
	10: barrier.Kind(),
	11: permit.Kind(),
	12: ring.Kind(),
	13: duplex.Kind(),
	14: hashmap.Kind(),
}

// ByID returns the kind with that number, or nil.
func ByID(id uint32) *object.Kind {
	if id >= uint32(len(all)) {
		return nil
	}
	return all[id]
}
