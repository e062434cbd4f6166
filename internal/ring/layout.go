package ring

import (
	"structs"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/bare"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// A queue's region:
//
//	header | slots, each a slotHead and its inline bytes | asides | owner words | cells | granules
//
// The first Cap slots are the ring. Those that follow, as many as there can be
// loans at once, each belong to a loan; a message that a loan is published as
// lies in its slot only if the ring is full at that moment; an aside says when it
// is its turn. Slots are a multiple of 128 bytes apart, so that what different
// processes write at once does not share cache lines; in an SPSC queue they lie
// close together, since there it is only one process on each side.
//
// A message of up to inlineLimit bytes lies in its slot. A longer one lies in a
// block of the queue's own heap, and the slot says which: a cell, one of Cap
// pieces that are SlotSize bytes long, or else a run of granules. Each cell and
// each granule has an owner word; cells come first.

// header is the first part of a queue. All zero is an empty queue.
//
//	offset size field     meaning
//	0      8    late      high 32 bits: how often a slot became LATE; low 32: of these, how many are known to be served
//	8      4    closing   1 once the queue was shut down
//	12     4    idle      event: those who wait for the queue to be empty
//	16     4    strict    1 if somebody cannot have a fence put into other processes' threads, so that every publishing store must be one
//	20     108  -         zero
//	128    4    notEmpty  event: consumers
//	132    124  -         zero
//	256    4    notFull   event: producers
//	260    124  -         zero
//	384    4    space     event: those who wait for room in the heap
//	388    4    gatherer  participant that gathers a large block, or 0
//	392    8    -         zero
//	400    8    holes     high 32 bits: how often a place may have become free that the tip cannot reach yet; low 32: of these, how many are known to be gone
//	408    104  -         zero
//	512    8    writePos  a position that producers may start from; every one below it is claimed
//	520    4    producer  SPSC: participant that may put, or 0
//	524    4    putting   SPSC: 1 while the producer is about to put what nobody can see yet
//	528    112  -         zero
//	640    8    readPos   a position that consumers may start from; every one below it is passed
//	648    4    consumer  SPSC: participant that may get, or 0
//	652    116  -         zero
//	768    32   lent      a bit for each slot of a loan: it is lent, or has a message, so a place of the ring is spoken for
//	800    96   -         zero
type header struct {
	_        structs.HostLayout
	late     satomic.Uint64
	closing  satomic.Uint32
	idle     event
	strict   satomic.Uint32
	_        [108]byte
	notEmpty event
	_        [124]byte
	notFull  event
	_        [124]byte
	space    event
	gatherer satomic.Uint32
	_        [8]byte
	holes    satomic.Uint64
	_        [104]byte
	writePos satomic.Uint64
	producer satomic.Uint32
	putting  satomic.Uint32
	_        [112]byte
	readPos  satomic.Uint64
	consumer satomic.Uint32
	_        [116]byte
	lent     [maxLoans / 64]satomic.Uint64
	_        [96]byte
}

const headerSize = 896

// maxLoans is how many loans there can be at once, if the queue has that many slots.
const maxLoans = 256

// slotHead is the beginning of each slot of the ring.
//
//	offset size field  meaning
//	0      8    word   lap, state, attempts and owner: see word.go
//	8      4    length bytes of the message
//	12     4    block  0 if the message follows inline, else 1 + the number of its first owner word
type slotHead struct {
	_      structs.HostLayout
	word   satomic.Uint64
	length uint32
	block  uint32
}

const slotHeadSize = 16

// aside belongs to a slot of a loan.
//
//	offset size field  meaning
//	0      8    after  of a message in the slot: the position before which it is not delivered
//	8      4    ticket of such a message: it comes before those with later tickets
//	12     4    -      zero
type aside struct {
	_      structs.HostLayout
	after  satomic.Uint64
	ticket satomic.Uint32
	_      [4]byte
}

const asideSize = 16

var (
	_ = [1]struct{}{}[unsafe.Sizeof(header{})-headerSize]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.late)-bare.LateAt]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.closing)-bare.ClosingAt]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.idle)-12]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.strict)-bare.StrictAt]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.notEmpty)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.notFull)-256]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.space)-384]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.gatherer)-388]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.holes)-400]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.writePos)-bare.WritePosAt]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.producer)-bare.ProducerAt]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.putting)-bare.PuttingAt]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.readPos)-bare.ReadPosAt]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.consumer)-bare.ConsumerAt]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.lent)-bare.LentAt]
	_ = [1]struct{}{}[len(header{}.lent)-bare.LentWords]

	_ = [1]struct{}{}[unsafe.Sizeof(slotHead{})-slotHeadSize]
	_ = [1]struct{}{}[slotHeadSize-bare.MessageAt]
	_ = [1]struct{}{}[unsafe.Offsetof(slotHead{}.length)-bare.LengthAt]
	_ = [1]struct{}{}[unsafe.Offsetof(slotHead{}.block)-12]

	_ = [1]struct{}{}[unsafe.Sizeof(aside{})-asideSize]
	_ = [1]struct{}{}[unsafe.Offsetof(aside{}.after)-0]
	_ = [1]struct{}{}[unsafe.Offsetof(aside{}.ticket)-8]
)
