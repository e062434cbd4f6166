package pool

import (
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/internal/remote"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// reference is a segment that a task refers to.
type reference struct {
	text string
	seg  *shm.Segment
}

// borrowed is how long a message is at most that a chunk has only until it was
// submitted; longer ones are its own.
const borrowed = manyMessage

var emptyHeader [taskHeader]byte //nolint:gochecknoglobals // zeros

// load is the task message of a chunk while its elements are added.
type load[In any] struct {
	codec *codec.Codec[In]
	size  int
	buf   []byte
	count int
	refs  []reference
	walk  func(reflect.Value) error
}

func newLoad[In any](c *codec.Codec[In]) *load[In] {
	l := &load[In]{codec: c, size: sizeOf(c)}
	l.reset()
	return l
}

// reset begins a new message.
func (l *load[In]) reset() {
	if len(l.buf) > borrowed {
		l.buf = nil
	}
	l.buf = append(l.buf[:0], emptyHeader[:]...)
	l.count, l.refs, l.walk = 0, nil, nil
	if l.codec.Form() == codec.CBOR { // no other form can hold a handle
		l.walk = remote.Inside().Walk(l.refer)
	}
}

// add encodes one more element. After an error the message is as before.
func (l *load[In]) add(x In) error {
	if l.size >= 0 {
		buf, err := l.codec.Append(l.buf, x)
		if err == nil {
			l.buf = buf
			l.count++
		}
		return err
	}
	return l.addLong(x)
}

func (l *load[In]) addLong(x In) error {
	refs := len(l.refs)
	if l.walk != nil {
		y := x
		if err := l.walk(reflect.ValueOf(&y).Elem()); err != nil {
			l.refs = l.refs[:refs]
			return err
		}
	}
	start := len(l.buf)
	buf, err := l.codec.Append(append(l.buf, make([]byte, lengthSize)...), x)
	n := len(buf) - start - lengthSize
	if err == nil && uint64(n) > mostElement {
		err = fmt.Errorf("an argument of %d bytes: %w", n, queue.ErrTooLarge)
	}
	if err != nil {
		l.refs = l.refs[:refs]
		return err
	}
	binary.LittleEndian.PutUint32(buf[start:], uint32(n))
	l.buf = buf
	l.count++
	return nil
}

// refer notes that what is being added refers to seg.
func (l *load[In]) refer(seg *shm.Segment) error {
	text, err := seg.MarshalText()
	if err != nil {
		return err
	}
	for _, r := range l.refs {
		if r.text == string(text) {
			return nil
		}
	}
	l.refs = append(l.refs, reference{string(text), seg})
	return nil
}

// chunk returns the finished message as a chunk of j, whose first element is
// number base of j. When it was submitted, reset begins the next one.
func (l *load[In]) chunk(j *job, base int) *chunk {
	c := new(chunk)
	l.pack(c, j, base)
	return c
}

// pack is chunk that makes c this chunk.
func (l *load[In]) pack(c *chunk, j *job, base int) {
	t := task{
		function: j.entry.id, count: uint32(l.count), flags: j.flags,
		segments: uint32(len(l.refs)), size: uint64(len(l.buf) - taskHeader),
	}
	if d, ok := j.ctx.Deadline(); ok {
		t.deadline = d.UnixNano()
	}
	for _, r := range l.refs {
		l.buf = binary.LittleEndian.AppendUint16(l.buf, uint16(len(r.text)))
		l.buf = append(l.buf, r.text...)
	}
	t.put(l.buf)
	*c = chunk{job: j, base: base, count: l.count, payload: l.buf, refs: l.refs, culprit: -1}
}
