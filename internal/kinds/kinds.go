// Package kinds lists every kind of object, so that whoever opens a segment can
// repair, check and describe each object in it, used or not.
package kinds

import (
	"github.com/shoal-ipc/shoal/internal/cell"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/permit"
	"github.com/shoal-ipc/shoal/internal/ring"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// ByID returns the kind with that number, or nil. The numbers are part of the
// layout and never used again for another kind.
func ByID(id uint32) *object.Kind {
	switch id {
	case 1:
		return cell.Kind()
	case 2:
		return cell.AtomicKind()
	case 5:
		return robust.Kind()
	case 11:
		return permit.Kind()
	case 12:
		return ring.Kind()
	}
	return nil
}
