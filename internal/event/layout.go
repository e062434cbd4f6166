package event

import (
	"structs"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// words is an event. Zeros are one whose flag is down.
//
//	offset size field meaning
//	0 8 state bit 0: the flag is up; above: how often it went up
//	8 4 bell futex word: waiters, see event
//	12 4 - zero
type words struct {
	_     structs.HostLayout
	state satomic.Uint64
	bell  satomic.Uint32
	_     [4]byte
}

const wordsSize = 16

var (
	_ = [1]struct{}{}[unsafe.Sizeof(words{})-wordsSize]
	_ = [1]struct{}{}[unsafe.Offsetof(words{}.bell)-8]
)

// Parts of words.state.
const (
	up       = 1
	oneRound = 2
)

// round returns how often the flag had gone up when state was x.
func round(x uint64) uint64 { return x / oneRound }
