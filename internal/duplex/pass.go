package duplex

import (
	"context"
	"io/fs"
	"runtime"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
)

// Take makes the end this process's, whoever has it now: what that one is doing
// with it fails. It waits until nobody is in the middle of a step. It fails with
// ctx.Err(), fs.ErrClosed, also if the end was closed or lost, or a
// *mem.Corruption. If the process dies inside, the end is another's as before, or
// lost.
func (e *End) Take(ctx context.Context) error {
	m := e.use.Pin()
	if m == nil {
		return fs.ErrClosed
	}
	defer object.Unpin(m)
	if err := e.out.lock.Lock(ctx); err != nil {
		return err
	}
	defer e.out.lock.Drop()
	if err := e.in.lock.Lock(ctx); err != nil {
		return err
	}
	defer e.in.lock.Drop()
	if err := e.take(); err != nil {
		return err
	}
	if e.use.Closed() { // perhaps before it was taken
		e.core.lose(e.slot)
		return fs.ErrClosed
	}
	return nil
}

// take is Take for who has pen and eye.
func (e *End) take() error {
	for {
		x := e.owner.Load()
		t := title(x)
		switch {
		case t.over(), t.state() >= states:
			return e.refusal(t)
		case t.heldBy(e.slot):
			return nil
		}
		if e.owner.CompareAndSwap(x, uint64(t.next(e.slot, held))) { // commit; pairs with: duplex.owner (mayWrite)
			break
		}
	}
	e.in.line.part = message{} // of an earlier time: the rest of it went elsewhere
	e.in.line.whole.Store(false)
	defer e.ringAll() // those who had it
	if e.out.way.open.Load() != 0 {
		return e.retract()
	}
	return nil
}

// ringAll makes those look who sleep on either side of the end, in any process.
func (e *End) ringAll() {
	for _, s := range []*side{&e.out, &e.in} {
		ring(s.bell)
		ring(s.other)
	}
}

// Nudge makes those of this end look who sleep: a deadline has passed.
func (e *End) Nudge() {
	m := e.use.Pin()
	if m == nil {
		return
	}
	ring(e.out.bell)
	ring(e.in.bell)
	object.Unpin(m)
	runtime.KeepAlive(e)
}

var endOf func(x any) *End //nolint:gochecknoglobals // filled once by package pipe

// SetEndOf is called by package pipe, once: f returns the End of a *pipe.Conn.
func SetEndOf(f func(x any) *End) struct{} { endOf = f; return struct{}{} }

// EndOf returns the End of x if it is a *pipe.Conn, else nil.
func EndOf(x any) *End {
	if endOf == nil {
		return nil
	}
	return endOf(x)
}

// Ticket says in whose hands an end was at some time.
type Ticket uint64

// Ticket returns whose the end is now; 0 if it is not this process's to give away.
func (e *End) Ticket() Ticket {
	m := e.use.Pin()
	if m == nil {
		return 0
	}
	defer object.Unpin(m)
	t := title(e.owner.Load())
	if !t.from(e.slot) {
		return 0
	}
	return Ticket(t &^ halfBit)
}

// Give says that the end is on its way to a child, so that this process does not
// use it any more, unless somebody has taken it since the ticket was made. The
// result is a ticket for Abandon, 0 if it was taken.
func (e *End) Give(since Ticket) Ticket {
	m := e.use.Pin()
	if m == nil || since == 0 {
		return 0
	}
	defer object.Unpin(m)
	for {
		x := e.owner.Load()
		t := title(x)
		if Ticket(t&^halfBit) != since && (t.state() != given || t.slot() != e.slot) {
			return 0
		}
		next := t.next(e.slot, given)
		if e.owner.CompareAndSwap(x, uint64(next)) { // commit; pairs with: duplex.owner (mayWrite)
			e.ringAll()
			return Ticket(next &^ halfBit)
		}
	}
}

// Abandon says that the child will not take the end: it is lost, unless somebody
// else has it by now.
func (e *End) Abandon(ticket Ticket) {
	m := e.use.Pin()
	if m == nil || ticket == 0 {
		return
	}
	defer object.Unpin(m)
	for {
		x := e.owner.Load()
		t := title(x)
		if Ticket(t&^halfBit) != ticket {
			return
		}
		if e.owner.CompareAndSwap(x, uint64(t.as(lost))) { // commit; pairs with: duplex.owner (mayWrite)
			e.ringAll()
			return
		}
	}
}

// Over reports whether nobody can use the end any more.
func (e *End) Over() bool {
	m := e.use.Pin()
	if m == nil {
		return true
	}
	defer object.Unpin(m)
	return title(e.owner.Load()).over()
}

// Close closes the end for good if it is this process's; else it does nothing.
// What was written before is read by the other end. If the process dies inside,
// the end is lost all the same.
func (e *End) Close() {
	_ = e.change(func(t title) title { return t.as(closed) }) // if it is not to be closed: it is as good as that
}

// CloseWrite ends the direction in which this end writes. It fails with
// fs.ErrClosed if the end is closed, or not this process's.
func (e *End) CloseWrite() error {
	if e.use.Closed() {
		return fs.ErrClosed
	}
	return e.change(func(t title) title { return t | halfBit })
}

// change gives the end another title, with pen: so that the other end, when it
// learns of that, sees all that was written. If pen is not to be had for long, whoever
// has it is stopped in the middle of a step, or its word is corrupt: then without. A
// goroutine of this process that is in the middle of a copy by then publishes nothing
// when it finds the other title (see publishMine); only if it is stopped behind that
// look, until the other end has read io.EOF, do its bytes appear behind that.
func (e *End) change(f func(title) title) error {
	m := e.use.Pin()
	if m == nil {
		return fs.ErrClosed
	}
	defer runtime.KeepAlive(e)
	defer object.Unpin(m)
	mine := func() bool { return title(e.owner.Load()).heldBy(e.slot) }
	began := time.Now()
	err := e.out.lock.LockUnless(context.Background(), func() bool { return !mine() || time.Since(began) > patience })
	defer e.ringAll()
	if err == nil {
		defer e.out.lock.Drop()
		if mine() && e.out.way.open.Load() != 0 {
			_ = e.retract() // an error is the other end's to find
		}
	}
	for {
		x := e.owner.Load()
		t := title(x)
		if !t.heldBy(e.slot) {
			return e.refusal(t)
		}
		if e.owner.CompareAndSwap(x, uint64(f(t))) { // commit; pairs with: duplex.owner (mayWrite)
			return nil
		}
	}
}

// patience is for how long Close waits for pen.
const patience = time.Second
