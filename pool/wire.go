package pool

import (
	"encoding/binary"
	"errors"
	"time"
)

// What goes to a worker is a task message: a header, the encoded elements of a
// chunk, and the texts of the segments that they refer to.
//
//	offset size
//	     0    8 chunk
//	     8    8 function
//	    16    4 first     element to begin with: those before it have ended
//	    20    4 count     elements
//	    24    8 deadline  of the tasks' ctx, nanoseconds since 1970; 0: none
//	    32    4 flags
//	    36    4 segments  how many texts follow the elements
//	    40    8 size      bytes of the elements
//
// An element of fixed layout is its bytes; of any other, its encoding comes after
// the length of that, in 4 bytes. A chunk that is too long for one message is sent in
// pieces (flagPiece: header and part of what follows it), and then its header.
type task struct {
	chunk    uint64
	function uint64
	first    uint32
	count    uint32
	deadline int64
	flags    uint32
	segments uint32
	size     uint64
}

const taskHeader = 48

// Flags of a task message.
const (
	flagPiece  = 1 << iota // a piece of what belongs to the task that follows
	flagPieces             // what belongs to the task came in pieces before it
	flagStop               // after an error the rest of the chunk is not run
)

func (t *task) put(b []byte) {
	le := binary.LittleEndian
	le.PutUint64(b[0:], t.chunk)
	le.PutUint64(b[8:], t.function)
	le.PutUint32(b[16:], t.first)
	le.PutUint32(b[20:], t.count)
	le.PutUint64(b[24:], uint64(t.deadline))
	le.PutUint32(b[32:], t.flags)
	le.PutUint32(b[36:], t.segments)
	le.PutUint64(b[40:], t.size)
}

func parseTask(b []byte) (t task, body []byte, ok bool) {
	if len(b) < taskHeader {
		return t, nil, false
	}
	le := binary.LittleEndian
	t = task{
		chunk: le.Uint64(b[0:]), function: le.Uint64(b[8:]), first: le.Uint32(b[16:]), count: le.Uint32(b[20:]),
		deadline: int64(le.Uint64(b[24:])), flags: le.Uint32(b[32:]), segments: le.Uint32(b[36:]), size: le.Uint64(b[40:]),
	}
	return t, b[taskHeader:], true
}

// deadlineOf returns the time that t's deadline is, and whether it has one.
func (t *task) deadlineOf() (time.Time, bool) {
	return time.Unix(0, t.deadline), t.deadline != 0
}

// What comes from a worker is a result message: a header, and the encoded
// results of elements that follow each other in a chunk, as in a task message; or
// the CBOR of a *process.RemoteError.
//
//	offset size
//	     0    8 chunk
//	     8    4 worker
//	    12    4 flags
//	    16    4 first
//	    20    4 count   elements
//	    24    8 spent   nanoseconds they took; 0: not known
type result struct {
	chunk  uint64
	worker uint32
	flags  uint32
	first  uint32
	count  uint32
	spent  uint64
}

const resultHeader = 32

// Flags of a result message.
const (
	flagFailed  = 1 << iota // the one element failed
	flagDropped             // the elements were not begun, because of an error or a cancellation before
	flagMore                // only a piece of what belongs to the result; more follows from this worker
	flagHello               // no result: the worker is ready
	flagEnd                 // no result, and not from the worker: it has ended, and its death was repaired
	flagNudge               // nothing: it makes the collector look up
)

func (r *result) put(b []byte) {
	le := binary.LittleEndian
	le.PutUint64(b[0:], r.chunk)
	le.PutUint32(b[8:], r.worker)
	le.PutUint32(b[12:], r.flags)
	le.PutUint32(b[16:], r.first)
	le.PutUint32(b[20:], r.count)
	le.PutUint64(b[24:], r.spent)
}

func parseResult(b []byte) (r result, body []byte, ok bool) {
	if len(b) < resultHeader {
		return r, nil, false
	}
	le := binary.LittleEndian
	r = result{
		chunk: le.Uint64(b[0:]), worker: le.Uint32(b[8:]), flags: le.Uint32(b[12:]),
		first: le.Uint32(b[16:]), count: le.Uint32(b[20:]), spent: le.Uint64(b[24:]),
	}
	return r, b[resultHeader:], true
}

var errShort = errors.New("pool: a message ends too early")

// elements cuts encoded elements apart; size is that of each, or -1 if each has
// its length before it.
type elements struct {
	rest []byte
	size int
}

func (e *elements) next() ([]byte, error) {
	n := e.size
	if n < 0 {
		if len(e.rest) < lengthSize {
			return nil, errShort
		}
		n = int(binary.LittleEndian.Uint32(e.rest))
		e.rest = e.rest[lengthSize:]
	}
	if n > len(e.rest) {
		return nil, errShort
	}
	x := e.rest[:n:n]
	e.rest = e.rest[n:]
	return x, nil
}

// lengthSize is the size of the length before an element.
const lengthSize = 4

// mostElement is the length of the longest element.
const mostElement uint64 = 1<<32 - 1

// progress packs how far a worker has come in a chunk: so many elements are
// done; of these, those from start on have their results in so many bytes of the
// worker's area, on top of what it has sent. One word, so that it changes at once.
type progress uint64

// mostCount is the largest number of elements in a chunk.
const mostCount = 1<<15 - 1

func packProgress(done, start, size int) progress {
	return progress(done)<<48 | progress(start)<<32 | progress(uint32(size))
}

func (p progress) done() int  { return int(p >> 48) }
func (p progress) start() int { return int(p >> 32 & 0xffff) }
func (p progress) size() int  { return int(uint32(p)) }

// Words of a worker in the array of all progress, which has a cache line for each.
const (
	wordChunk      = iota // the chunk that the worker has begun
	wordProgress          // in it
	wordRested            // the chunk that it gave up between two tasks, in order to end
	wordsPerWorker = 8
)

// A stop word tells a worker which chunk to give up.
const stopHard = 1 // end also the task that runs; else only begin no more
