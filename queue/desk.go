package queue

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/shoal-ipc/shoal/internal/ring"
)

// desk is where a handle keeps what it has lent to its user. Loan and Delivery
// are small values that say where at the desk: a place and a generation, so that
// a stale one finds that it is over, and none is ever allocated for long.
type desk[T any] struct {
	places atomic.Pointer[[]*place[T]] // grows by being replaced

	mu   sync.Mutex
	free []uint32
}

// place is one thing that was lent.
type place[T any] struct {
	// state is generation<<2 | one of vacant, out and settling.
	state atomic.Uint32
	index uint32

	loan ring.Loan
	ctx  context.Context // of who waits for room for the loan; nil: nobody waits
	msg  ring.Message

	value *T     // what the user sees
	own   *T     // memory of this process for it, kept for the next one
	bytes []byte // what *value was at first, for T = []byte
	spare []byte // memory of this process for bytes
}

const (
	vacant   = 0
	out      = 1
	settling = 2

	stateBits = 3
	oneMore   = 4
)

// token names a place and the generation of what is lent there. No token is 0.
type token uint64

func (p *place[T]) token() token {
	return token(p.index)<<32 | token(p.state.Load()&^stateBits|out)
}

// take returns a vacant place. It becomes one that a token names by lend.
func (d *desk[T]) take() *place[T] {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.free) == 0 {
		d.grow()
	}
	last := len(d.free) - 1
	i := d.free[last]
	d.free = d.free[:last]
	return (*d.places.Load())[i]
}

// grow doubles the number of places.
func (d *desk[T]) grow() {
	var old []*place[T]
	if p := d.places.Load(); p != nil {
		old = *p
	}
	places := make([]*place[T], max(2*len(old), 8))
	copy(places, old)
	for i := len(old); i < len(places); i++ {
		places[i] = &place[T]{index: uint32(i)}
		d.free = append(d.free, uint32(i))
	}
	d.places.Store(&places)
}

// lend makes p one that the token returned names.
func (p *place[T]) lend() token {
	t := p.token()
	p.state.Store(uint32(t))
	return t
}

// find returns the place that t names, or nil if that is over.
func (d *desk[T]) find(t token) *place[T] {
	places := d.places.Load()
	if places == nil || int(t>>32) >= len(*places) {
		return nil
	}
	p := (*places)[t>>32]
	if p.state.Load() != uint32(t) {
		return nil
	}
	return p
}

// settle is find for who ends what was lent: of several one finds it, and then
// calls reopen or put.
func (d *desk[T]) settle(t token) *place[T] {
	p := d.find(t)
	if p == nil || !p.state.CompareAndSwap(uint32(t), uint32(t)&^stateBits|settling) {
		return nil
	}
	return p
}

// reopen undoes settle.
func (p *place[T]) reopen() { p.state.Store(p.state.Load()&^stateBits | out) }

// put makes p vacant.
func (d *desk[T]) put(p *place[T]) {
	p.value = nil
	p.bytes = nil
	p.ctx = nil
	p.state.Store(p.state.Load()&^stateBits + oneMore | vacant)
	d.mu.Lock()
	d.free = append(d.free, p.index)
	d.mu.Unlock()
}

// clear ends all that is lent, for the user: its tokens name nothing any more.
func (d *desk[T]) clear() {
	places := d.places.Load()
	if places == nil {
		return
	}
	for _, p := range *places {
		if p.state.Load()&stateBits == out {
			d.put(p)
		}
	}
}

// fresh returns a zero T in memory of this process.
func (p *place[T]) fresh() *T {
	if p.own == nil {
		p.own = new(T)
	} else {
		var zero T
		*p.own = zero
	}
	return p.own
}
