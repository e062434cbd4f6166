package duplex

import "github.com/shoal-ipc/shoal/internal/object"

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
