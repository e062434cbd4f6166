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
	// slice is how long a wait sleeps before it looks again by itself.
	slice time.Duration

	notEmpty, notFull, space, idle *wait.Point

	_         [mem.CacheLine]byte
	writeHint atomic.Uint64 // where this handle's producers look first
	cursor    atomic.Uint32 // where this handle looks first for granules
	_         [mem.CacheLine]byte
	readHint  atomic.Uint64 // where this handle's consumers look first
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
		slice:    wait.Slice,
		notEmpty: obj.Point(&r.head.notEmpty.word),
		notFull:  obj.Point(&r.head.notFull.word),
		space:    obj.Point(&r.head.space.word),
		idle:     obj.Point(&r.head.idle.word),
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
	errProducer = fmt.Errorf("queue: another process puts: %w", fs.ErrPermission) //nolint:gochecknoglobals // a sentinel
	errConsumer = fmt.Errorf("queue: another process gets: %w", fs.ErrPermission) //nolint:gochecknoglobals // a sentinel
)

// role takes one of the two roles of an SPSC queue for this process, which has
// it until it ends or closes the segment.
func (p *Port) role(word *satomic.Uint32, taken error) error {
	for range lostRaces {
		switch word.Load() {
		case p.me:
			return nil
		case 0:
			word.CompareAndSwap(0, p.me)
		default:
			return taken
		}
	}
	return errAgain
}

// await calls try until it returns another error than ErrFull, ErrEmpty, both
// of which mean that it is worth sleeping, and errAgain. It sleeps for at most
// limit at a time.
func (p *Port) await(ctx context.Context, point *wait.Point, e *event, limit time.Duration, try func() error) error {
	var err error
	attempt := func() bool {
		err = try()
		return err != ErrFull && err != ErrEmpty && err != errAgain
	}
	if point.Spin(attempt) {
		return err
	}
	if err := point.Enter(ctx, p.use.Party); err != nil {
		return err // it never slept: no wake-up can be lost with it
	}
	defer point.Leave()
	for {
		if attempt() {
			return err
		}
		value, ok := e.announce()
		if attempt() {
			return err
		}
		if ok && err != errAgain {
			err = point.Sleep(ctx, p.use.Party, value, limit)
		} else {
			runtime.Gosched()
			err = p.interrupted(ctx)
		}
		if err != nil {
			e.signal(1) // the wake-up that this goroutine may have got
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
