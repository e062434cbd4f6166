package ring

import (
	"context"

	"github.com/shoal-ipc/shoal/internal/wait"
)

// Shutdown ends the queue: whoever claims a slot after this fails, and what was
// claimed before is delivered.
func (p *Port) Shutdown() {
	p.head.closing.Store(1) // commit; pairs with: ring.closing (nothing)
	p.head.notEmpty.signal(wait.All)
	p.head.notFull.signal(wait.All)
	p.head.space.signal(wait.All)
}

// nothing says why there is no message: ErrEmpty, or ErrShutdown if there never
// will be one. Deliveries of this process itself do not count: who holds one
// would wait for himself.
func (p *Port) nothing() error {
	if p.head.closing.Load() == 0 { // pairs with: ring.closing (Shutdown)
		return ErrEmpty
	}
	if p.spsc && p.aboutToPut() {
		return ErrEmpty
	}
	quiet, sure := p.quiet(func(x uint64) bool {
		switch stateOf(x) {
		case free:
			return true
		case reading, loaned:
			return ownerOf(x) == p.me
		}
		return false
	})
	switch {
	case !sure:
		return errAgain
	case quiet:
		return ErrShutdown
	}
	return ErrEmpty
}

// aboutToPut reports whether the producer of an SPSC queue that is shut down may
// have begun to put before it was, and not be done. Whoever begins later sees that
// it was.
func (p *Port) aboutToPut() bool {
	if !p.fenced.Load() {
		fence()
		p.fenced.Store(true)
	}
	return p.head.putting.Load() != 0 // pairs with: ring.putting (enter)
}

// quiet reports whether ok was true of the words of all slots at one instant,
// and whether that is sure: messages come and go while it looks. None came if
// nobody claimed a position (the first one that is not claimed still has the
// word that it had) or published a reserved one out of its turn (late has not
// changed).
func (r *Ring) quiet(ok func(word uint64) bool) (quiet, sure bool) {
	t := r.head.late.Load()
	i, x, found := r.tip()
	if !found {
		return false, false
	}
	for k := range r.all() {
		if !ok(r.slots.At(k).word.Load()) {
			return false, true
		}
	}
	return true, r.slots.At(i).word.Load() == x && r.head.late.Load() == t
}

// tip returns the slot of the first position that is not claimed, and its word.
func (r *Ring) tip() (slot uint32, x uint64, found bool) {
	w, err := r.start(r.head.writePos.Load(), r.head.readPos.Load())
	if err != nil {
		return 0, 0, false
	}
	for range 8*int64(r.n) + 64 {
		i := indexOf(w)
		x := r.slots.At(i).word.Load()
		switch d := ahead(x, w); {
		case d > 0:
			w = r.skip(w, x)
		case d == 0 && stateOf(x) != free:
			w = r.next(w)
		default:
			return i, x, true
		}
	}
	return 0, 0, false
}

// done reports whether no message is in the queue, or held by a consumer.
func (r *Ring) done() (done, sure bool) {
	return r.quiet(func(x uint64) bool {
		s := stateOf(x)
		return s == free || s == reserved || s == filling // what is only being built is no message yet
	})
}

// wakeIdle wakes those who wait for the queue to be empty, if it is.
func (r *Ring) wakeIdle() {
	if done, sure := r.done(); done || !sure {
		r.head.idle.signal(wait.All)
	}
}

// Join waits until no message is in the queue and every one that was received is
// acknowledged.
func (p *Port) Join(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	try := func() error {
		switch done, sure := p.done(); {
		case !sure:
			return errAgain
		case !done:
			return ErrFull
		}
		return nil
	}
	if try() == nil {
		return nil
	}
	return p.await(ctx, &p.idle, try)
}

// Len returns the number of messages that nobody has taken.
func (r *Ring) Len() int {
	n := 0
	for i := range r.all() {
		if s := stateOf(r.slots.At(i).word.Load()); s == full || s == late {
			n++
		}
	}
	return min(n, int(r.n)) // loans that were published at once may be a few more
}

// Cap returns how many messages fit.
func (r *Ring) Cap() int { return int(r.n) }

// Spec returns the geometry.
func (r *Ring) Spec() Spec { return r.spec }

// InlineSize returns how long a message that lies in its slot may be.
func (r *Ring) InlineSize() int { return int(r.inline) }
