package queue

import (
	"context"
	"fmt"
	"io/fs"
	"runtime"
	"time"

	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/ring"
	"github.com/shoal-ipc/shoal/shm"
)

var (
	// ErrFull is returned by TryPut and TryReserve when there is no room.
	ErrFull = ring.ErrFull
	// ErrEmpty is returned by TryGet and TryReceive when there is no message.
	ErrEmpty = ring.ErrEmpty
	// ErrTooLarge is returned for a message that is longer than Spec.MaxSize.
	ErrTooLarge = ring.ErrTooLarge
	// ErrSettled is returned by Publish of a loan that was published or abandoned,
	// and by Ack of a delivery that was acknowledged or given back.
	ErrSettled = ring.ErrSettled
	// ErrShutdown is returned when Shutdown was called. It is fs.ErrClosed, too.
	ErrShutdown = ring.ErrShutdown
)

// errReadOnly is what calls on a read-only segment return.
var errReadOnly = fmt.Errorf("queue: segment is open read-only: %w", fs.ErrPermission)

type base = handle.Handle

// Queue is a bounded queue of Ts, first in first out for each producer, that
// loses nothing when a process dies. A T of fixed layout travels as its bytes, as
// do []byte and string; a T with MarshalBinary (or AppendBinary) and
// UnmarshalBinary by these; any other T as CBOR, fields by name.
//
// Its methods may be called at once by any number of goroutines and processes.
// What was done before a message was put is seen by who gets it. A zero Queue is
// a closed one.
type Queue[T any] struct {
	base
	access[T]
	desk desk[T]
}

// access is how a handle gets at its queue.
type access[T any] struct {
	use   *object.Use
	port  *ring.Port
	codec *codec.Codec[T]
	spec  Spec

	fixed    bool           // T has a fixed layout
	inline   bool           // T has a fixed layout, messages lie in the slots, and the segment can be written
	straight bool           // inline, and the port's PutAlone and GetAlone work
	size     int            // of a T of fixed layout
	bools    bool           // a T has bools in it
	slots    mem.Strided[T] // the slots' messages, if inline
}

// Create makes an empty queue. It fails with fs.ErrExist if the name is taken,
// fs.ErrInvalid if the name or spec is impossible, a *shm.TypeError if a T cannot
// travel, a *shm.SpaceError if it does not fit. If the process dies inside, the
// queue is there as a whole or not at all.
func Create[T any](ctx context.Context, seg *shm.Segment, name string, spec Spec) (*Queue[T], error) {
	return open[T](ctx, seg, name, spec, handle.Create)
}

// Open opens a queue that exists, else fs.ErrNotExist. An object of another kind,
// or a queue of other messages, is a *shm.IncompatibleError.
func Open[T any](ctx context.Context, seg *shm.Segment, name string) (*Queue[T], error) {
	return open[T](ctx, seg, name, Spec{}, handle.Open)
}

// OpenOrCreate opens the queue, which keeps its messages, or makes an empty one.
// If there is one that differs from a field that spec sets, that is a
// *shm.IncompatibleError. Otherwise it fails as Open and Create do.
func OpenOrCreate[T any](ctx context.Context, seg *shm.Segment, name string, spec Spec) (*Queue[T], error) {
	return open[T](ctx, seg, name, spec, handle.OpenOrCreate)
}

type verb func(ctx context.Context, seg *shm.Segment, req object.Request) (handle.Handle, error)

func open[T any](ctx context.Context, seg *shm.Segment, name string, spec Spec, how verb) (*Queue[T], error) {
	c, err := codec.For[T]()
	if err != nil {
		return nil, handle.TypeErr(err)
	}
	req, err := request(c, name, spec)
	if err != nil {
		return nil, err
	}
	h, err := how(ctx, seg, req)
	if err != nil {
		return nil, err
	}
	q := &Queue[T]{base: h, access: access[T]{use: handle.UseOf(&h), codec: c}}
	if err := q.attach(handle.ObjectOf(&h)); err != nil {
		return nil, fmt.Errorf("queue: open %q: %w", name, handle.Err(&h, err))
	}
	return q, nil
}

func (q *Queue[T]) attach(obj *object.Object) error {
	port, err := ring.New(q.use, obj)
	if err != nil {
		return err
	}
	q.port = port
	q.spec = specOf(port.Spec())
	l := q.codec.Layout()
	if l == nil {
		return nil
	}
	q.fixed = true
	q.size = int(l.Size)
	q.bools = l.HasBools()
	if q.size > q.spec.MaxSize {
		return mem.Corrupt("MaxSize", -1, q.spec.MaxSize, fmt.Sprintf("at least %d, the size of a message", q.size))
	}
	if q.size > port.InlineSize() {
		return nil
	}
	if q.slots, err = ring.Slots[T](port.Ring); err != nil {
		return err
	}
	q.inline = !q.use.ReadOnly
	q.straight = q.inline && port.Straighten(q.size)
	return nil
}

// UnmarshalText makes q the queue that text, from MarshalText of any process,
// names. It opens the segment if need be, and waits for that at most ten seconds.
// Nobody may use q meanwhile.
func (q *Queue[T]) UnmarshalText(text []byte) error {
	seg, name, err := handle.Unmarshal(text)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), unmarshalWait)
	defer cancel()
	opened, err := Open[T](ctx, seg, name)
	if err != nil {
		return err
	}
	q.desk.clear() // what the handle has lent was another queue's
	q.base, q.access = opened.base, opened.access
	return nil
}

const unmarshalWait = 10 * time.Second

// Spec returns the geometry of the queue, also after Close.
func (q *Queue[T]) Spec() Spec { return q.spec }

// Cap returns how many messages fit; zero after Close.
func (q *Queue[T]) Cap() int {
	if q.use == nil || q.use.Closed() {
		return 0
	}
	return q.spec.Cap
}

// Len returns the number of messages that nobody has taken, between 0 and Cap;
// zero after Close. It is exact while nobody puts or gets. It looks at every
// place of the queue.
func (q *Queue[T]) Len() int {
	if q.use == nil {
		return 0
	}
	m := q.use.Pin()
	if m == nil {
		return 0
	}
	n := q.port.Len()
	q.exit(m)
	return n
}

// enter begins an operation, which exit ends.
func (q *Queue[T]) enter() (*object.Mapping, error) {
	if q.use == nil {
		return nil, q.closed()
	}
	m := q.use.Pin()
	if m == nil {
		return nil, q.closed()
	}
	if q.use.ReadOnly {
		return nil, errReadOnly
	}
	return m, nil
}

// exit ends what enter, or Pin, began.
func (q *Queue[T]) exit(m *object.Mapping) {
	object.Unpin(m)
	runtime.KeepAlive(q) // and the object with it
}

// fail translates an error of the port.
func (q *Queue[T]) fail(err error) error { return handle.Err(&q.base, err) }
