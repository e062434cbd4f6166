package duplex

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/shoal-ipc/shoal/internal/mem"
)

// Message is a message that was received, between Receive and Finish or Refuse.
type Message struct {
	Form     uint8 // as its sender gave it
	Length   int
	pos      uint64
	gathered []byte // what came in parts
	inParts  bool
}

// Receive waits for a message. Nobody else receives until Finish or Refuse, between
// which and Receive the caller does not wait. It fails with ctx.Err(),
// os.ErrDeadlineExceeded, io.EOF, io.ErrUnexpectedEOF once for a message of which
// the rest cannot come any more, fs.ErrClosed or a *mem.Corruption. The caller has
// pinned the mapping.
func (e *End) Receive(ctx context.Context, d *Deadline) (Message, error) {
	if err := interrupted(ctx, d); err != nil {
		return Message{}, err
	}
	msg, err := e.tryReceive()
	if errors.Is(err, errNothing) && e.spinForData() {
		msg, err = e.tryReceive()
	}
	if errors.Is(err, errNothing) {
		msg, err = e.receiveSlow(ctx, d.Done())
	}
	return msg, err
}

// ReceiveHere is Receive, Copy and Finish at once, for a message in that form which
// is as long as b, if there is one, or comes in a short time. It reports whether
// there was; if not, Receive says what there is instead. The caller has pinned the
// mapping.
func (e *End) ReceiveHere(ctx context.Context, d *Deadline, form uint8, b []byte) bool {
	if ctx.Err() != nil || d.Passed() {
		return false
	}
	w := e.in.way
	if w.writePos.Load() == w.readPos.Load() && !e.spinForData() {
		return false
	}
	if ok, err := e.in.tryEnter(); !ok || err != nil {
		return false
	}
	ok := e.takeWhole(newFrame(whole, form, len(b)), b)
	e.in.lock.Drop()
	if ok {
		ring(e.in.other)
	}
	return ok
}

// takeWhole takes the next message if its header is want. The caller has eye.
func (e *End) takeWhole(want frame, b []byte) bool {
	t, err := e.mayRead()
	if l := e.in.line; err != nil || l.part.open && l.part.tenure == t.tenure() {
		return false
	}
	pos, n, err := e.available(want.size())
	i := pos & e.in.mask
	if err != nil || n < want.size() || i+want.size() > uint64(len(e.in.ring)) {
		return false // also what goes round the end of the ring: that is rare
	}
	if frame(binary.LittleEndian.Uint64(e.in.ring[i:])) != want {
		return false
	}
	e.in.get(pos+frameSize, b)
	e.advance(pos, want.size())
	return true
}

func (e *End) tryReceive() (Message, error) {
	ok, err := e.in.tryEnter()
	if err != nil {
		return Message{}, err
	}
	if !ok {
		return Message{}, errNothing
	}
	msg, err := e.next()
	if err != nil {
		e.in.lock.Drop()
	}
	return msg, err
}

func (e *End) receiveSlow(ctx context.Context, over <-chan struct{}) (Message, error) {
	if err := e.enter(ctx, over, e.in.line); err != nil {
		return Message{}, err
	}
	defer e.in.line.leave()
	for {
		if err := e.lock(ctx, over, &e.in); err != nil {
			return Message{}, err
		}
		msg, err := e.next()
		if err == nil {
			return msg, nil
		}
		e.in.lock.Drop()
		if !errors.Is(err, errNothing) {
			return Message{}, err
		}
		if err := e.sleep(ctx, over, &e.in, e.readable); err != nil {
			return Message{}, err
		}
	}
}

// Copy fills b, of msg.Length bytes, with the message.
func (e *End) Copy(msg Message, b []byte) {
	if msg.inParts {
		copy(b, msg.gathered)
		return
	}
	if len(b) > 0 {
		e.in.get(msg.pos+frameSize, b)
	}
}

// Finish takes the message.
func (e *End) Finish(msg Message) {
	if msg.inParts {
		e.object.Sync.Acquire()
		e.in.line.drop()
	} else {
		e.advance(msg.pos, frameSize+padded(uint64(msg.Length)))
	}
	e.in.lock.Drop()
	ring(e.in.other)
}

// Refuse leaves the message to the next Receive.
func (e *End) Refuse() { e.in.lock.Drop() }

// drop forgets what was received in parts.
func (l *line) drop() {
	l.part = message{tenure: l.part.tenure}
	l.whole.Store(false)
}

// next returns the next message that is there as a whole, and gathers parts on its
// way. The caller has eye, and keeps it.
func (e *End) next() (Message, error) {
	t, err := e.mayRead()
	if err != nil {
		return Message{}, err
	}
	l := e.in.line
	if l.part.tenure != t.tenure() {
		l.part.tenure = t.tenure()
		l.drop() // the end was elsewhere meanwhile, and so was the rest of it
	}
	if l.whole.Load() {
		return l.gathered(), nil
	}
	for passed := uint64(0); passed <= e.core.limit; { // whoever writes on and on does not keep us here
		pos, n, err := e.remaining(frameSize)
		if errors.Is(err, io.EOF) && l.part.open {
			l.drop()
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return Message{}, err
		}
		f, err := e.header(pos, n)
		if err != nil {
			return Message{}, err
		}
		if f.kind() == whole {
			return Message{Form: f.form(), Length: int(f.length()), pos: pos}, nil
		}
		err = e.gather(pos, f)
		e.advance(pos, f.size())
		ring(e.in.other)
		if err != nil {
			return Message{}, err
		}
		if l.whole.Load() {
			return l.gathered(), nil
		}
		passed += f.size()
	}
	return Message{}, errNothing
}

// header returns the frame at pos, before n bytes, if there may be such a one.
func (e *End) header(pos, n uint64) (frame, error) {
	var head [frameSize]byte
	if n >= frameSize {
		e.in.get(pos, head[:])
	}
	f := frame(binary.LittleEndian.Uint64(head[:]))
	if err := f.check(e.core, n); err != nil {
		return 0, err
	}
	p := &e.in.line.part
	amiss := ""
	switch k := f.kind(); {
	case (k == whole || k == begin) && p.open:
		amiss = "a message"
	case k == part && p.open && f.length() > p.total-uint64(len(p.data)):
		amiss = fmt.Sprintf("%d bytes", f.length())
	default:
		return f, nil
	}
	return 0, mem.Corrupt("pipe.message", -1, amiss, fmt.Sprintf("the rest of a message, %d bytes", p.total-uint64(len(p.data))))
}

// gather adds what the frame f, at pos, has of a message.
func (e *End) gather(pos uint64, f frame) error {
	l := e.in.line
	p := &l.part
	switch f.kind() {
	case begin:
		p.open, p.skipping = true, false
		p.form, p.total = f.form(), f.length()
		p.data = make([]byte, 0, min(p.total, firstPart))
	case void:
		l.drop()
	case part:
		if !p.open {
			return p.skip()
		}
		at := len(p.data)
		p.data = append(p.data, make([]byte, f.length())...)
		e.in.get(pos+frameSize, p.data[at:])
	}
	if p.open && uint64(len(p.data)) == p.total {
		l.whole.Store(true)
	}
	return nil
}

// firstPart is for how much of a message memory is taken before it is there.
const firstPart = 1 << 20

// skip passes over a part whose beginning another process has, and reports that
// once for each message.
func (p *message) skip() error {
	if p.skipping {
		return nil
	}
	p.skipping = true
	return io.ErrUnexpectedEOF
}

// gathered returns the message that is complete.
func (l *line) gathered() Message {
	return Message{Form: l.part.form, Length: len(l.part.data), gathered: l.part.data, inParts: true}
}
