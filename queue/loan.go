package queue

import (
	"context"

	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/ring"
)

// Loan is a place of a queue, lent to a producer to build a message in. It is a
// small value to be passed about; the zero Loan is a settled one.
type Loan[T any] struct {
	q     *Queue[T]
	token token
}

// PutFunc builds a message in place: it waits for room, calls build with what
// Loan.Value describes, and publishes it if build returns nil. Nobody waits for
// build, however long it takes.
//
// An error of build is PutFunc's; then, or if build panics or ends its goroutine,
// or the process dies inside, the message is not in the queue. Other errors are
// those of Put, and of Loan.Publish. build must not keep the pointer.
func (q *Queue[T]) PutFunc(ctx context.Context, build func(*T) error) error {
	m, err := q.enter()
	if err != nil {
		return err
	}
	defer q.exit(m)
	p := q.desk.take()
	defer q.desk.put(p)
	p.loan, err = q.port.Reserve(ctx, q.terms(p, callLoan))
	if err != nil {
		return q.fail(err)
	}
	b := building[T]{q: q, p: p}
	defer b.abandon()
	if err := q.lay(p); err != nil {
		return q.fail(err)
	}
	if err := build(p.value); err != nil {
		return err
	}
	if q.use.Closed() {
		return q.closed()
	}
	p.ctx = ctx
	b.over, err = q.publish(p)
	return q.fail(err)
}

// building is a loan that ends with PutFunc.
type building[T any] struct {
	q    *Queue[T]
	p    *place[T]
	over bool
}

func (b *building[T]) abandon() {
	if !b.over {
		b.q.port.Abandon(b.p.loan)
	}
}

// Reserve waits for room and lends it. Nobody waits for the loan to be settled,
// but it counts as one of the queue's messages. It fails as Put does; then
// nothing was lent. If the process dies, the room comes back.
func (q *Queue[T]) Reserve(ctx context.Context) (Loan[T], error) {
	m, err := q.enter()
	if err != nil {
		return Loan[T]{}, err
	}
	p := q.desk.take()
	p.loan, err = q.port.Reserve(ctx, q.terms(p, userLoan))
	p.ctx = ctx
	return q.lent(m, p, err)
}

// TryReserve is Reserve without waiting: it fails with ErrFull where Reserve
// would wait.
func (q *Queue[T]) TryReserve() (Loan[T], error) {
	m, err := q.enter()
	if err != nil {
		return Loan[T]{}, err
	}
	p := q.desk.take()
	p.loan, err = q.port.TryReserve(q.terms(p, userLoan))
	return q.lent(m, p, err)
}

func (q *Queue[T]) lent(m *object.Mapping, p *place[T], err error) (Loan[T], error) {
	defer q.exit(m)
	if err == nil {
		if err = q.lay(p); err != nil {
			q.port.Abandon(p.loan)
		}
	}
	if err != nil {
		q.desk.put(p)
		return Loan[T]{}, q.fail(err)
	}
	if f := q.codec.Form(); p.loan.HasBlock() && (f == codec.Fixed || f == codec.Bytes) {
		m.Keep() // the user may keep the pointer for longer than the mapping
	}
	return Loan[T]{q: q, token: p.lend()}, nil
}

// holder says who has a loan.
type holder uint8

const (
	callLoan holder = iota + 1 // ends with the call that took it
	userLoan                   // is in the hands of the user
)

// terms says what place p needs for a loan.
func (q *Queue[T]) terms(p *place[T], h holder) ring.Terms {
	t := ring.Terms{Tag: uint16(p.token()), Lent: h == userLoan}
	if q.codec.Form() == codec.Fixed {
		t.Size = int64(q.size)
	} else {
		t.Size = int64(q.spec.SlotSize)
	}
	return t
}

// lay makes p.value what the user builds the message in.
func (q *Queue[T]) lay(p *place[T]) error {
	switch q.codec.Form() {
	case codec.Fixed:
		if !p.loan.HasBlock() {
			p.value = p.fresh()
			return nil
		}
		x, err := ring.Long[T](q.port.Ring, q.port.BlockOffset(p.loan))
		if err != nil {
			return err
		}
		clear(mem.BytesOf(x))
		p.value = x
	case codec.Bytes:
		p.value = p.fresh()
		if p.loan.HasBlock() {
			p.bytes = q.port.BlockBytes(p.loan, int64(q.spec.SlotSize))
		} else {
			if p.spare == nil {
				p.spare = make([]byte, q.spec.SlotSize)
			}
			p.bytes = p.spare
		}
		n := len(p.bytes)
		*mem.AsByteSlice(p.value) = p.bytes[:n:n]
	default:
		p.value = p.fresh()
	}
	return nil
}

// publish puts what was built; over says whether that was the end of the loan.
func (q *Queue[T]) publish(p *place[T]) (over bool, err error) {
	switch q.codec.Form() {
	case codec.Fixed:
		if p.loan.HasBlock() {
			return true, q.port.PublishBlock(p.loan, q.size)
		}
		return true, q.port.PublishBytes(p.loan, mem.BytesOf(p.value))
	case codec.Bytes:
		b := *mem.AsByteSlice(p.value)
		if p.loan.HasBlock() && len(b) > q.port.InlineSize() && &b[0] == &p.bytes[0] {
			return true, q.port.PublishBlock(p.loan, len(b))
		}
		return q.publishLong(p, b)
	case codec.String:
		return q.publishLong(p, q.codec.View(p.value))
	}
	b := getBuffer()
	defer putBuffer(b)
	if *b, err = encode(q.codec, *b, *p.value); err != nil {
		return false, err
	}
	return q.publishLong(p, *b)
}

func (q *Queue[T]) publishLong(p *place[T], b []byte) (over bool, err error) {
	if p.ctx == nil {
		return q.port.TryPublishLong(&p.loan, b)
	}
	return q.port.PublishLong(p.ctx, &p.loan, b)
}

// Value returns the message to build. It starts zero. If T has a fixed layout,
// this is shared memory itself, or memory of this process that is copied there
// if a T is small. For T = []byte it points at a slice, SlotSize long and not
// zeroed, which the caller shortens; it may also be replaced by another one, of
// up to MaxSize bytes, which is then copied. It is not to be used after Publish
// or Abandon. A settled loan's is a new T.
func (l Loan[T]) Value() *T {
	if l.q != nil {
		if p := l.q.desk.find(l.token); p != nil {
			return p.value
		}
	}
	return new(T)
}

// Publish puts the message, also after Shutdown. It does not wait, unless T is
// encoded, or its slice was replaced, and the message is longer than SlotSize:
// then it waits for room in the heap, as Reserve did: until its ctx is done, and
// after TryReserve not at all.
//
// It fails with ErrSettled after Publish or Abandon; with ErrTooLarge, the
// encoding's error, ctx.Err() or ErrFull, after which the loan goes on; and with
// fs.ErrClosed when the segment was closed here, which ended the loan. Then the message is not in the
// queue. If the process dies inside, it is in the queue as a whole or not at all.
func (l Loan[T]) Publish() error {
	q := l.q
	if q == nil {
		return ErrSettled
	}
	m, err := q.enter()
	if err != nil {
		return err
	}
	defer q.exit(m)
	p := q.desk.settle(l.token)
	if p == nil {
		return ErrSettled
	}
	over := false
	defer func() { // also if T's encoding panics
		if over {
			q.desk.put(p)
		} else {
			p.reopen()
		}
	}()
	over, err = q.publish(p)
	return q.fail(err)
}

// Abandon gives the loan back. After Publish, or another Abandon, it does
// nothing, so it can be deferred.
func (l Loan[T]) Abandon() {
	q := l.q
	if q == nil {
		return
	}
	m, err := q.enter()
	if err != nil {
		return // Close has ended it
	}
	if p := q.desk.settle(l.token); p != nil {
		q.port.Abandon(p.loan)
		q.desk.put(p)
	}
	q.exit(m)
}
