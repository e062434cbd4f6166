package duplex

import (
	"bytes"

	"github.com/shoal-ipc/shoal/internal/object"
)

// WriteLate writes, but asks before it publishes whether anybody sleeps.
func WriteLate(e *End, b []byte) {
	pos := e.out.way.writePos.Load()
	e.out.put(pos, b)
	late := e.out.other.Load()&awaited != 0
	e.publish(pos, uint64(len(b)))
	if late {
		ring(e.out.other)
	}
}

// WriteRudely writes without pen.
func WriteRudely(e *End, b []byte) {
	pos := e.out.way.writePos.Load()
	e.out.put(pos, b)
	e.publish(pos, uint64(len(b)))
	ring(e.out.other)
}

// WriteUntaken writes, but Segment.Close does not know of it.
func WriteUntaken(e *End, b []byte) {
	if ok, _ := e.out.tryEnter(); !ok {
		return
	}
	if e.mayWrite() == nil {
		WriteRudely(e, b)
	}
	e.out.lock.Drop()
}

// Copied reports whether b was copied into the ring as the first thing, or behind a
// header. It takes no step.
func Copied(e *End, b []byte) bool {
	return bytes.HasPrefix(e.out.ring, b) || bytes.HasPrefix(e.out.ring[frameSize:], b)
}

// TakeRudely takes an end over without pen and eye.
func TakeRudely(e *End) {
	t := title(e.owner.Load())
	e.owner.Store(uint64(t.next(e.slot, held)))
}

// LoseQuietly is Repair without waking anybody.
func LoseQuietly(c object.Core, slot uint32) {
	c.(*Core).lose(slot) //nolint:errcheck // its own kind
}

// Gather receives the parts of a message that are there, and waits for none.
func Gather(e *End) {
	if ok, _ := e.in.tryEnter(); ok {
		_, _ = e.next()
		e.in.lock.Drop()
		ring(e.in.other)
	}
}

// Gathered reports whether a message that came in parts is complete.
func Gathered(e *End) bool { return e.in.line.whole.Load() }
