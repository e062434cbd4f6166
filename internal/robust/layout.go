package robust

import (
	"structs"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// WordsSize is the size in bytes of Words, and what their offset in a region is
// a multiple of.
const WordsSize = 64

// Words is a mutex in shared memory. All zero is an unlocked one. The fields
// have one line to themselves: whoever writes one writes the others rarely.
//
//	offset size field   meaning
//	0      4    w       owner, poisoned, starving, sleepers: see the package comment
//	4      4    slept   1 once anybody was about to sleep on w; never cleared
//	8      8    culprit low 32 bits slot, high 32 generation of who died holding w; 0 while not poisoned
//	16     4    deaths  how often an owner has died holding w, modulo 2^32; at least, for a repairer that dies counts twice
//	20     4    -       zero
//	24     8    rounds  how often the turns in w, see allot.go, have come half way round; 0 in a mutex that is never given back
//	32     32   -       zero
type Words struct {
	_       structs.HostLayout
	w       satomic.Uint32
	slept   satomic.Uint32
	culprit satomic.Uint64
	deaths  satomic.Uint32
	_       [4]byte
	rounds  satomic.Uint64
	_       [32]byte
}

var (
	_ = [1]struct{}{}[unsafe.Sizeof(Words{})-WordsSize]
	_ = [1]struct{}{}[unsafe.Offsetof(Words{}.w)-0]
	_ = [1]struct{}{}[unsafe.Offsetof(Words{}.slept)-4]
	_ = [1]struct{}{}[unsafe.Offsetof(Words{}.culprit)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(Words{}.rounds)-offsetRounds]
)

// Bits of Words.w.
const (
	ownerMask = 1<<12 - 1
	poisoned  = 1 << 29
	starving  = 1 << 30
	sleepers  = 1 << 31
	reserved  = ^uint32(ownerMask | poisoned | starving | sleepers)
)

// Where fields lie in Words, for error messages.
const (
	offsetCulprit = 8
	offsetRounds  = 24
)

// packCulprit returns the value of Words.culprit for a participant.
func packCulprit(slot, generation uint32) uint64 { return uint64(generation)<<32 | uint64(slot) }

// unpackCulprit returns the participant that Words.culprit names.
func unpackCulprit(c uint64) (slot, generation uint32) { return uint32(c), uint32(c >> 32) }
