//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
)

// args is what a child is told.
type args struct {
	Dir, Books string // of the segments, and of what is written down
	Number     int    // of the child, from 0
	Seat       int    // the place that it has of another, who died
	Seed       uint64
	Hazard     hazard
	Group      string // the control group to enter
	Fault      string // what this child does wrong on purpose
}

// Faults that are planted, so that the audit must find them.
const (
	faultForgets = "forgets" // to write down what it took
	faultDoubles = "doubles" // what it adds
	faultMumbles = "mumbles" // so that nothing comes of what it says
	faultRepeats = "repeats" // tasks of its pools
)

// The hands of a child are its goroutines. Those of one segment come together.
const (
	handPuts = iota
	handTakes
	handLocks
	handReckons
	handGathers
	handTalks
	handsEach
	handBuilds = 2 * handsEach
	handPools  = handBuilds + 1 // of some children only
	handHazard = handPools + 1
	hands      = handHazard + 1
)

// worker is a child: it opens the segments and uses everything at random, closes
// them, and begins again.
type worker struct {
	args
	r        *rand.Rand
	tally    tally
	journals [2 * handsEach]journal // of those hands that need one
	seqs     [2]uint32              // the number of the message put last, in each segment
	talks    [2]uint32              // how often it has talked, in each segment
	failed   chan error
}

var works = process.Func("soak-works", func(ctx context.Context, a args) error {
	if err := enter(a); err != nil {
		return err
	}
	defer disturb()()
	w := &worker{args: a, r: rand.New(rand.NewPCG(a.Seed, 1)), failed: make(chan error, 4*hands)}
	if err := w.openBooks(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := w.session(ctx); err != nil {
			return err
		}
	}
	return nil
})

func (w *worker) openBooks() (err error) {
	if w.tally, err = openTally(w.Books, w.Number); err != nil {
		return err
	}
	for i, segment := range segments {
		dir := filepath.Join(w.Books, segment, lanes[w.lane(i)].name)
		for hand, role := range map[int]string{handPuts: producer, handTakes: consumer} {
			j, err := openJournal(dir, role, uint32(w.Number))
			if err != nil {
				return err
			}
			w.journals[i*handsEach+hand] = j
		}
	}
	return nil
}

// lane is which queue of the i-th segment this child puts into and gets from.
func (w *worker) lane(i int) int { return (w.Seat + i) % len(lanes) }

// session uses the segments for a time.
func (w *worker) session(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(100+w.r.IntN(4000))*time.Millisecond)
	defer cancel()
	var parks []*park
	for _, name := range segments {
		p, err := w.open(ctx, name)
		if err != nil {
			return errors.Join(w.judge(ctx, err, false), closeAll(parks))
		}
		parks = append(parks, p)
	}
	var wg sync.WaitGroup
	hands, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	for hand, s := range w.steppersOf(parks) {
		gates := parks
		if hand < handBuilds {
			gates = parks[hand/handsEach:][:1]
		}
		wg.Go(func() {
			if err := w.work(hands, hand, s, gates); err != nil {
				w.failed <- err
				cancel()
			}
		})
	}
	<-ctx.Done()
	ended := make(chan struct{})
	go func() {
		wg.Wait()
		close(ended)
	}()
	patience := time.Duration(0)
	if w.r.IntN(2) == 0 {
		patience = time.Second // what waits without a ctx, for others who may have gone, goes on waiting
		stop()
	}
	select {
	case <-ended:
	case <-time.After(patience): // close under the hands
		for _, p := range parks {
			p.gate.close()
			account{w.tally, handHazard}.note(closes)
		}
	}
	err := closeAll(parks)
	stop()
	<-ended
	select {
	case failure := <-w.failed:
		return errors.Join(failure, err)
	default:
		return err
	}
}

func closeAll(parks []*park) error {
	var errs []error
	for _, p := range parks {
		errs = append(errs, p.seg.Close())
	}
	return errors.Join(errs...)
}

func (w *worker) open(ctx context.Context, name string) (*park, error) {
	seg, err := shm.Open(ctx, name, &shm.Options{Dir: w.Dir})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	p, err := openPark(ctx, seg)
	if err != nil {
		return nil, errors.Join(err, seg.Close())
	}
	return p, nil
}

func (w *worker) random() *rand.Rand { return rand.New(rand.NewPCG(w.r.Uint64(), 2)) }

// steppersOf returns what each hand does.
func (w *worker) steppersOf(parks []*park) map[int]stepper {
	list := map[int]stepper{
		handBuilds: &builder{
			parks: parks, account: account{w.tally, handBuilds}, r: w.random(), dir: w.Dir, number: w.Number, made: w.r.IntN(1 << 40),
		},
	}
	if poolers(w.Seat) {
		list[handPools] = &pooler{parks, account{w.tally, handPools}, w.random(), w.Hazard, w.Fault}
	}
	if h := w.Hazard.hand(w); h != nil {
		list[handHazard] = h
	}
	for i, p := range parks {
		first := i * handsEach
		l := p.lanes[w.lane(i)]
		ways := []int{onlyReceives, allWays}[w.r.IntN(2)]
		list[first+handPuts] = l.putter(p.gate, w.journals[first+handPuts], uint32(w.Number), &w.seqs[i])
		list[first+handTakes] = l.taker(p.gate, w.journals[first+handTakes], ways, w.Fault)
		list[first+handLocks] = &locker{p, account{w.tally, first + handLocks}, w.random()}
		list[first+handGathers] = &gatherer{p, w.random()}
		list[first+handTalks] = &talker{p, w.random(), w.Number, w.r.IntN(1 << 40), &w.talks[i], w.Fault}
		list[first+handReckons] = &reckoner{park: p, account: account{w.tally, first + handReckons}, r: w.random(), fault: w.Fault}
	}
	return list
}

// work lets a hand work until ctx is done or the segments are closed.
func (w *worker) work(ctx context.Context, hand int, s stepper, parks []*park) error {
	a := account{w.tally, hand}
	for ctx.Err() == nil {
		closing := false
		for _, p := range parks {
			closing = closing || p.closing()
		}
		if closing {
			return nil
		}
		err := safely(func() error { return s.step(ctx) })
		for _, p := range parks {
			closing = closing || p.closing()
		}
		if err := w.judge(ctx, err, closing); err != nil {
			return fmt.Errorf("hand %d: %w", hand, err)
		}
		a.note(steps)
		switch {
		case errors.Is(err, shm.ErrNoSpace):
			a.note(spaces)
		case errors.Is(err, syscall.EMFILE):
			a.note(shortages)
		}
	}
	return nil
}

// safely makes the panic of a call after Close an error.
func safely(f func() error) (err error) {
	defer func() {
		if x := recover(); x != nil {
			closed, ok := x.(error)
			if !ok || !errors.Is(closed, fs.ErrClosed) {
				panic(x)
			}
			err = closed
		}
	}()
	return f()
}

// judge returns err if it should not be.
func (w *worker) judge(ctx context.Context, err error, closing bool) error {
	var space *shm.SpaceError
	switch {
	case err == nil, errors.Is(err, errWrong):
		return err
	case errors.Is(err, fs.ErrClosed):
		if closing {
			return nil
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return nil
	case errors.Is(err, errRegret), errors.Is(err, queue.ErrFull), errors.Is(err, queue.ErrEmpty), errors.Is(err, semaphore.ErrNoPermit),
		errors.Is(err, lock.ErrLocked), errors.Is(err, lock.ErrPoisoned):
		return nil
	case errors.Is(err, fs.ErrPermission): // of the queue that only two may use
		return nil
	case errors.As(err, &space) && space.Need > 0:
		return nil
	case w.Hazard == descriptors && errors.Is(err, syscall.EMFILE):
		return nil
	}
	return wrong("child %d (pid %s): %w", w.Number, strconv.Itoa(os.Getpid()), err)
}
