package queue

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/ring"
)

// Delivery is a message lent to a consumer. Until it is acknowledged it belongs
// to the queue: should the process die, another one gets it. It is a small value
// to be passed about; the zero Delivery is a settled one.
type Delivery[T any] struct {
	q     *Queue[T]
	token token
}

// GetFunc uses a message in place: it waits for one, calls use with what
// Delivery.Value describes, and acknowledges it if use returns nil. After an
// error of use, which is GetFunc's, a panic, or death, it is delivered again,
// first in line. Other errors are those of Get. use must not keep the pointer.
func (q *Queue[T]) GetFunc(ctx context.Context, use func(*T) error) error {
	m, err := q.enter()
	if err != nil {
		return err
	}
	defer q.exit(m)
	p := q.desk.take()
	defer q.desk.put(p)
	p.msg, err = q.port.Receive(ctx)
	if err == nil {
		err = q.show(p)
	}
	if err != nil {
		return q.fail(err)
	}
	u := using[T]{q: q, p: p}
	defer u.giveBack()
	if err := use(p.value); err != nil {
		return err
	}
	u.over = true
	return q.fail(q.port.Ack(p.msg))
}

// using is a delivery that ends with GetFunc.
type using[T any] struct {
	q    *Queue[T]
	p    *place[T]
	over bool
}

func (u *using[T]) giveBack() {
	if !u.over {
		u.q.port.Nack(u.p.msg)
	}
}

// Receive waits for a message and lends it. Nobody waits for the delivery to be
// settled, but it counts as one of the queue's messages. It fails as Get does,
// and a message that cannot be decoded is consumed as by Get: given back, it
// would be first in line for ever.
func (q *Queue[T]) Receive(ctx context.Context) (Delivery[T], error) {
	m, err := q.enter()
	if err != nil {
		return Delivery[T]{}, err
	}
	msg, err := q.port.Receive(ctx)
	return q.delivered(m, msg, err)
}

// TryReceive is Receive without waiting: it fails with ErrEmpty where Receive
// would wait.
func (q *Queue[T]) TryReceive() (Delivery[T], error) {
	m, err := q.enter()
	if err != nil {
		return Delivery[T]{}, err
	}
	msg, err := q.port.TryReceive()
	return q.delivered(m, msg, err)
}

// Deliveries yields what Receive returns, and ends as All does. Settle each one,
// in the loop or in another goroutine: what is not settled is given back only
// when the segment is closed or the process dies.
func (q *Queue[T]) Deliveries(ctx context.Context) iter.Seq2[Delivery[T], error] {
	return func(yield func(Delivery[T], error) bool) {
		for {
			d, err := q.Receive(ctx)
			if errors.Is(err, ErrShutdown) {
				return
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

func (q *Queue[T]) delivered(m *object.Mapping, msg ring.Message, err error) (Delivery[T], error) {
	defer q.exit(m)
	if err != nil {
		return Delivery[T]{}, q.fail(err)
	}
	p := q.desk.take()
	p.msg = msg
	if err := q.show(p); err != nil {
		q.desk.put(p)
		return Delivery[T]{}, q.fail(err)
	}
	if f := q.codec.Form(); f == codec.Fixed || f == codec.Bytes {
		m.Keep() // the user may keep the pointer for longer than the mapping
	}
	return Delivery[T]{q: q, token: p.lend()}, nil
}

// show makes p.value the message that p.msg is. If it cannot, the message is consumed.
func (q *Queue[T]) show(p *place[T]) (err error) {
	over := false
	defer func() {
		switch {
		case over && err != nil:
			_ = q.port.Ack(p.msg) // if that fails another process finds the same fault
		case !over: // T's decoding has panicked
			q.port.Nack(p.msg)
		}
	}()
	switch q.codec.Form() {
	case codec.Fixed:
		err = q.showFixed(p)
	case codec.Bytes:
		p.value = p.fresh()
		b := q.port.Bytes(p.msg)
		*mem.AsByteSlice(p.value) = slices.Clip(b)
	case codec.String:
		p.value = p.fresh()
		err = q.codec.Decode(q.port.Bytes(p.msg), p.value)
	default:
		p.value = p.fresh()
		b := getBuffer()
		*b = append(*b, q.port.Bytes(p.msg)...)
		err = q.codec.Decode(*b, p.value)
		putBuffer(b)
	}
	over = true
	return err
}

func (q *Queue[T]) showFixed(p *place[T]) (err error) {
	if p.msg.Length != q.size {
		return mem.Corrupt("message length", q.port.Offset(p.msg), p.msg.Length, q.size)
	}
	if p.value, err = ring.Long[T](q.port.Ring, q.port.Offset(p.msg)); err == nil {
		q.normalize(p.value)
	}
	return err
}

// Value returns the message. If T has a fixed layout, or is []byte, that is the
// shared memory itself. It is not to be used after Ack or Nack; and after Close
// it may be changed by who gets the message then. A settled delivery's is a new T.
func (d Delivery[T]) Value() *T {
	if d.q != nil {
		if p := d.q.desk.find(d.token); p != nil {
			return p.value
		}
	}
	return new(T)
}

// Attempt returns 1 for the first delivery of a message, 2 after one Nack or
// death, and so on up to 255. It is 0 for a settled delivery.
func (d Delivery[T]) Attempt() int {
	if d.q != nil {
		if p := d.q.desk.find(d.token); p != nil {
			return p.msg.Attempt()
		}
	}
	return 0
}

// Ack ends the message: nobody gets it any more. It fails with ErrSettled after
// Ack or Nack, and with fs.ErrClosed if the segment was closed here, which gave
// the message back: it will be delivered again. If the process dies inside, it is
// ended or will be delivered again.
func (d Delivery[T]) Ack() error {
	q := d.q
	if q == nil {
		return ErrSettled
	}
	m, err := q.enter()
	if err != nil {
		return err
	}
	p := q.desk.settle(d.token)
	if p == nil {
		return ErrSettled
	}
	err = q.port.Ack(p.msg)
	q.desk.put(p)
	q.exit(m)
	return q.fail(err)
}

// Nack gives the message back; it is delivered again, first in line. After Ack,
// or another Nack, it does nothing, so it can be deferred.
func (d Delivery[T]) Nack() {
	q := d.q
	if q == nil {
		return
	}
	m, err := q.enter()
	if err != nil {
		return // Close has given it back
	}
	if p := q.desk.settle(d.token); p != nil {
		q.port.Nack(p.msg)
		q.desk.put(p)
	}
	q.exit(m)
}
