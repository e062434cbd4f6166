package duplex

import (
	"context"
	"encoding/binary"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Send sends b, which is encoded in that form, as one message. It waits for room.
// It fails with ErrTooLarge, ctx.Err(), os.ErrDeadlineExceeded, io.ErrClosedPipe if
// nobody can receive it, fs.ErrClosed or a *mem.Corruption; then nobody receives
// it. If the process dies inside, it is received or not. The caller has pinned the
// mapping.
func (e *End) Send(ctx context.Context, d *Deadline, form uint8, b []byte) error {
	if err := interrupted(ctx, d); err != nil {
		return err
	}
	if e.use.Closed() {
		return fs.ErrClosed
	}
	if uint64(len(b)) > e.core.most {
		return ErrTooLarge
	}
	ok, err := e.out.tryEnter()
	if ok {
		ok, err = e.sendWhole(form, b)
		e.out.lock.Drop()
		ring(e.out.other)
	}
	switch {
	case err != nil:
		return err
	case ok:
		return nil
	}
	return e.sendSlow(ctx, d.Done(), form, b)
}

// sendWhole sends b if there is room for all of it, and reports whether it did.
// The caller has pen. Segment.Close waits as in writeSome.
func (e *End) sendWhole(form uint8, b []byte) (bool, error) {
	if !e.use.BeginTaking() {
		return false, fs.ErrClosed
	}
	defer e.use.EndTaking()
	if err := e.mayWrite(); err != nil {
		return false, err
	}
	if e.out.way.open.Load() != 0 {
		if err := e.retract(); err != nil {
			return false, err
		}
	}
	f := newFrame(whole, form, len(b))
	pos, room, err := e.space(f.size())
	if err != nil || room < f.size() {
		return false, err
	}
	e.putFrame(pos, f, b)
	err = e.publishMine(pos, f.size())
	return err == nil, err
}

func (e *End) putFrame(pos uint64, f frame, b []byte) {
	ring, i := e.out.ring, pos&e.out.mask
	if uint64(len(ring)) >= i+frameSize+uint64(len(b)) {
		satomic.Step()
		binary.LittleEndian.PutUint64(ring[i:], uint64(f))
		copy(ring[i+frameSize:], b)
		satomic.Step()
		return
	}
	head := f.bytes()
	e.out.put(pos, head[:])
	if len(b) > 0 {
		e.out.put(pos+frameSize, b)
	}
}

// retract takes the message back that is there in part: it is of nobody who is
// sending now. The caller has pen.
func (e *End) retract() error {
	pos, room, err := e.space(frameSize)
	if err == nil && room < frameSize {
		err = mem.Corrupt("pipe.open", wayAt(e.which)+offsetOpen, "no room to take a message back", "room left for that")
	}
	if err != nil {
		return err
	}
	e.putFrame(pos, newFrame(void, 0, 0), nil)
	e.publish(pos, frameSize)
	e.out.way.open.Store(0)
	return nil
}

func (e *End) sendSlow(ctx context.Context, over <-chan struct{}, form uint8, b []byte) error {
	if err := e.enter(ctx, over, e.out.line); err != nil {
		return err
	}
	defer e.out.line.leave()
	if size := newFrame(whole, form, len(b)).size(); size > e.core.limit {
		s := stream{form: form, rest: b}
		err := e.repeat(ctx, over, func() (uint64, error) { return e.streamSome(&s) })
		if err != nil && s.begun {
			e.takeBack(s.tenure)
		}
		return err
	}
	return e.repeat(ctx, over, func() (uint64, error) {
		ok, err := e.sendWhole(form, b)
		if ok {
			return 0, err
		}
		return newFrame(whole, form, len(b)).size(), err
	})
}

// repeat calls try, with pen, until it does not want more room than there is.
func (e *End) repeat(ctx context.Context, over <-chan struct{}, try func() (need uint64, err error)) error {
	for {
		if err := e.lock(ctx, over, &e.out); err != nil {
			return err
		}
		need, err := try()
		e.out.lock.Drop()
		ring(e.out.other)
		if err != nil {
			return err
		}
		if need == 0 {
			return nil
		}
		if err := e.awaitRoom(ctx, over, need); err != nil {
			return err
		}
	}
}

// stream is a message that is sent in parts, because the ring cannot hold it.
type stream struct {
	form   uint8
	rest   []byte
	begun  bool
	tenure uint64 // of the end when it began
}

// streamSome sends parts of s while there is room for them, and returns how much
// room it needs to go on; 0 if all is sent. The caller has pen. Segment.Close waits
// as in writeSome, but not for the parts that there is no room for yet.
func (e *End) streamSome(s *stream) (need uint64, err error) {
	if !e.use.BeginTaking() {
		return 0, fs.ErrClosed
	}
	defer e.use.EndTaking()
	if err := e.mayWrite(); err != nil {
		return 0, err
	}
	if !s.begun {
		if need, err := e.beginStream(s); need != 0 || err != nil {
			return need, err
		}
	}
	if title(e.owner.Load()).tenure() != s.tenure || e.out.way.open.Load() == 0 {
		return 0, errMoved // and come back; who had the end meanwhile has taken the message back
	}
	const frames = 2 * frameSize // the part's, and a void
	for {
		want := min(frames+padded(uint64(len(s.rest))), e.core.limit/2)
		pos, room, err := e.space(want)
		if err != nil || room < want {
			return want, err
		}
		n := min(uint64(len(s.rest)), (room-frames)&^7)
		f := newFrame(part, 0, int(n))
		e.putFrame(pos, f, s.rest[:n])
		if err := e.publishMine(pos, f.size()); err != nil {
			return 0, err
		}
		s.rest = s.rest[n:]
		if len(s.rest) == 0 {
			e.out.way.open.Store(0)
			return 0, nil
		}
		ring(e.out.other)
	}
}

// beginStream announces s; it returns how much room it needs for that, or 0.
func (e *End) beginStream(s *stream) (need uint64, err error) {
	if e.out.way.open.Load() != 0 {
		if err := e.retract(); err != nil {
			return 0, err
		}
	}
	pos, room, err := e.space(2 * frameSize)
	if err != nil || room < 2*frameSize {
		return 2 * frameSize, err
	}
	e.out.way.open.Store(1)
	e.putFrame(pos, newFrame(begin, s.form, len(s.rest)), nil)
	if err := e.publishMine(pos, frameSize); err != nil {
		return 0, err // and open stays: who comes next puts a void there
	}
	s.begun, s.tenure = true, title(e.owner.Load()).tenure()
	return 0, nil
}

// takeBack takes a message back whose sending has failed half way. If it cannot
// be done at once, the next one who sends or closes does it.
func (e *End) takeBack(tenure uint64) {
	if e.out.lock.LockUnless(context.Background(), func() bool { return true }) != nil {
		return
	}
	t := title(e.owner.Load())
	if t.heldBy(e.slot) && t.tenure() == tenure && e.out.way.open.Load() != 0 {
		_ = e.retract() // what is corrupt the next one finds too
	}
	e.out.lock.Drop()
	ring(e.out.other)
}
