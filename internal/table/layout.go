package table

import (
	"structs"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// header begins a table. The mutexes follow, a line each.
//
//	offset size field meaning
//	0 4 next the number at which the next search begins, modulo how many there are: a hint
//	4 60 - zero
type header struct {
	_    structs.HostLayout
	next satomic.Uint32
	_    [60]byte
}

const headerSize = 64

var (
	_ = [1]struct{}{}[unsafe.Sizeof(header{})-headerSize]
	_ = [1]struct{}{}[headerSize%robust.WordsSize]
)
