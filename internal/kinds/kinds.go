// Package kinds lists every kind of object, so that whoever opens a segment can
// repair, check and describe each object in it, used or not.
package kinds

import (
	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// ByID returns the kind with that number, or nil.
func ByID(id uint32) *object.Kind {
	switch id {
	case cell.ValueID:
		return cell.Kind()
	case cell.AtomicID:
		return cell.AtomicKind()
	case 5:
		return robust.Kind()
	}
	return nil
}
