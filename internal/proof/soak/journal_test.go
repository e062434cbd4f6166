//go:build linux

package soak

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Each hand of a child that puts or gets writes down what it does in a file of
// its own, in records that are there when the process is dead.

// record is a line of such a file.
type record struct {
	What    byte
	Attempt byte
	Stream  uint32
	Seq     uint32
	Time    int64
}

const recordSize = 24

// What a record says. Only failed and settled things are known for sure: what
// began last may have come to its end when its process died.
const (
	putBegins = 'b'
	putDone   = 'a'
	putFails  = 'x' // the message is not in the queue
	takeBegin = 's' // a call that may take up to Seq messages, for good if Attempt is 0
	takeEnd   = 'e'
	got       = 'g'
	received  = 'r'
	ackBegins = 'k'
	ackDone   = 'K'
	givesBack = 'n'
)

// Those who write journals.
const (
	producer = "producer"
	consumer = "consumer"
)

// journal is such a file.
type journal struct{ f *os.File }

// openJournal opens the journal of the so-manieth producer or consumer of a queue.
func openJournal(dir, role string, stream uint32) (journal, error) {
	f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%s-%d", role, stream)), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return journal{f}, err
}

func (j journal) write(what byte, attempt int, stream, seq uint32) {
	var b [recordSize]byte
	b[0], b[1] = what, byte(attempt)
	binary.LittleEndian.PutUint32(b[4:], stream)
	binary.LittleEndian.PutUint32(b[8:], seq)
	binary.LittleEndian.PutUint64(b[16:], uint64(time.Now().UnixNano()))
	if _, err := j.f.Write(b[:]); err != nil {
		panic(err)
	}
}

func parseJournal(b []byte) []record {
	list := make([]record, 0, len(b)/recordSize)
	for ; len(b) >= recordSize; b = b[recordSize:] {
		list = append(list, record{
			What: b[0], Attempt: b[1], Stream: binary.LittleEndian.Uint32(b[4:]), Seq: binary.LittleEndian.Uint32(b[8:]),
			Time: int64(binary.LittleEndian.Uint64(b[16:])),
		})
	}
	return list
}
