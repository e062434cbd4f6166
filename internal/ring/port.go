package ring

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// Port is one handle's way into a queue. Its methods may be called at once by
// many goroutines; they touch shared memory, so they run between Pin and Unpin
// of the Use that the Port was made with.
type Port struct {
	*Ring
	use  *object.Use
	obj  *object.Object // while it is reachable, the memory is the queue's
	sync *race.Token
	me   uint32
	spsc bool

	// In an SPSC queue: the process's way to put, and to get; else nil.
	putting, taking *solo
	solitary        bool        // a goroutine may own one of them
	fenced          atomic.Bool // there was a fence after the queue was shut down
	lanes           *lanes      // after Straighten

	notEmpty, notFull, space, idle line

	// lendings counts the blocks that this process has lent. The number is in the
	// word of a block's owner, so that no two of its loans of one block, of whatever
	// handles, are taken for each other when Close ends the first.
	lendings *atomic.Uint32

	_         [mem.CacheLine]byte
	writeHint satomic.Hint  // where this handle's producers look first
	cursor    atomic.Uint32 // where this handle looks first for granules
	_         [mem.CacheLine]byte
	readHint  satomic.Hint  // where this handle's consumers look first
	lone      atomic.Uint32 // messages that came alone, one after the other; see linger.go
	_         [mem.CacheLine]byte

	readyOnce sync.Once
	ready     chan struct{}
}

// New returns a way into the queue obj, as the user use.
func New(use *object.Use, obj *object.Object) (*Port, error) {
	r, err := Attach(obj.Region, obj.Shape)
	if err != nil {
		return nil, err
	}
	p := &Port{
		Ring:     r,
		use:      use,
		obj:      obj,
		sync:     obj.Sync,
		me:       use.Slot,
		spsc:     r.spec.Mode == SPSC,
		notEmpty: newLine(obj, &r.head.notEmpty, wait.Slice),
		notFull:  newLine(obj, &r.head.notFull, wait.Slice),
		space:    newLine(obj, &r.head.space, 4*patience),
		idle:     newLine(obj, &r.head.idle, wait.Slice),
	}
	lendings, ok := obj.Local("ring.lendings", func() any { return new(atomic.Uint32) }).(*atomic.Uint32)
	if !ok {
		panic("ring: another package took the lendings' place")
	}
	p.lendings = lendings
	if p.spsc {
		s, ok := obj.Local("ring.sides", func() any { return newSides(r.head) }).(*sides)
		if !ok {
			panic("ring: another package took the sides' place")
		}
		s.serve(use, obj)
		p.putting, p.taking = &s.putting, &s.taking
		p.solitary = !satomic.Overtaken || fences()
	}
	if !use.ReadOnly && !fences() {
		r.head.strict.Store(1)
	}
	// Not zero: hints are compared modulo 2^64.
	p.writeHint.Store(r.head.writePos.Load())
	p.readHint.Store(r.head.readPos.Load())
	return p, nil
}

// errAgain says that others changed the queue so often during an attempt that
// it was given up: neither the attempt succeeded nor is there reason to sleep.
var errAgain = errors.New("queue: busy")

// What the second process gets that wants to put to, or get from, an SPSC queue.
var (
	errProducer = fmt.Errorf("queue: another process puts: %w", fs.ErrPermission)
	errConsumer = fmt.Errorf("queue: another process gets: %w", fs.ErrPermission)
)

// role takes one of the two roles of an SPSC queue for this process, which has
// it until it ends or closes the segment.
func (p *Port) role(word *satomic.Uint32, taken error) error {
	for range lostRaces {
		switch word.Load() {
		case p.me:
			return nil
		case 0:
			// Close, which ends roles, may have been here already.
			if word.CompareAndSwap(0, p.me) && p.use.Closed() {
				word.CompareAndSwap(p.me, 0)
				return fs.ErrClosed
			}
		default:
			return taken
		}
	}
	return errAgain
}

// mayPut takes the role of the producer, if the queue has one.
func (p *Port) mayPut() error {
	if !p.spsc {
		return nil
	}
	return p.role(&p.head.producer, errProducer)
}

// line is where the goroutines of this process wait for one event.
type line struct {
	event *event
	point *wait.Point
	limit time.Duration // of one sleep
}

func newLine(obj *object.Object, e *event, limit time.Duration) line {
	return line{event: e, point: obj.Point(&e.word), limit: limit}
}

// vain reports whether err says that it is worth waiting.
func vain(err error) bool { return err == ErrFull || err == ErrEmpty || err == errAgain }

// await calls try until it returns another error than ErrFull and ErrEmpty, which
// mean that it is worth sleeping, and errAgain.
func (p *Port) await(ctx context.Context, l *line, try func() error) error {
	var err error
	if l.point.Spin(func() bool { err = try(); return !vain(err) }) {
		return err
	}
	return p.queueUp(ctx, l, try)
}

// queueUp is await without spinning: of all goroutines in the process only one
// calls try.
func (p *Port) queueUp(ctx context.Context, l *line, try func() error) error {
	if err := l.point.Enter(ctx, p.use.Party); err != nil {
		return err // it never slept: no wake-up can be lost with it
	}
	defer l.point.Leave()
	for {
		err := try()
		if !vain(err) {
			return err
		}
		value, ok := l.event.announce()
		fence() // see publish.go
		if err = try(); !vain(err) {
			return err
		}
		if ok && err != errAgain {
			err = l.point.Sleep(ctx, p.use.Party, value, l.limit)
		} else {
			runtime.Gosched()
			err = p.interrupted(ctx)
		}
		if err != nil {
			l.event.signal(1) // the wake-up that this goroutine may have got
			return err
		}
	}
}

func (p *Port) interrupted(ctx context.Context) error {
	if p.use.Closed() {
		return fs.ErrClosed
	}
	return ctx.Err()
}
