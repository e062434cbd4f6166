package process

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/shoal-ipc/shoal/internal/sys"
)

// A mailbox is a memory file that parent and child share: the parent writes
// the call before it starts the child, the child writes a report before it ends,
// and the parent reads that when the child has been reaped. So neither waits
// for the other, nothing has a size limit, and a child that dies while it
// writes leaves no report rather than half of one.
//
//	offset size field   writer  meaning
//	     0    8 magic   parent  "shoalbox"
//	     8   16 nonce   parent  also in the child's environment: this file is meant
//	    24    8 call    parent  bytes of the call, CBOR, at 64
//	    32    8 args    parent  bytes of the encoded argument, after the call
//	    40    8 state   child   0, or stateBegun once Main has the call
//	    48    8 report  child   bytes of the report, CBOR, which then stands at 64; stored last
//	    56    8 -
type mailbox struct {
	file  *os.File
	token [nonceSize]byte
}

const (
	boxMagic     = "shoalbox"
	boxHeader    = 64
	nonceOffset  = 8
	nonceSize    = 16
	callOffset   = 24
	argsOffset   = 32
	stateOffset  = 40
	reportOffset = 48

	stateBegun = 1
	maxReport  = 1 << 28 // a longer one is none
)

// call is what the child needs to know besides the argument.
type call struct {
	Function string
	Name     string
	Grace    time.Duration
	Files    []string // names of the *os.File inherited, in the order of their descriptors
	Visits   []int    // for each *os.File in the argument, in the order of the walk, its place in Files
	Segments [][]byte // texts of the segments inherited; their descriptors follow those of the files
}

// report is how a child says how it ended.
type report struct {
	Begun       bool         // Main was reached; not sent but found
	Returned    bool         // the function returned or panicked; else there was no report
	Interrupted bool         // it returned its ctx's error after ctx had ended
	Err         *RemoteError // what it returned otherwise, or panicked with; nil if it returned nil
}

// newMailbox returns a mailbox that holds p's call.
func newMailbox(p *parcel) (*mailbox, error) {
	head, err := cbor.Marshal(p.call)
	if err != nil {
		return nil, fmt.Errorf("encode the call: %w", err)
	}
	f, err := sys.Memfd("shoal-call")
	if err != nil {
		return nil, err
	}
	b := &mailbox{file: f}
	_, _ = rand.Read(b.token[:]) // never fails
	fixed := make([]byte, boxHeader, boxHeader+len(head))
	copy(fixed, boxMagic)
	copy(fixed[nonceOffset:], b.token[:])
	binary.LittleEndian.PutUint64(fixed[callOffset:], uint64(len(head)))
	binary.LittleEndian.PutUint64(fixed[argsOffset:], uint64(len(p.data)))
	_, err = f.WriteAt(append(fixed, head...), 0)
	if err == nil {
		_, err = f.WriteAt(p.data, boxHeader+int64(len(head)))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write the call: %w", err), f.Close())
	}
	return b, nil
}

func (b *mailbox) nonce() string { return hex.EncodeToString(b.token[:]) }

func (b *mailbox) close() error { return b.file.Close() }

// openMailbox takes the mailbox that a parent left in f, if nonce is its own.
func openMailbox(f *os.File, nonce string) (*mailbox, *parcel, error) {
	var fixed [boxHeader]byte
	if _, err := f.ReadAt(fixed[:], 0); err != nil {
		return nil, nil, fmt.Errorf("read the call: %w", err)
	}
	b := &mailbox{file: f}
	copy(b.token[:], fixed[nonceOffset:])
	if string(fixed[:len(boxMagic)]) != boxMagic || b.nonce() != nonce {
		return nil, nil, errors.New("descriptor is not the call of this child")
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("read the call: %w", err)
	}
	calls := binary.LittleEndian.Uint64(fixed[callOffset:])
	args := binary.LittleEndian.Uint64(fixed[argsOffset:])
	size := uint64(info.Size())
	if calls > size || args > size-calls || calls+args+boxHeader != size {
		return nil, nil, fmt.Errorf("call of %d and %d bytes in a file of %d", calls, args, size)
	}
	body := make([]byte, calls+args)
	if _, err := f.ReadAt(body, boxHeader); err != nil {
		return nil, nil, fmt.Errorf("read the call: %w", err)
	}
	p := &parcel{data: body[calls:]}
	if err := cbor.Unmarshal(body[:calls], &p.call); err != nil {
		return nil, nil, fmt.Errorf("decode the call: %w", err)
	}
	if err := b.put(stateOffset, stateBegun); err != nil {
		return nil, nil, err
	}
	// The call has been read: its memory can go.
	return b, p, f.Truncate(boxHeader)
}

// send leaves r for the parent. Called once.
func (b *mailbox) send(r report) error {
	body, err := cbor.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	if _, err := b.file.WriteAt(body, boxHeader); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return b.put(reportOffset, uint64(len(body))) // commit; pairs with: process.mailbox.report (report)
}

func (b *mailbox) put(offset int64, x uint64) error {
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], x)
	if _, err := b.file.WriteAt(word[:], offset); err != nil {
		return fmt.Errorf("write the mailbox: %w", err)
	}
	return nil
}

// report returns what the child, which has ended, left. A child can have
// written anything here: what is no report counts as none.
func (b *mailbox) report() report {
	var fixed [boxHeader]byte
	if _, err := b.file.ReadAt(fixed[:], 0); err != nil {
		return report{}
	}
	r := report{Begun: binary.LittleEndian.Uint64(fixed[stateOffset:]) == stateBegun}
	n := binary.LittleEndian.Uint64(fixed[reportOffset:]) // pairs with: process.mailbox.report (send)
	info, err := b.file.Stat()
	if err != nil || n == 0 || n > maxReport || n != uint64(info.Size())-boxHeader {
		return r
	}
	body := make([]byte, n)
	if _, err := b.file.ReadAt(body, boxHeader); err != nil {
		return r
	}
	var got report
	if err := reportDecoder().Unmarshal(body, &got); err != nil {
		return r
	}
	got.Begun = true
	return got
}

// reportDecoder accepts texts that are no UTF-8, as Go's errors may be.
func reportDecoder() cbor.DecMode {
	mode, err := cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid, MaxArrayElements: 1 << 20}.DecMode()
	if err != nil {
		panic(err) // the options are constant
	}
	return mode
}
