package shm

import (
	"structs"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// A segment is laid out as
//
//	header | participants | deaths | directory | users | heap
//
// Everything up to the heap has its place computed from two numbers of the
// header (slots and entries), which are checked against the stored places. The
// heap holds the extents of the objects; its free space is what no entry of the
// directory names.
const (
	layoutVersion = 1
	magic         = 0x4745534c414f4853 // "SHOALSEG", little-endian
	byteOrder     = 0x01020304
	readyMark     = 0x59444145524c4853 // stored last

	headerSize      = 4096
	participantSize = 256
	deathSize       = 640
	entrySize       = 192
	extentAlign     = mem.CacheLine

	maxSlots     = 4095 // 12 bits in lock words
	maxEntries   = 1024
	deathRecords = 64
	deathHolds   = 8
	nameMax      = 128
	objectMax    = 64
	exeMax       = 80
	boardWords   = 16
)

// Backends, as stored in header.backend.
const (
	backendNamed     = 1
	backendAnonymous = 2
	backendHeap      = 3
)

// States of a segment, as stored in header.state.
const (
	stateLive    = 0
	stateRemoved = 1 // its name is gone, or about to go: an opener that finds it starts again
)

// header is the first page of a segment.
//
//	offset size field meaning
//	0 8 magic "SHOALSEG"
//	8 4 version layout version; another one is refused
//	12 4 order 0x01020304 in the creator's byte order
//	16 8 ready stored last; the segment is complete
//	24 4 state 0 live, 1 removed; commit word of remove
//	28 4 backend 1 named, 2 anonymous, 3 heap (tests)
//	32 4 slots participants that fit
//	36 4 entries objects that fit
//	40 8 size bytes committed; commit word of grow
//	48 8 maxSize bytes the segment may grow to
//	56 8 heapOff where the heap begins
//	64 8 fresh heap bytes from here to size were never used and are zero
//	72 4 lifetime 1 LastUser, 2 Owner, 3 Persistent
//	76 4 ownerSlot participant slot of the creator
//	80 4 ownerGeneration and its generation
//	84 4 creatorPID process id of the creator
//	88 4 creatorUID its user
//	92 4 pad -
//	96 8 created unix nanoseconds
//	104 8 specHash hash of slots, entries, maxSize, lifetime and backend
//	112 16 id random identity
//	128 40 bootID boot in which the segment was made
//	168 128 name name, zero-padded
//	296 88 pad2 -
//	384 4 control futex word: changes at attach, detach, repair and removal of objects
//	388 4 deathSeq futex word: changes after each repaired death
//	392 8 deaths number of the last death that is told to others
//	400 4 high highest slot ever taken
//	404 4 touched entries, from the first, that were ever used
//	408 3688 pad3 -
type header struct {
	_               structs.HostLayout
	magic           satomic.Uint64
	version         satomic.Uint32
	order           satomic.Uint32
	ready           satomic.Uint64
	state           satomic.Uint32
	backend         satomic.Uint32
	slots           satomic.Uint32
	entries         satomic.Uint32
	size            satomic.Uint64
	maxSize         satomic.Uint64
	heapOff         satomic.Uint64
	fresh           satomic.Uint64
	lifetime        satomic.Uint32
	ownerSlot       satomic.Uint32
	ownerGeneration satomic.Uint32
	creatorPID      satomic.Uint32
	creatorUID      satomic.Uint32
	pad             uint32
	created         satomic.Uint64
	specHash        satomic.Uint64
	id              [16]byte
	bootID          [40]byte
	name            [nameMax]byte
	pad2            [88]byte
	control         satomic.Uint32
	deathSeq        satomic.Uint32
	deaths          satomic.Uint64
	high            satomic.Uint32
	touched         satomic.Uint32
	pad3            [3688]byte
}

// participant is the slot of one attached process.
//
//	offset size field meaning
//	0 4 word futex word: 0 free, thread id | 1<<31 alive, 1<<30 set: its process ended; commit word of attach
//	4 4 generation counts the participants that had this slot
//	8 4 left 1: closed the segment, but its process goes on
//	12 4 phase 1: objects were repaired, but its process may still be in system calls
//	16 8 recorded place of its death record plus 1; 0 none yet
//	24 4 pid process id, in its own pid namespace
//	28 4 uid user
//	32 8 namespace inode of its pid namespace
//	40 8 start start time of the process, in clock ticks since boot
//	48 8 attached unix nanoseconds
//	56 80 exe base name of the executable, zero-padded
//	136 64 board what its goroutines sleep on: directory index plus 1
//	200 4 fenced 1: membarrier reaches its process
//	204 52 pad -
type participant struct {
	_          structs.HostLayout
	word       satomic.Uint32
	generation satomic.Uint32
	left       satomic.Uint32
	phase      satomic.Uint32
	recorded   satomic.Uint64
	pid        satomic.Uint32
	uid        satomic.Uint32
	namespace  satomic.Uint64
	start      satomic.Uint64
	attached   satomic.Uint64
	exe        [exeMax / 8]satomic.Uint64
	board      [boardWords]satomic.Uint32
	fenced     satomic.Uint32
	pad        [52]byte
}

// death is one record of the ring of deaths.
//
//	offset size field meaning
//	0 8 filled generation<<32 | slot of the dead, once what it held is written
//	8 8 done number of this death, from 1, once it is repaired; commit word
//	16 4 slot its slot
//	20 4 pid as in participant
//	24 4 uid as in participant
//	28 4 holds how many holds follow
//	32 8 attached as in participant
//	40 8 time unix nanoseconds of the repair's beginning
//	48 16 exe first bytes of the executable's name
//	64 576 held eight times {name of the object 64, what is held 4, count 4}
type death struct {
	_        structs.HostLayout
	filled   satomic.Uint64
	done     satomic.Uint64
	slot     satomic.Uint32
	pid      satomic.Uint32
	uid      satomic.Uint32
	holds    satomic.Uint32
	attached satomic.Uint64
	time     satomic.Uint64
	exe      [2]satomic.Uint64
	held     [deathHolds]deathHold
}

// deathHold is one thing that a dead participant held.
//
//	offset size field meaning
//	0 64 name name of the object, zero-padded
//	64 4 what what was held: 1 lock, 2 permit, and so on in the order of whats; 0 other
//	68 4 count how many
type deathHold struct {
	_     structs.HostLayout
	name  [objectMax / 8]satomic.Uint64
	what  satomic.Uint32
	count satomic.Uint32
}

// States of an entry, the low byte of entry.state; the high half is its generation.
const (
	entryFree    = 0
	entryLive    = 1
	entryRemoved = 2 // the name is gone; some process still has the object open
)

// entry is one place of the directory. The extent that it names begins with the
// text of the element type; the object's region follows at the next multiple of 128.
//
//	offset size field meaning
//	0 8 state generation<<32 | 0 free, 1 live, 2 removed; commit word of create, remove and reclaim
//	8 4 kind kind of object, see internal/kinds
//	12 4 typeLen bytes of the type's text
//	16 8 off extent: where it begins
//	24 8 size extent: bytes
//	32 48 spec geometry, six numbers of the kind
//	80 8 created unix nanoseconds
//	88 4 creator process id
//	92 4 nameLen bytes of the name
//	96 64 name name, zero-padded
//	160 32 pad -
type entry struct {
	_       structs.HostLayout
	state   satomic.Uint64
	kind    satomic.Uint32
	typeLen satomic.Uint32
	off     satomic.Uint64
	size    satomic.Uint64
	spec    [object.SpecWords]satomic.Uint64
	created satomic.Uint64
	creator satomic.Uint32
	nameLen satomic.Uint32
	name    [objectMax / 8]satomic.Uint64
	pad     [32]byte
}

var (
	_ = [1]struct{}{}[unsafe.Sizeof(header{})-headerSize]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.control)-384]
	_ = [1]struct{}{}[unsafe.Sizeof(participant{})-participantSize]
	_ = [1]struct{}{}[unsafe.Offsetof(participant{}.board)-136]
	_ = [1]struct{}{}[unsafe.Offsetof(participant{}.fenced)-200]
	_ = [1]struct{}{}[unsafe.Sizeof(death{})-deathSize]
	_ = [1]struct{}{}[unsafe.Sizeof(entry{})-entrySize]
	_ = [1]struct{}{}[unsafe.Offsetof(entry{}.name)-96]
)

// geometry is where the parts of a segment lie.
type geometry struct {
	slots, entries int64
	deathsOff      int64
	entriesOff     int64
	usersOff       int64
	userWords      int64 // of 64 bits, for each entry
	heapOff        int64
}

const participantsOff = headerSize

func newGeometry(slots, entries int64) geometry {
	g := geometry{slots: slots, entries: entries}
	g.deathsOff = participantsOff + slots*participantSize
	g.entriesOff = g.deathsOff + deathRecords*deathSize
	g.usersOff = g.entriesOff + entries*entrySize
	g.userWords = (slots + 64) / 64 // bits 0 to slots
	g.heapOff = mem.Align(g.usersOff+g.entries*g.userWords*8, 4096)
	return g
}
