package duplex

import (
	"encoding/binary"
	"fmt"

	"github.com/shoal-ipc/shoal/internal/mem"
)

// A message lies in the ring as a frame: a header of 8 bytes, the bytes, and what
// is lacking to a multiple of 8. One that is too long for that is announced by a
// begin, and follows in parts; void takes it back. While a message is there in
// part, its writer leaves room for a void.
//
// The header:
//
//	bits   0..31  length  whole, part: of the bytes that follow; begin: of the message
//	bits  32..39  kind    see below
//	bits  40..47  form    how the message is encoded, as package codec numbers it; void and part: 0
//	bits  48..63  mark    says that this is a header
type frame uint64

const (
	whole = iota + 1
	begin
	part
	void
	kinds
)

const (
	frameSize = 8
	kindShift = 32
	formShift = 40
	markShift = 48
	mark      = 0x5f50
)

func newFrame(kind, form uint8, length int) frame {
	return mark<<markShift | frame(form)<<formShift | frame(kind)<<kindShift | frame(uint32(length))
}

func (f frame) length() uint64 { return uint64(uint32(f)) }
func (f frame) kind() uint8    { return uint8(f >> kindShift) }
func (f frame) form() uint8    { return uint8(f >> formShift) }

// padded returns how many bytes of a ring length bytes of a message take.
func padded(length uint64) uint64 { return (length + 7) &^ 7 }

// size returns how many bytes of the ring the frame takes.
func (f frame) size() uint64 {
	if k := f.kind(); k == whole || k == part {
		return frameSize + padded(f.length())
	}
	return frameSize
}

// check fails if no correct process writes f into the ring of c, in which avail
// bytes follow its beginning: frames appear as a whole.
func (f frame) check(c *Core, avail uint64) error {
	bad := f>>markShift != mark || f.kind() == 0 || f.kind() >= kinds || f.length() > c.most
	if bad || f.size() > avail {
		return mem.Corrupt("pipe.message", -1, fmt.Sprintf("header %#x before %d bytes", uint64(f), avail), "the beginning of a message (were bytes written where messages are received?)")
	}
	return nil
}

// bytes returns f as it lies in a ring.
func (f frame) bytes() (b [frameSize]byte) {
	binary.LittleEndian.PutUint64(b[:], uint64(f))
	return b
}
